//! The broker goes away between the publish of a retry copy and its confirm.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use integration_tests::{
    Checker, Client, Direction, Event, FaultProxy, RabbitNode, Service, Vhost, eventually, handled,
    stays,
};

use crate::support::{SOON, consumes};

/// How many failed runs there were of these orders.
fn failed(events: &[Event], ids: &RangeInclusive<u64>) -> usize {
    let of_these = |event: &&Event| event.event == "failed" && ids.contains(&event.order_id);
    events.iter().filter(of_these).count()
}

/// In every round the copies go out, their confirms (and everything else) are held back, and then
/// the connections are reset.
#[tokio::test(flavor = "multi_thread")]
async fn retry_copies_whose_confirms_never_arrive_are_not_lost() {
    const ROUNDS: u64 = 24;
    const BATCH: u64 = 40;
    let vhost = Vhost::new().await;
    let proxy = FaultProxy::before(vhost.node()).await;
    let mut service = Service::on(proxy.url(vhost.name()))
        .queue("orders")
        .env("ORDERS_RETRY", "300ms*30")
        .start();
    consumes(&vhost, &mut service).await;
    let client = Client::connect(&vhost.url()).await;
    let mut checker = Checker::new();
    let mut in_doubt = 0;
    let mut slowest = Duration::ZERO;
    for (round, wanted) in (0..ROUNDS).zip((1..=20).cycle()) {
        let ids = round * BATCH + 1..=(round + 1) * BATCH;
        checker.send(&client, "orders", ids.clone(), "fail:2").await;
        // A different moment in every round: after the first, the second, … failure.
        service
            .wait_for("some have failed", |events| failed(events, &ids) >= wanted)
            .await;
        proxy.freeze_way(Direction::ToClient);
        let before = proxy.bytes(Direction::ToBroker);
        stays(
            Duration::from_millis(100),
            "copies go out, nothing comes back",
            async || Ok(()),
        )
        .await;
        in_doubt += proxy.bytes(Direction::ToBroker) - before;
        let cut = Instant::now();
        proxy.cut().await;
        proxy.thaw();
        service
            .wait_for("it consumes again", |events| {
                events.last().is_some_and(|last| last.at > cut)
            })
            .await;
        slowest = slowest.max(cut.elapsed());
    }
    let all = checker.sent().len();
    service
        .wait_for("all are handled", |events| handled(events).len() == all)
        .await;
    vhost.drained("orders").await;
    service.stop().await;
    let verdict = checker
        .verdict(service.transcript(), &client, "orders", &["300ms"])
        .await;
    println!("{ROUNDS} cuts, {in_doubt} bytes sent in doubt: {verdict}");
    println!("the slowest recovery took {slowest:.1?}");
    verdict.assert_nothing_lost();
    assert_eq!(verdict.parked, 0);
    assert!(
        slowest < Duration::from_secs(15),
        "the broker was up, and it took {slowest:.1?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_copies_survive_a_broker_that_is_killed_again_and_again() {
    let mut node = RabbitNode::start().await;
    let url = node.url("/");
    let mut service = Service::on(&url)
        .queue("orders")
        .env("ORDERS_RETRY", "300ms*30")
        .start();
    let mut checker = Checker::new();
    let moments = [1, 40, 150, 290];
    for (round, wanted) in (0..).zip(moments) {
        node.consumes("/", "orders").await;
        let ids = round * 300 + 1..=(round + 1) * 300;
        let client = Client::connect(&url).await;
        checker.send(&client, "orders", ids.clone(), "fail:2").await;
        drop(client);
        service
            .wait_for("some have failed", |events| failed(events, &ids) >= wanted)
            .await;
        node.kill().await;
        node.restart().await;
    }
    let all = checker.sent().len();
    service
        .wait_for("all are handled", |events| handled(events).len() == all)
        .await;
    node.drained("/", "orders").await;
    service.stop().await;
    let client = Client::connect(&url).await;
    let verdict = checker
        .verdict(service.transcript(), &client, "orders", &["300ms"])
        .await;
    println!("{} kills: {verdict}", moments.len());
    verdict.assert_nothing_lost();
    assert_eq!(verdict.parked, 0);
}

/// The connection ends in the middle of a frame, of a header, of a body: wherever the bytes stop.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_in_the_middle_of_a_frame_loses_nothing() {
    let vhost = Vhost::new().await;
    let proxy = FaultProxy::before(vhost.node()).await;
    let url = proxy.url(vhost.name());
    let mut service = Service::on(url)
        .queue("orders")
        .env("ORDERS_RETRY", "300ms*30")
        .start();
    consumes(&vhost, &mut service).await;
    let client = Client::connect(&vhost.url()).await;
    let mut checker = Checker::new();
    let cuts = [
        (Direction::ToBroker, 1),
        (Direction::ToBroker, 700),
        (Direction::ToClient, 900),
        (Direction::ToBroker, 3_333),
        (Direction::ToClient, 5_001),
    ];
    for (round, (direction, bytes)) in (0..).zip(cuts) {
        let before = proxy.accepted();
        proxy.cut_after(bytes, direction);
        checker
            .send(
                &client,
                "orders",
                round * 50 + 1..=(round + 1) * 50,
                "fail:1",
            )
            .await;
        eventually(SOON, "the connections are cut and made again", async || {
            service.assert_lives();
            let again = proxy.accepted() - before;
            if again >= 2 {
                Ok(())
            } else {
                Err(format!("{again} new connections"))
            }
        })
        .await;
    }
    let all = checker.sent().len();
    service
        .wait_for("all are handled", |events| handled(events).len() == all)
        .await;
    vhost.drained("orders").await;
    service.stop().await;
    let verdict = checker
        .verdict(service.transcript(), &client, "orders", &["300ms"])
        .await;
    println!("{verdict}");
    verdict.assert_nothing_lost();
    assert_eq!(verdict.parked, 0);
}
