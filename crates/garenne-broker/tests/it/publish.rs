use futures_util::future::join_all;
use lapin::options::{
    BasicPublishOptions, ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions,
};
use lapin::types::{AMQPValue, FieldArray, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, ExchangeKind};

use crate::support::{
    body, broker, channel, confirming, connect, consume, declare, next, persistent, publish, send,
    table, text, waiting, within,
};

async fn exchange(channel: &Channel, name: &str, kind: ExchangeKind, arguments: FieldTable) {
    let options = ExchangeDeclareOptions::default();
    channel
        .exchange_declare(name.into(), kind, options, arguments)
        .await
        .unwrap();
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str, arguments: FieldTable) {
    let options = QueueBindOptions::default();
    channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            options,
            arguments,
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn every_kind_of_exchange_routes_as_it_should() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    for queue in ["direct", "fanout", "topic", "headers"] {
        declare(&channel, queue, &[]).await;
    }
    let none = FieldTable::default;
    exchange(&channel, "d", ExchangeKind::Direct, none()).await;
    exchange(&channel, "f", ExchangeKind::Fanout, none()).await;
    exchange(&channel, "t", ExchangeKind::Topic, none()).await;
    exchange(&channel, "h", ExchangeKind::Headers, none()).await;
    bind(&channel, "direct", "d", "k", none()).await;
    bind(&channel, "fanout", "f", "", none()).await;
    bind(&channel, "topic", "t", "a.#", none()).await;
    let wanted = table(&[("x-match", text("any")), ("colour", text("red"))]);
    bind(&channel, "headers", "h", "", wanted).await;

    let red = persistent().with_headers(table(&[("colour", text("red"))]));
    publish(&channel, "d", "k", "1", persistent()).await;
    publish(&channel, "f", "whatever", "2", persistent()).await;
    publish(&channel, "t", "a.b.c", "3", persistent()).await;
    publish(&channel, "h", "", "4", red).await;
    for (queue, expected) in [
        ("direct", "1"),
        ("fanout", "2"),
        ("topic", "3"),
        ("headers", "4"),
    ] {
        assert_eq!(waiting(&broker, queue).await, [expected]);
    }
    for (exchange, key) in [("d", "x"), ("t", "b.a"), ("h", "")] {
        let confirm = publish(&channel, exchange, key, "nobody", persistent()).await;
        assert!(
            matches!(confirm, Confirmation::Ack(Some(_))),
            "{exchange}: {confirm:?}"
        );
    }
}

#[tokio::test]
async fn exchanges_bound_in_a_circle_deliver_once() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    for name in ["a", "b"] {
        exchange(&channel, name, ExchangeKind::Fanout, FieldTable::default()).await;
        bind(&channel, "q", name, "", FieldTable::default()).await;
    }
    for (to, from) in [("a", "b"), ("b", "a")] {
        let options = ExchangeBindOptions::default();
        let arguments = FieldTable::default();
        channel
            .exchange_bind(to.into(), from.into(), "".into(), options, arguments)
            .await
            .unwrap();
    }
    publish(&channel, "a", "", "once", persistent()).await;
    assert_eq!(waiting(&broker, "q").await, ["once"]);
}

#[tokio::test]
async fn an_alternate_exchange_gets_what_nobody_wants() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "rest", &[]).await;
    exchange(
        &channel,
        "rest",
        ExchangeKind::Fanout,
        FieldTable::default(),
    )
    .await;
    bind(&channel, "rest", "rest", "", FieldTable::default()).await;
    let alternate = table(&[("alternate-exchange", text("rest"))]);
    exchange(&channel, "main", ExchangeKind::Direct, alternate).await;
    let confirm = publish(&channel, "main", "nobody", "m", persistent()).await;
    assert_eq!(confirm, Confirmation::Ack(None));
    assert_eq!(waiting(&broker, "rest").await, ["m"]);
}

#[tokio::test]
async fn a_returned_message_is_confirmed_after_its_return() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    match publish(&channel, "", "nowhere", "m", persistent()).await {
        Confirmation::Ack(Some(returned)) => {
            assert_eq!(
                (returned.reply_code, returned.reply_text.as_str()),
                (312, "NO_ROUTE")
            );
            assert_eq!(returned.delivery.data, b"m");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn cc_and_bcc_reach_their_queues_and_only_bcc_is_hidden() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    for queue in ["to", "cc", "bcc"] {
        declare(&channel, queue, &[]).await;
    }
    let list = |key: &str| AMQPValue::FieldArray(FieldArray::from(vec![text(key)]));
    let headers = table(&[("CC", list("cc")), ("BCC", list("bcc"))]);
    publish(&channel, "", "to", "m", persistent().with_headers(headers)).await;
    for queue in ["to", "cc", "bcc"] {
        let message = broker.messages(queue).await.unwrap().remove(0);
        let headers = message.properties.headers().clone().unwrap();
        assert!(
            headers.contains_key("CC") && !headers.contains_key("BCC"),
            "{queue}"
        );
    }
}

#[tokio::test]
async fn ten_thousand_confirms_arrive_for_ten_thousand_publishes() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    let publishes = (0..10_000_u32).map(|number| {
        let channel = &channel;
        async move {
            let (options, properties) =
                (BasicPublishOptions::default(), BasicProperties::default());
            let body = number.to_be_bytes();
            channel
                .basic_publish("".into(), "q".into(), options, &body, properties)
                .await?
                .await
        }
    });
    for confirm in within(join_all(publishes)).await {
        assert_eq!(confirm.unwrap(), Confirmation::Ack(None));
    }
    assert_eq!(broker.queue("q").await.unwrap().ready, 10_000);
}

#[tokio::test]
async fn a_body_larger_than_a_frame_arrives_whole() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    let large = "0123456789".repeat(100_000);
    send(&channel, "q", &large).await;
    let mut consumer = consume(&channel, "q", 1).await;
    assert_eq!(next(&mut consumer).await.data, large.as_bytes());
}

#[tokio::test]
async fn a_transaction_is_seen_after_its_commit_and_never_after_a_rollback() {
    let broker = broker().await;
    let (_connection, channel) = channel(&broker).await;
    declare(&channel, "q", &[]).await;
    channel.tx_select().await.unwrap();
    send(&channel, "q", "undone").await;
    channel.tx_rollback().await.unwrap();
    send(&channel, "q", "done").await;
    assert_eq!(waiting(&broker, "q").await.len(), 0);
    channel.tx_commit().await.unwrap();
    assert_eq!(waiting(&broker, "q").await, ["done"]);
}

#[tokio::test]
async fn direct_reply_to_answers_without_a_queue() {
    let broker = broker().await;
    let connection = connect(&broker).await;
    let (client, server) = (
        connection.create_channel().await.unwrap(),
        connection.create_channel().await.unwrap(),
    );
    declare(&server, "rpc", &[]).await;
    let no_ack = lapin::options::BasicConsumeOptions {
        no_ack: true,
        ..Default::default()
    };
    let pseudo = "amq.rabbitmq.reply-to";
    let mut answers = crate::support::consume_with(&client, pseudo, no_ack, &[]).await;
    let question = BasicProperties::default().with_reply_to(pseudo.into());
    publish(&client, "", "rpc", "question", question).await;
    let mut questions = consume(&server, "rpc", 1).await;
    let question = next(&mut questions).await;
    let address = question.properties.reply_to().clone().unwrap();
    server
        .confirm_select(lapin::options::ConfirmSelectOptions::default())
        .await
        .unwrap();
    for answer in ["first", "second"] {
        let confirm = publish(&server, "", address.as_str(), answer, Default::default()).await;
        assert!(confirm.is_ack());
        // It was mandatory, and no queue took it: it comes back although it arrived.
        assert!(confirm.take_message().is_some());
        let delivery = next(&mut answers).await;
        assert_eq!(
            (delivery.delivery_tag, body(&delivery)),
            (1, answer.to_owned())
        );
    }
}
