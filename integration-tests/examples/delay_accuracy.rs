//! How late delayed messages come, on a private RabbitMQ: every delay from 1 to 300 s, and how fast a
//! burst falls through the levels. Five minutes for each kind of level:
//!
//! ```sh
//! cargo run --release -p integration-tests --example delay_accuracy    # GARENNE_RABBITMQ=4 for 4.0
//! ```

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints what it has measured, or fails"
)]

use std::collections::BTreeMap;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::future::join_all;
use garenne::core::Delay;
use garenne::prelude::*;
use integration_tests::{Client, NodeOptions};

/// The longest delay of the whole range.
const RANGE: u64 = 300;
/// How many messages a burst has, and how long they are all delayed: three levels.
const BURST: (usize, u64) = (10_000, 7);
/// How many sends are under way at once.
const WINDOW: usize = 256;

#[tokio::main]
async fn main() {
    let node = NodeOptions::default().start().await;
    let client = Client::connect(&node.url("/")).await;
    for (name, delays) in [("quorum", Delays::quorum()), ("classic", Delays::classic())] {
        client.declare(name, &[]).await;
        let publisher = Publisher::connect(node.url("/"))
            .await
            .unwrap()
            .delays(delays);
        let begun = Instant::now();
        let first = Outgoing::to_queue(name, "0");
        publisher.send_after(first, 1.secs()).await.unwrap();
        println!(
            "\n{name} levels: declared, and the first message confirmed, after {:?}",
            begun.elapsed()
        );
        client.arrivals(name, 1).await;
        range(&publisher, &client, name).await;
        burst(&publisher, &client, name).await;
        publisher.close().await;
    }
}

/// Sends one message with each delay, and says how late they come.
async fn range(publisher: &Publisher, client: &Client, queue: &str) {
    let sends = (1..=RANGE).map(async |secs| {
        let message = Outgoing::to_queue(queue, secs.to_string());
        let begun = Instant::now();
        publisher.send_after(message, secs.secs()).await.unwrap();
        (secs, begun)
    });
    let (sent, arrived) = tokio::join!(
        join_all(sends),
        client.arrivals(queue, usize::try_from(RANGE).unwrap())
    );
    let sent: BTreeMap<_, _> = sent.into_iter().collect();
    let mut by_hops: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (body, at) in arrived {
        let secs: u64 = body.parse().unwrap();
        let hops = Delay::after(secs.secs()).unwrap().hops();
        // From the call on, so that what the way to the broker takes counts as late.
        let took = at - sent[&secs];
        let late = took.as_secs_f64() * 1000.0 - secs.secs().as_secs_f64() * 1000.0;
        by_hops.entry(hops).or_default().push(late);
    }
    let all: Vec<f64> = by_hops.values().flatten().copied().collect();
    println!("late by (ms)      messages      min   median      p99      max");
    for (hops, late) in by_hops {
        row(&format!("{hops} levels"), late);
    }
    row("all, 1 to 300 s", all);
}

fn row(what: &str, mut late: Vec<f64>) {
    late.sort_by(f64::total_cmp);
    let at = |share: usize| late[(late.len() - 1) * share / 100];
    println!(
        "{what:<17} {:>8} {:>8.1} {:>8.1} {:>8.1} {:>8.1}",
        late.len(),
        at(0),
        at(50),
        at(99),
        at(100)
    );
}

/// Sends many messages with the same delay, and says how long they take to come out.
async fn burst(publisher: &Publisher, client: &Client, queue: &str) {
    let (count, secs) = BURST;
    let begun = Instant::now();
    let sends = futures_util::stream::iter(0..count).map(async |n| {
        let message = Outgoing::to_queue(queue, n.to_string());
        publisher.send_after(message, secs.secs()).await.unwrap();
    });
    let sent = async {
        sends.buffer_unordered(WINDOW).collect::<Vec<()>>().await;
        begun.elapsed()
    };
    let (sent, arrived) = tokio::join!(sent, client.arrivals(queue, count));
    let (first, last) = (arrived[0].1 - begun, arrived[count - 1].1 - begun);
    println!(
        "burst of {count} by {secs} s: sent in {sent:.1?}, the first came after {first:.1?}, the last after {last:.1?}"
    );
}
