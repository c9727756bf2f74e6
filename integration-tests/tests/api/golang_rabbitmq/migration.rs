//! A live system moves over: its messages, in every stage that they may be in.

use garenne::prelude::*;

use super::ground::{Ground, Runs, contract, obeys};
use super::script::{QUEUE, RETRY, failed};
use crate::api::support::{Running, header, text};
use lapin::types::AMQPValue;

#[tokio::test(flavor = "multi_thread")]
async fn messages_in_every_stage_are_taken_over_with_their_attempts_on_rabbitmq() {
    take_over(&Ground::rabbit().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_in_every_stage_are_taken_over_with_their_attempts() {
    take_over(&Ground::embedded().await).await;
}

/// Each message fails until its attempts are used up, wherever it was when garenne took over.
async fn take_over(ground: &Ground) {
    let script = ground.script().await;
    script.send("doomed fresh").await;
    for n in 1..=3 {
        script.retry(&format!("doomed retried {n}"), n).await;
    }
    script.send_delayed("doomed delayed", 2).await;
    let runs = Runs::default();
    let system = ground
        .system()
        .consume_fn(Queue::golang_rabbitmq(contract()), obeys(&runs));
    let running = Running::consuming(system).await;
    ground.comes_to_hold(&script, "orders.failed", 5).await;
    let mut seen = runs.all();
    seen.sort();
    let expected = [
        ("doomed delayed", 1..=4),
        ("doomed fresh", 1..=4),
        ("doomed retried 1", 2..=4),
        ("doomed retried 2", 3..=4),
        ("doomed retried 3", 4..=4),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .flat_map(|(body, attempts)| attempts.map(move |attempt| (body.to_owned(), attempt)))
        .collect();
    assert_eq!(seen, expected);
    while let Some(parked) = script.take("orders.failed").await {
        assert_eq!(
            header(&parked, "fail-attempts"),
            Some(AMQPValue::LongLongInt(4))
        );
        assert_eq!(text(&parked, "fail-reason"), "exhausted");
        assert_eq!(
            parked.properties.content_type().as_ref().unwrap().as_str(),
            "text/plain"
        );
    }
    assert_eq!(script.ready(QUEUE).await, 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_on_the_package_finds_what_it_expects_on_rabbitmq() {
    hand_back(&Ground::rabbit().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_on_the_package_finds_what_it_expects() {
    hand_back(&Ground::embedded().await).await;
}

/// The other way round: what has failed here is retried there, and what fails there comes back.
async fn hand_back(ground: &Ground) {
    let script = ground.script().await;
    let runs = Runs::default();
    let system = ground
        .system()
        .consume_fn(Queue::golang_rabbitmq(contract()), obeys(&runs));
    let running = Running::consuming(system).await;
    // Whatever it declares itself must be there already with the very same arguments.
    script.declare().await;
    script.declare_retry().await;
    script.send("doomed here").await;
    script.send("doomed there").await;
    ground.holds(&script, RETRY, 2).await;
    running.stop().await;

    let waiting = script.take(RETRY).await.unwrap();
    assert_eq!(waiting.data, b"doomed here");
    assert_eq!(header(&waiting, "retry_nums"), Some(AMQPValue::LongInt(1)));
    assert_eq!(*waiting.properties.delivery_mode(), Some(2));
    assert_eq!(
        waiting.properties.content_type().as_ref().unwrap().as_str(),
        "text/plain"
    );
    assert_eq!(*waiting.properties.expiration(), None);

    ground.comes_to_hold(&script, QUEUE, 1).await;
    let back = script.take(QUEUE).await.unwrap();
    assert_eq!(back.data, b"doomed there");
    assert_eq!(
        (back.exchange.as_str(), back.routing_key.as_str()),
        ("shop", "placed")
    );
    assert_eq!(failed(&back), 1);

    // It fails there too. The package keeps nothing but the body and the number.
    script.retry("doomed there", failed(&back) + 1).await;
    let system = ground
        .system()
        .consume_fn(Queue::golang_rabbitmq(contract()), obeys(&runs));
    let running = Running::consuming(system).await;
    ground.comes_to_hold(&script, "orders.failed", 1).await;
    let doomed_there = [1, 3, 4].map(|attempt| ("doomed there".to_owned(), attempt));
    assert_eq!(runs.all()[1..], doomed_there);
    running.stop().await;
}
