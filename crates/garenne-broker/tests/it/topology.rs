use lapin::ExchangeKind;
use lapin::options::{
    BasicCancelOptions, BasicGetOptions, ExchangeBindOptions, ExchangeDeclareOptions,
    ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    QueuePurgeOptions,
};
use lapin::types::FieldTable;

use crate::support::{
    broker, channel, confirming, connect, consume, declare, send, text, try_declare, waiting,
};

#[tokio::test]
async fn a_server_named_queue_gets_a_name_of_its_own() {
    let broker = broker().await;
    let (_connection, channel) = channel(&broker).await;
    let options = QueueDeclareOptions {
        exclusive: true,
        ..QueueDeclareOptions::default()
    };
    let queue = channel
        .queue_declare("".into(), options, FieldTable::default())
        .await
        .unwrap();
    assert!(
        queue.name().as_str().starts_with("amq.gen-"),
        "{}",
        queue.name()
    );
    // An empty name means the last one declared.
    let purge = QueuePurgeOptions::default();
    assert_eq!(channel.queue_purge("".into(), purge).await.unwrap(), 0);
}

#[tokio::test]
async fn an_exclusive_queue_goes_with_its_connection() {
    let broker = broker().await;
    let (connection, channel) = channel(&broker).await;
    let options = QueueDeclareOptions {
        exclusive: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare("mine".into(), options, FieldTable::default())
        .await
        .unwrap();
    let other = connect(&broker).await.create_channel().await.unwrap();
    let refused = try_declare(&other, "mine", &[]).await.unwrap_err();
    assert_eq!(crate::support::reason(&refused).0, 405);
    connection.close(200, "bye".into()).await.unwrap();
    broker
        .wait_until(|view| view.queue("mine").is_none())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_auto_delete_queue_goes_with_its_last_consumer() {
    let broker = broker().await;
    let (_connection, channel) = channel(&broker).await;
    let options = QueueDeclareOptions {
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare("q".into(), options, FieldTable::default())
        .await
        .unwrap();
    let (one, two) = (
        consume(&channel, "q", 1).await,
        consume(&channel, "q", 1).await,
    );
    channel
        .basic_cancel(one.tag(), BasicCancelOptions::default())
        .await
        .unwrap();
    assert!(broker.queue("q").await.is_ok());
    channel
        .basic_cancel(two.tag(), BasicCancelOptions::default())
        .await
        .unwrap();
    assert!(broker.queue("q").await.is_err());
}

#[tokio::test]
async fn an_auto_delete_queue_without_consumers_stays_when_a_channel_goes() {
    let broker = broker().await;
    let (connection, publisher) = confirming(&broker).await;
    let options = QueueDeclareOptions {
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    publisher
        .queue_declare("q".into(), options, FieldTable::default())
        .await
        .unwrap();
    send(&publisher, "q", "m").await;
    let channel = connection.create_channel().await.unwrap();
    channel
        .basic_get("q".into(), BasicGetOptions::default())
        .await
        .unwrap()
        .unwrap();
    channel.close(200, "bye".into()).await.unwrap();
    broker
        .wait_until(|view| view.ready("q") == 1)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_auto_delete_exchange_goes_with_its_last_binding_and_takes_others_along() {
    let broker = broker().await;
    let (_connection, channel) = channel(&broker).await;
    declare(&channel, "q", &[]).await;
    let options = ExchangeDeclareOptions {
        auto_delete: true,
        ..ExchangeDeclareOptions::default()
    };
    for name in ["outer", "inner"] {
        let none = FieldTable::default();
        channel
            .exchange_declare(name.into(), ExchangeKind::Fanout, options, none)
            .await
            .unwrap();
    }
    let (bind, none) = (ExchangeBindOptions::default(), FieldTable::default());
    channel
        .exchange_bind("inner".into(), "outer".into(), "".into(), bind, none)
        .await
        .unwrap();
    let (bind, none) = (QueueBindOptions::default(), FieldTable::default);
    channel
        .queue_bind("q".into(), "inner".into(), "".into(), bind, none())
        .await
        .unwrap();
    assert_eq!(broker.bindings().await.unwrap().len(), 2);
    channel
        .queue_unbind("q".into(), "inner".into(), "".into(), none())
        .await
        .unwrap();
    assert!(broker.bindings().await.unwrap().is_empty());
    let names: Vec<_> = broker
        .exchanges()
        .await
        .unwrap()
        .into_iter()
        .map(|exchange| exchange.name)
        .collect();
    assert!(!names.contains(&"outer".to_owned()) && !names.contains(&"inner".to_owned()));
}

#[tokio::test]
async fn purge_and_delete_say_how_much_they_threw_away() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    for _ in 0..3 {
        send(&channel, "q", "m").await;
    }
    assert_eq!(
        channel
            .queue_purge("q".into(), QueuePurgeOptions::default())
            .await
            .unwrap(),
        3
    );
    send(&channel, "q", "m").await;
    let delete = QueueDeleteOptions::default();
    assert_eq!(channel.queue_delete("q".into(), delete).await.unwrap(), 1);
    assert_eq!(channel.queue_delete("q".into(), delete).await.unwrap(), 0);
    let delete = ExchangeDeleteOptions::default();
    channel
        .exchange_delete("nothing".into(), delete)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_full_queue_drops_its_head_or_refuses_as_it_was_told() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    let limit = ("x-max-length", crate::support::int(2));
    declare(&channel, "drops", std::slice::from_ref(&limit)).await;
    declare(
        &channel,
        "refuses",
        &[limit, ("x-overflow", text("reject-publish"))],
    )
    .await;
    for name in ["a", "b", "c"] {
        let dropped = send(&channel, "drops", name).await;
        assert!(dropped.is_ack());
        let refused = send(&channel, "refuses", name).await;
        assert_eq!(refused.is_ack(), name != "c");
    }
    assert_eq!(waiting(&broker, "drops").await, ["b", "c"]);
    assert_eq!(waiting(&broker, "refuses").await, ["a", "b"]);
}

#[tokio::test]
async fn a_limit_in_bytes_counts_bodies() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(
        &channel,
        "q",
        &[("x-max-length-bytes", crate::support::int(10))],
    )
    .await;
    for name in ["12345", "67890", "abc"] {
        send(&channel, "q", name).await;
    }
    assert_eq!(waiting(&broker, "q").await, ["67890", "abc"]);
}
