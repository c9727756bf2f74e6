//! Messages that nobody takes, among hundreds that somebody does: each answer is its own.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use garenne::PublishError;
use garenne::prelude::*;

use super::support::{Place, Running, nothing};

/// How often each mix is sent.
const ROUNDS: usize = 25;

/// Sends rounds of messages side by side from several tasks, and checks every answer against what
/// the queue `good` really holds.
///
/// `target` says where the message with this number goes; what does not go to `good` must not
/// arrive. Returns how many times the messages came that arrived.
async fn every_answer_is_true(
    per_round: usize,
    target: impl Fn(usize) -> (&'static str, &'static str) + Copy + Send + Sync + 'static,
) -> BTreeMap<String, usize> {
    let place = Place::new().await;
    place.client.declare("good", &[]).await;
    let builder = place.system().consume_fn(Queue::classic("idle"), nothing);
    let running = Running::consuming(builder).await;
    let mut accepted = BTreeSet::new();
    for round in 0..ROUNDS {
        let senders = (0..4).map(|sender| {
            let publisher = running.publisher();
            tokio::spawn(async move {
                let numbers = (sender..per_round).step_by(4);
                let sends = numbers.map(async |number| {
                    let (exchange, key) = target(number);
                    let message = Outgoing::to_exchange(exchange, key, "body")
                        .message_id(format!("{round}-{number}"));
                    (number, publisher.send(message).await)
                });
                join_all(sends).await
            })
        });
        for answers in join_all(senders).await {
            for (number, answer) in answers.unwrap() {
                let (exchange, key) = target(number);
                match answer {
                    Ok(()) if key == "good" => {
                        accepted.insert(format!("{round}-{number}"));
                    }
                    Err(PublishError::Unroutable {
                        exchange: e,
                        routing_key: k,
                        ..
                    }) if key != "good" && (e.as_str(), k.as_str()) == (exchange, key) => {}
                    other => panic!("round {round}, {number} to {exchange}/{key}: {other:?}"),
                }
            }
        }
    }
    let stored = place.take_ids("good").await;
    assert_eq!(stored.keys().cloned().collect::<BTreeSet<_>>(), accepted);
    stored
}

fn none_came_twice(stored: &BTreeMap<String, usize>) {
    assert!(stored.values().all(|times| *times == 1), "{stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_unroutable_message_among_hundreds_is_the_one_that_is_told_so() {
    let stored = every_answer_is_true(400, |number| match number {
        137 => ("", "nowhere"),
        _ => ("", "good"),
    });
    none_came_twice(&stored.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_every_third_message_is_unroutable_each_third_is_told_so() {
    let stored = every_answer_is_true(400, |number| match number % 3 {
        0 => ("", "nowhere"),
        _ => ("", "good"),
    });
    none_came_twice(&stored.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_unroutable_messages_spares_the_ones_before_and_after() {
    let stored = every_answer_is_true(600, |number| match number {
        200..400 => ("amq.direct", "nobody-bound"),
        _ => ("", "good"),
    });
    none_came_twice(&stored.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_exchange_breaks_nobody_elses_send() {
    every_answer_is_true(300, |number| match number {
        7 | 150 => ("no-such-exchange", "k"),
        _ => ("", "good"),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_missing_exchanges_in_a_row_break_nobody_elses_send() {
    const MISSING: [&str; 10] = ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9"];
    every_answer_is_true(300, |number| match number {
        100..110 => (MISSING[number - 100], "k"),
        _ => ("", "good"),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unroutable_messages_that_share_one_id_with_good_ones_are_told_apart() {
    let place = Place::new().await;
    place.client.declare("good", &[]).await;
    let builder = place.system().consume_fn(Queue::classic("idle"), nothing);
    let running = Running::consuming(builder).await;
    let publisher = running.publisher();
    let sends = (0..300).map(|number| {
        let queue = if number % 5 == 0 { "nowhere" } else { "good" };
        let message = Outgoing::to_queue(queue, "body").message_id("always the same");
        publisher.send(message)
    });
    for (number, answer) in join_all(sends).await.into_iter().enumerate() {
        let unroutable = matches!(answer, Err(PublishError::Unroutable { .. }));
        assert_eq!(unroutable, number % 5 == 0, "message {number}: {answer:?}");
    }
    place.holds("good", 240).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_need_not_arrive_is_accepted_by_nobody() {
    let place = Place::new().await;
    let builder = place.system().consume_fn(Queue::classic("idle"), nothing);
    let running = Running::consuming(builder).await;
    let message = Outgoing::to_queue("nowhere", "body").not_mandatory();
    running.publisher().send(message).await.unwrap();
}
