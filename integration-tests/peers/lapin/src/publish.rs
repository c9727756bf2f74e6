//! A producer that keeps a window of confirms.

use futures_util::StreamExt;
use futures_util::stream;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Confirmation, Connection};

use crate::setting::{queues, say, setting};
use crate::{confirming, connect};

#[derive(serde::Serialize)]
struct Order<'a> {
    order_id: u64,
    cents: u64,
    note: &'a str,
}

/// Publishes everything; gives the connection.
pub async fn all() -> Connection {
    let connection = connect().await;
    let (channel, queue) = (confirming(&connection).await, queues().remove(0));
    // What is around it weighs about 50 bytes.
    let note = "x".repeat(setting::<usize>("BENCH_BODY").saturating_sub(50));
    let (count, window): (u64, usize) = (setting("BENCH_COUNT"), setting("BENCH_WINDOW"));
    say("first", &[]);
    let mut sends = stream::iter(0..count)
        .map(|number| send(&channel, &queue, number, &note))
        .buffer_unordered(window);
    while let Some(()) = sends.next().await {}
    say("done", &[]);
    connection
}

async fn send(channel: &Channel, queue: &str, order_id: u64, note: &str) {
    let order = Order {
        order_id,
        cents: 1999,
        note,
    };
    let body = serde_json::to_vec(&order).expect("JSON");
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_content_type("application/json".into())
        .with_message_id(order_id.to_string().into());
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let sent = channel.basic_publish("".into(), queue.into(), options, &body, properties);
    let confirm = sent.await.expect("a message").await.expect("a confirm");
    assert_eq!(confirm, Confirmation::Ack(None), "refused or returned");
}
