//! Three consumers written by hand on lapin.
//!
//! | argument | what |
//! |---|---|
//! | `await-ack` | one message, one handler call, one `ack().await` |
//! | `best` | handlers run concurrently; one `multiple` ack for all that have ended in a row |
//! | `no-ack` | no acks: what the client can take in; it loses messages when it dies |

use std::future::ready;
use std::io::{Write, stdin, stdout};
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties, Consumer};

#[derive(serde::Deserialize)]
struct Order {
    order_id: u64,
    cents: u64,
}

/// What all three do with a message; gives the tag to ack.
async fn charge(delivery: Delivery) -> u64 {
    let order: Order = serde_json::from_slice(&delivery.data).expect("an order");
    std::hint::black_box((order.order_id, order.cents));
    delivery.delivery_tag
}

fn say(event: &str, since: Instant) {
    let nanos = since.elapsed().as_nanos();
    let mut out = stdout().lock();
    writeln!(out, r#"{{"event":"{event}","ns":{nanos}}}"#).expect("somebody listens");
    out.flush().expect("somebody listens");
}

fn setting<T: std::str::FromStr>(name: &str) -> T {
    let value = std::env::var(name).unwrap_or_default();
    value.parse().unwrap_or_else(|_| panic!("{name}={value}"))
}

#[tokio::main]
#[expect(
    clippy::disallowed_methods,
    reason = "as whoever has lapin alone connects"
)]
async fn main() {
    let mode = std::env::args().nth(1).expect("await-ack, best or no-ack");
    let since = Instant::now();
    let url: String = setting("BENCH_URL");
    let count: u64 = setting("BENCH_COUNT");
    let properties = ConnectionProperties::default();
    let connection = Connection::connect(&url, properties)
        .await
        .expect("a broker");
    let channel = connection.create_channel().await.expect("a channel");
    let (prefetch, queue): (u16, String) = (setting("BENCH_PREFETCH"), setting("BENCH_QUEUE"));
    let qos = channel.basic_qos(prefetch, BasicQosOptions::default());
    qos.await.expect("a prefetch");
    let options = BasicConsumeOptions {
        no_ack: mode == "no-ack",
        ..BasicConsumeOptions::default()
    };
    let consumer = channel
        .basic_consume(queue.into(), "".into(), options, FieldTable::default())
        .await
        .expect("a consumer");
    // A task on the runtime's own threads, as in a service; the main one is on none of them.
    let work = match mode.as_str() {
        "await-ack" => tokio::spawn(await_ack(consumer, count, since)),
        "best" => tokio::spawn(best(channel, consumer, count, since)),
        "no-ack" => tokio::spawn(no_ack(consumer, count, since)),
        other => panic!("{other}: await-ack, best or no-ack"),
    };
    work.await.expect("it consumes everything");
    say("done", since);
    // Until the runner has read what this process cost.
    let told = tokio::task::spawn_blocking(|| stdin().read_line(&mut String::new()));
    told.await.expect("a thread").expect("a pipe");
    connection.close(200, "done".into()).await.expect("an end");
}

/// The next message; says when it is the first.
async fn next(consumer: &mut Consumer, seen: &mut u64, since: Instant) -> Delivery {
    let delivery = consumer
        .next()
        .await
        .expect("the queue stays")
        .expect("the broker stays");
    if *seen == 0 {
        say("first", since);
    }
    *seen += 1;
    delivery
}

async fn await_ack(mut consumer: Consumer, count: u64, since: Instant) {
    let mut seen = 0;
    while seen < count {
        let delivery = next(&mut consumer, &mut seen, since).await;
        let acker = delivery.acker.clone();
        charge(delivery).await;
        acker.ack(BasicAckOptions::default()).await.expect("an ack");
    }
}

async fn best(channel: Channel, mut consumer: Consumer, count: u64, since: Instant) {
    let half = u64::max(setting::<u64>("BENCH_PREFETCH") / 2, 1);
    let mut running = FuturesOrdered::new();
    // Delivery tags count from 1 in the order of arrival.
    let (mut seen, mut ended, mut acked) = (0, 0, 0);
    while acked < count {
        tokio::select! {
            biased;
            Some(tag) = running.next(), if !running.is_empty() => ended = tag,
            delivery = next(&mut consumer, &mut seen, since) => running.push_back(charge(delivery)),
            // Nothing else is ready: no reason to wait for more.
            () = ready(()), if ended > acked => acked = ack_to(&channel, ended).await,
        }
        // Waiting longer would let the broker run out of what it may send.
        if ended - acked >= half {
            acked = ack_to(&channel, ended).await;
        }
    }
}

/// Acks everything up to this tag, and gives it back.
async fn ack_to(channel: &Channel, tag: u64) -> u64 {
    let ack = channel.basic_ack(tag, BasicAckOptions { multiple: true });
    ack.await.expect("an ack");
    tag
}

async fn no_ack(mut consumer: Consumer, count: u64, since: Instant) {
    let mut seen = 0;
    while seen < count {
        charge(next(&mut consumer, &mut seen, since).await).await;
    }
}
