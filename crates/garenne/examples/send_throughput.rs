//! Measures `send_all` beside a pipeline written by hand on lapin and beside one connection per
//! message, in interleaved rounds against one RabbitMQ.
//!
//! ```sh
//! cargo run --release -p garenne --example send_throughput -- 5 50000
//! ```
//!
//! The arguments are rounds and messages per round. It runs on the broker at `AMQP_URL`, or on a
//! private RabbitMQ node of its own.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measuring program"
)]

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use garenne::prelude::*;
use garenne_testing::RabbitNode;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

const BODY: [u8; 128] = [b'x'; 128];
/// What garenne has in flight at once.
const WINDOW: usize = 256;
/// One connection per message is so slow that fewer must do.
const CONNECTIONS: usize = 200;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().unwrap());
    let rounds: usize = arguments.next().unwrap_or(3);
    let messages: usize = arguments.next().unwrap_or(20_000);
    let node = match std::env::var("AMQP_URL") {
        Ok(_) => None,
        Err(_) => Some(RabbitNode::start().await),
    };
    let own = node.as_ref().map(|node| node.url("/"));
    let url = own.unwrap_or_else(|| std::env::var("AMQP_URL").unwrap());
    println!(
        "{rounds} rounds of {messages} messages of {} bytes, persistent, mandatory, confirmed; median (min–max)",
        BODY.len()
    );
    for kind in ["classic", "quorum"] {
        let queue = format!("send-throughput-{kind}");
        let admin = declare(&url, &queue, kind).await;
        let publisher = Publisher::connect(&url).await.unwrap();
        let by_hand = confirmed_channel(&url).await;
        let mut rates: [Vec<f64>; 3] = Default::default();
        for _ in 0..rounds {
            rates[0].push(rate(messages, send_all(&publisher, &queue, messages).await));
            purge(&admin, &queue).await;
            rates[1].push(rate(messages, pipeline(&by_hand, &queue, messages).await));
            purge(&admin, &queue).await;
            rates[2].push(rate(CONNECTIONS, connections(&url, &queue).await));
            purge(&admin, &queue).await;
        }
        let names = [
            "garenne send_all",
            "lapin pipeline by hand",
            "one connection per message, no confirm",
        ];
        for (name, rates) in names.into_iter().zip(&mut rates) {
            rates.sort_by(f64::total_cmp);
            let (least, most) = (rates[0], rates[rates.len() - 1]);
            let median = rates[rates.len() / 2];
            println!("{kind:8} {name:40} {median:9.0}/s ({least:.0}–{most:.0})");
        }
        publisher.close().await;
    }
}

fn rate(messages: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(messages).unwrap()) / took.as_secs_f64()
}

async fn send_all(publisher: &Publisher, queue: &str, messages: usize) -> Duration {
    let began = Instant::now();
    let outgoing = (0..messages).map(|_| Outgoing::to_queue(queue, Bytes::from_static(&BODY)));
    let sent = publisher.send_all(outgoing).finish().await;
    assert_eq!(sent.failed, 0, "{sent:?}");
    began.elapsed()
}

/// What a good engineer would write: publishes and confirms of a window of messages side by side.
/// It takes every ack at its word, although lapin gives returned messages to the wrong confirms.
async fn pipeline(channel: &Channel, queue: &str, messages: usize) -> Duration {
    let began = Instant::now();
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let mut flights = FuturesUnordered::new();
    for number in 0..messages {
        if flights.len() >= WINDOW {
            let confirmed: bool = flights.next().await.unwrap();
            assert!(confirmed);
        }
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_message_id(format!("{began:?}-{number}").into());
        flights.push(async move {
            let published =
                channel.basic_publish("".into(), queue.into(), options, &BODY, properties);
            published.await.unwrap().await.unwrap().is_ack()
        });
    }
    while let Some(confirmed) = flights.next().await {
        assert!(confirmed);
    }
    began.elapsed()
}

async fn connections(url: &str, queue: &str) -> Duration {
    let began = Instant::now();
    for _ in 0..CONNECTIONS {
        let connection = connect(url).await;
        let channel = connection.create_channel().await.unwrap();
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default().with_delivery_mode(2);
        let sent = channel.basic_publish("".into(), queue.into(), options, &BODY, properties);
        sent.await.unwrap();
        connection.close(200, "done".into()).await.unwrap();
    }
    began.elapsed()
}

async fn connect(url: &str) -> Connection {
    let options = ConnectionProperties::default();
    Connection::connect_uri(url.parse().unwrap(), options)
        .await
        .unwrap()
}

async fn confirmed_channel(url: &str) -> Channel {
    let channel = connect(url).await.create_channel().await.unwrap();
    let options = ConfirmSelectOptions::default();
    channel.confirm_select(options).await.unwrap();
    channel
}

async fn declare(url: &str, queue: &str, kind: &str) -> Channel {
    let channel = connect(url).await.create_channel().await.unwrap();
    let mut arguments = FieldTable::default();
    let value = AMQPValue::LongString(kind.into());
    arguments.insert("x-queue-type".into(), value);
    let declared = channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments);
    declared.await.unwrap();
    channel
}

async fn purge(channel: &Channel, queue: &str) {
    let purged = channel.queue_purge(queue.into(), QueuePurgeOptions::default());
    purged.await.unwrap();
}
