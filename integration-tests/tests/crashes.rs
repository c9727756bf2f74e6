//! The broker is killed and comes back with what it had stored.

use std::time::{Duration, Instant};

use integration_tests::{Checker, Client, RabbitNode, Service, handled};

use crate::support::SOON;

fn start(url: &str, kind: &str) -> Service {
    Service::on(url)
        .queue("orders")
        .env("ORDERS_QUEUE_TYPE", kind)
        .env("ORDERS_RETRY", "500ms*5")
        .start()
}

/// Handles `count` orders of which a tenth fails once, while the broker is killed and restarted.
async fn survive_a_sigkill(kind: &str, count: u64) {
    let mut node = RabbitNode::start().await;
    let url = node.url("/");
    let mut service = start(&url, kind);
    node.consumes("/", "orders").await;
    service.stop().await;
    let mut checker = Checker::new();
    let client = Client::connect(&url).await;
    let (fail, succeed): (Vec<_>, Vec<_>) = (1..=count).partition(|id| id % 10 == 0);
    checker.send(&client, "orders", succeed, "ok").await;
    checker.send(&client, "orders", fail, "fail:1").await;
    drop(client);

    let mut service = start(&url, kind);
    let third = usize::try_from(count / 3).expect("a small number");
    service
        .wait_for("a third is handled", |events| {
            handled(events).len() >= third
        })
        .await;
    node.kill().await;
    let at_kill = service.transcript().events(handled).len();
    assert!(
        at_kill < checker.sent().len(),
        "everything was handled before the kill"
    );
    let accepting = node.restart().await;
    let resumed = integration_tests::eventually(SOON, "consumption resumes", async || {
        service.assert_lives();
        let first = service.transcript().events(|events| {
            events
                .iter()
                .find(|event| event.at > accepting)
                .map(|event| event.at)
        });
        first.ok_or_else(|| service.transcript().tail())
    })
    .await;
    let gap = resumed - accepting;
    println!(
        "{kind}: killed at {at_kill} of {count}; consuming {gap:.2?} after the broker accepted connections"
    );
    assert!(gap < Duration::from_secs(30), "the promise is 5 s");

    let all = checker.sent().len();
    let finishing = Instant::now();
    service
        .wait_for("all are handled", |events| handled(events).len() == all)
        .await;
    println!("{kind}: the rest took {:.1?}", finishing.elapsed());
    node.drained("/", "orders").await;
    service.stop().await;
    let client = Client::connect(&url).await;
    let verdict = checker
        .verdict(service.transcript(), &client, "orders", &["500ms"])
        .await;
    println!("{kind}: {verdict}");
    verdict.assert_nothing_lost();
    assert_eq!((verdict.handled, verdict.parked), (all, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_messages_survive_a_sigkill_of_the_broker() {
    survive_a_sigkill("quorum", 10_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_thousand_messages_in_a_classic_queue_survive_a_sigkill_of_the_broker() {
    survive_a_sigkill("classic", 3_000).await;
}
