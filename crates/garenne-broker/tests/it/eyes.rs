use std::time::Duration;

use garenne_broker::{Error, QueueType};
use lapin::options::QueueBindOptions;
use lapin::types::FieldTable;

use crate::support::{broker, confirming, consume, declare, next, persistent, publish, send, text};

#[tokio::test]
async fn queues_messages_bindings_and_connections_can_be_seen() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    let arguments = [("x-queue-type", text("quorum"))];
    declare(&channel, "q", &arguments).await;
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    channel
        .queue_bind("q".into(), "amq.topic".into(), "a.*".into(), options, none)
        .await
        .unwrap();
    let properties = persistent().with_message_id("id-1".into());
    publish(&channel, "amq.topic", "a.b", "m", properties.clone()).await;
    send(&channel, "q", "n").await;
    let mut consumer = consume(&channel, "q", 1).await;
    next(&mut consumer).await;

    let queue = broker.queue("q").await.unwrap();
    assert_eq!((queue.ready, queue.unacked, queue.consumers), (1, 1, 1));
    assert_eq!(
        (queue.kind, queue.durable, queue.ready_bytes),
        (QueueType::Quorum, true, 1)
    );
    assert_eq!(queue.arguments.inner()["x-queue-type"], text("quorum"));

    let messages = broker.messages("q").await.unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!(
        (&messages[0].body[..], messages[0].unacked),
        (&b"n"[..], false)
    );
    assert_eq!(
        (&messages[1].body[..], messages[1].unacked),
        (&b"m"[..], true)
    );
    assert_eq!(messages[1].properties, properties);
    assert_eq!(
        (&*messages[1].exchange, &*messages[1].routing_key),
        ("amq.topic", "a.b")
    );

    let bindings = broker.bindings().await.unwrap();
    assert_eq!(bindings.len(), 1);
    assert_eq!(
        (&*bindings[0].source, &*bindings[0].routing_key),
        ("amq.topic", "a.*")
    );

    let connections = broker.connections().await.unwrap();
    assert_eq!(connections[0].name.as_deref(), Some("test"));
    assert_eq!(connections[0].user, "guest");
    let channel = &connections[0].channels[0];
    assert_eq!(
        (channel.consumers, channel.unacked, channel.confirms),
        (1, 1, true)
    );
}

#[tokio::test]
async fn a_wait_that_is_in_vain_describes_the_state() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "orders", &[]).await;
    let short = Duration::from_millis(20);
    let error = broker
        .wait_until_within(short, |view| view.ready("orders") == 1)
        .await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }));
    let text = error.to_string();
    assert!(
        text.contains("orders (ready 0, unacked 0, consumers 0)"),
        "{text}"
    );
    assert!(text.contains("test (1 channels)"), "{text}");
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_an_error_that_names_it() {
    let broker = broker().await;
    let error = broker.messages("nope").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no queue 'nope'");
}

#[tokio::test]
async fn after_a_shutdown_everything_says_so() {
    let broker = broker().await;
    let faults = broker.faults();
    broker.shutdown().await;
    assert!(matches!(faults.freeze().await, Err(Error::Stopped)));
}
