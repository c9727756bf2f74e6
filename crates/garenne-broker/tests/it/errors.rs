use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, ExchangeKind};

use crate::support::{
    broker, channel, connect, consume, declare, int, publish, reason, table, text, try_declare,
    waiting, within,
};

#[tokio::test]
async fn what_is_missing_is_404_and_what_is_reserved_is_403() {
    let broker = broker().await;
    let connection = connect(&broker).await;
    let channel = connection.create_channel().await.unwrap();
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let error = channel
        .queue_declare("nope".into(), passive, FieldTable::default())
        .await
        .unwrap_err();
    assert_eq!(
        reason(&error),
        (404, "NOT_FOUND - no queue 'nope' in vhost '/'".to_owned())
    );

    let channel = connection.create_channel().await.unwrap();
    let error = channel
        .basic_consume(
            "nope".into(),
            "".into(),
            BasicConsumeOptions::default(),
            table(&[]),
        )
        .await
        .unwrap_err();
    assert_eq!(reason(&error).0, 404);

    let channel = connection.create_channel().await.unwrap();
    let error = try_declare(&channel, "amq.mine", &[]).await.unwrap_err();
    assert_eq!(
        reason(&error),
        (
            403,
            "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'".to_owned()
        )
    );
}

#[tokio::test]
async fn an_unknown_delivery_tag_costs_the_channel_and_not_the_connection() {
    let broker = broker().await;
    let (connection, channel) = channel(&broker).await;
    declare(&channel, "q", &[]).await;
    let mut consumer = consume(&channel, "q", 1).await;
    channel
        .basic_ack(7, BasicAckOptions::default())
        .await
        .unwrap();
    let error = within(consumer.next()).await.unwrap().unwrap_err();
    assert_eq!(
        reason(&error),
        (
            406,
            "PRECONDITION_FAILED - unknown delivery tag 7".to_owned()
        )
    );
    connection.create_channel().await.unwrap();
}

#[tokio::test]
async fn a_publish_to_a_missing_exchange_closes_the_channel() {
    let broker = broker().await;
    let connection = connect(&broker).await;
    let channel = connection.create_channel().await.unwrap();
    channel
        .confirm_select(lapin::options::ConfirmSelectOptions::default())
        .await
        .unwrap();
    let options = lapin::options::BasicPublishOptions::default();
    let publish =
        channel.basic_publish("nope".into(), "k".into(), options, b"m", Default::default());
    let confirm = within(publish).await.unwrap();
    let error = within(confirm).await.unwrap_err();
    assert_eq!(
        reason(&error),
        (
            404,
            "NOT_FOUND - no exchange 'nope' in vhost '/'".to_owned()
        )
    );
    assert!(connection.status().connected());
}

#[tokio::test]
async fn an_exchange_of_another_or_an_unknown_kind_is_406() {
    let broker = broker().await;
    let connection = connect(&broker).await;
    let channel = connection.create_channel().await.unwrap();
    let declare = |channel: Channel, kind| async move {
        let options = ExchangeDeclareOptions::default();
        channel
            .exchange_declare("x".into(), kind, options, FieldTable::default())
            .await
    };
    declare(channel.clone(), ExchangeKind::Direct)
        .await
        .unwrap();
    let error = declare(channel, ExchangeKind::Fanout).await.unwrap_err();
    assert_eq!(
        reason(&error),
        (
            406,
            "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x' in vhost '/': \
             received 'fanout' but current is 'direct'"
                .to_owned()
        )
    );
    for (kind, why) in [
        ("odd", "unknown exchange type 'odd'"),
        ("", "invalid exchange type ''"),
    ] {
        let channel = connection.create_channel().await.unwrap();
        let error = declare(channel, ExchangeKind::Custom(kind.to_owned()))
            .await
            .unwrap_err();
        assert_eq!(
            reason(&error),
            (406, format!("PRECONDITION_FAILED - {why}"))
        );
    }
    assert!(connection.status().connected());
}

#[tokio::test]
async fn a_quorum_queue_knows_no_condition_for_its_end() {
    let broker = broker().await;
    let (_connection, channel) = channel(&broker).await;
    declare(&channel, "q", &[("x-queue-type", text("quorum"))]).await;
    for (if_unused, if_empty, flag) in [
        (true, false, "if-unused"),
        (false, true, "if-empty"),
        (true, true, "if-unused"),
    ] {
        let connection = connect(&broker).await;
        let channel = connection.create_channel().await.unwrap();
        let options = QueueDeleteOptions {
            if_unused,
            if_empty,
            ..QueueDeleteOptions::default()
        };
        let error = channel.queue_delete("q".into(), options).await.unwrap_err();
        let expected = format!(
            "NOT_IMPLEMENTED - cannot delete queue 'q' in vhost '/'. queue.delete operations with \
             {flag} flag set are not supported by quorum queues"
        );
        assert_eq!(reason(&error), (540, expected));
        assert!(!connection.status().connected());
    }
    let options = QueueDeleteOptions::default();
    channel.queue_delete("q".into(), options).await.unwrap();
}

#[tokio::test]
async fn unbinding_an_exclusive_queue_of_another_needs_a_right_only_if_it_is_bound() {
    let broker = broker().await;
    let (_owner, mine) = channel(&broker).await;
    let options = QueueDeclareOptions {
        exclusive: true,
        ..QueueDeclareOptions::default()
    };
    mine.queue_declare("mine".into(), options, FieldTable::default())
        .await
        .unwrap();
    let options = QueueBindOptions::default();
    let (exchange, key) = ("amq.direct", "bound");
    mine.queue_bind(
        "mine".into(),
        exchange.into(),
        key.into(),
        options,
        table(&[]),
    )
    .await
    .unwrap();
    let (_other, theirs) = channel(&broker).await;
    let unbind =
        |key: &str| theirs.queue_unbind("mine".into(), exchange.into(), key.into(), table(&[]));
    within(unbind("unbound")).await.unwrap();
    let error = within(unbind("bound")).await.unwrap_err();
    assert_eq!(reason(&error).0, 405);
}

#[tokio::test]
async fn what_is_no_routing_key_in_a_carbon_copy_is_passed_over() {
    let broker = broker().await;
    let (_connection, channel) = crate::support::confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    declare(&channel, "copy", &[]).await;
    let keys = vec![int(1), text("copy")];
    let headers = table(&[("CC", AMQPValue::FieldArray(keys.into()))]);
    let properties = BasicProperties::default().with_headers(headers);
    assert!(publish(&channel, "", "q", "m", properties).await.is_ack());
    for queue in ["q", "copy"] {
        assert_eq!(waiting(&broker, queue).await, ["m"]);
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_406() {
    let broker = garenne_broker::Broker::builder()
        .max_message_size(1000)
        .start()
        .await
        .unwrap();
    let (_connection, channel) = crate::support::confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    publish(&channel, "", "q", &"x".repeat(1000), Default::default()).await;
    let options = lapin::options::BasicPublishOptions::default();
    let large = vec![0; 1001];
    let confirm = channel
        .basic_publish("".into(), "q".into(), options, &large, Default::default())
        .await
        .unwrap();
    let error = within(confirm).await.unwrap_err();
    assert_eq!(
        reason(&error),
        (
            406,
            "PRECONDITION_FAILED - message size 1001 is larger than configured max size 1000"
                .to_owned()
        )
    );
}

#[tokio::test]
async fn an_exclusive_consumer_of_a_classic_queue_is_alone_and_one_of_a_quorum_queue_is_not() {
    let broker = broker().await;
    let connection = connect(&broker).await;
    let single = || ("x-single-active-consumer", AMQPValue::Boolean(true));
    for (queue, arguments, fine) in [
        ("classic", vec![], [true, false, false]),
        ("single", vec![single()], [false, true, false]),
        (
            "quorum",
            vec![("x-queue-type", text("quorum"))],
            [true, true, true],
        ),
        (
            "quorum single",
            vec![("x-queue-type", text("quorum")), single()],
            [true, true, true],
        ),
    ] {
        let mut consumers = Vec::new();
        for (exclusive, fine) in [true, false, true].into_iter().zip(fine) {
            let channel = connection.create_channel().await.unwrap();
            declare(&channel, queue, &arguments).await;
            let options = BasicConsumeOptions {
                exclusive,
                ..BasicConsumeOptions::default()
            };
            let consume = channel.basic_consume(queue.into(), "".into(), options, table(&[]));
            let consumer = within(consume).await;
            assert_eq!(consumer.is_ok(), fine, "{queue} {exclusive}");
            match consumer {
                Ok(consumer) => consumers.push((channel, consumer)),
                Err(error) => {
                    let why = format!("queue '{queue}' in vhost '/' in exclusive use");
                    assert_eq!(reason(&error), (403, format!("ACCESS_REFUSED - {why}")));
                }
            }
        }
    }
}
