//! What a broker does to its clients in a working life: consumption goes on, nothing is lost, nothing
//! is stuck.

use std::time::Duration;

use integration_tests::{
    Checker, Client, NodeOptions, RabbitNode, Service, Vhost, eventually, handled, stays,
};

use crate::support::{SOON, consumes, options, start};

#[tokio::test(flavor = "multi_thread")]
async fn connections_closed_and_reset_by_the_broker_lose_nothing() {
    let vhost = Vhost::new().await;
    let mut service = start(&vhost, "300ms*9").await;
    let client = Client::connect(&vhost.url()).await;
    let mut checker = Checker::new();
    checker.send(&client, "orders", 1..=2_000, "sleep:20").await;
    checker
        .send(&client, "orders", 2_001..=2_200, "fail:1")
        .await;
    drop(client);
    for (done, reset) in [(100, false), (500, true), (900, false), (1_300, true)] {
        service
            .wait_for("it works", |events| handled(events).len() >= done)
            .await;
        if reset {
            vhost.node().reset_connections(vhost.name()).await;
        } else {
            vhost.node().close_connections(vhost.name()).await;
        }
    }
    service
        .wait_for("all are handled", |events| handled(events).len() == 2_200)
        .await;
    vhost.drained("orders").await;
    service.stop().await;
    let client = Client::connect(&vhost.url()).await;
    let verdict = checker
        .verdict(service.transcript(), &client, "orders", &["300ms"])
        .await;
    println!("{verdict}");
    verdict.assert_nothing_lost();
    assert_eq!(verdict.parked, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_closed_because_a_handler_outlasted_the_consumer_timeout_costs_no_message() {
    let node = NodeOptions::new()
        .config("consumer_timeout = 3000")
        .advanced("{channel_tick_interval, 1000}")
        .start()
        .await;
    let mut service = Service::on(node.url("/")).queue("orders").start();
    node.consumes("/", "orders").await;
    let client = Client::connect(&node.url("/")).await;
    let mut checker = Checker::new();
    checker.send(&client, "orders", 1..=50, "ok").await;
    checker.send(&client, "orders", [51], "sleep:9000").await;
    checker.send(&client, "orders", 52..=100, "ok").await;
    service
        .wait_for("the neighbours are handled", |events| {
            handled(events).len() >= 99
        })
        .await;
    service.wait_for_log("worker_lost").await;
    checker.send(&client, "orders", 101..=150, "ok").await;
    service
        .wait_for("all are handled", |events| handled(events).len() == 150)
        .await;
    node.drained("/", "orders").await;
    let runs = service.transcript().count(|event| event.is("begin", 51));
    println!("the slow order ran {runs} times");
    service.stop().await;
    let verdict = checker
        .verdict(service.transcript(), &client, "orders", &[])
        .await;
    println!("{verdict}");
    verdict.assert_nothing_lost();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_classic_queue_that_crashes_in_the_broker_is_consumed_on() {
    let vhost = Vhost::new().await;
    let mut service = options(&vhost, "300ms*3")
        .env("ORDERS_QUEUE_TYPE", "classic")
        .start();
    consumes(&vhost, &mut service).await;
    let client = Client::connect(&vhost.url()).await;
    let mut checker = Checker::new();
    for round in 0..3 {
        checker
            .send(&client, "orders", round * 100 + 1..=round * 100 + 90, "ok")
            .await;
        checker
            .send(
                &client,
                "orders",
                round * 100 + 91..=(round + 1) * 100,
                "sleep:1000",
            )
            .await;
        let enough = usize::try_from(round * 100 + 50).expect("a small number");
        service
            .wait_for("it works", |events| handled(events).len() >= enough)
            .await;
        vhost
            .node()
            .crash_classic_queue(vhost.name(), "orders")
            .await;
    }
    service
        .wait_for("all are handled", |events| handled(events).len() == 300)
        .await;
    vhost.drained("orders").await;
    service.stop().await;
    let verdict = checker
        .verdict(service.transcript(), &client, "orders", &["300ms"])
        .await;
    println!("{verdict}");
    verdict.assert_nothing_lost();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_cancelled_because_its_queue_was_deleted_declares_it_again_and_consumes() {
    let vhost = Vhost::new().await;
    let mut service = start(&vhost, "300ms*3").await;
    let client = Client::connect(&vhost.url()).await;
    for id in 1..=3 {
        client
            .channel()
            .queue_delete("orders".into(), Default::default())
            .await
            .unwrap();
        let cancels = usize::try_from(id).expect("a small number");
        eventually(SOON, "the cancel is seen", async || {
            let seen = service.transcript().stderr();
            let seen = seen
                .iter()
                .filter(|line| line.contains("consumer_cancelled"))
                .count();
            if seen >= cancels {
                Ok(())
            } else {
                Err(service.transcript().tail())
            }
        })
        .await;
        consumes(&vhost, &mut service).await;
        client.publish_orders("orders", [(id, "fail:1")]).await;
        service
            .wait_for("it is handled", |events| handled(events).contains(&id))
            .await;
        vhost.drained("orders").await;
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_alarm_delays_retries_and_loses_nothing() {
    let node = RabbitNode::start().await;
    let mut service = Service::on(node.url("/"))
        .queue("orders")
        .env("ORDERS_RETRY", "300ms*9")
        .start();
    node.consumes("/", "orders").await;
    let client = Client::connect(&node.url("/")).await;
    let mut checker = Checker::new();
    checker.send(&client, "orders", 1..=400, "fail:2").await;
    checker.send(&client, "orders", 401..=800, "sleep:30").await;
    let failed =
        |events: &[integration_tests::Event]| events.iter().filter(|e| e.event == "failed").count();
    service
        .wait_for("handlers fail", |events| failed(events) >= 50)
        .await;
    node.raise_memory_alarm().await;
    // Longer than a confirm may take while the broker does not say `blocked`.
    stays(Duration::from_secs(12), "the service lives", async || {
        service.assert_lives();
        Ok(())
    })
    .await;
    let handled_in_alarm = service.transcript().events(handled).len();
    node.clear_memory_alarm().await;
    service
        .wait_for("all are handled", |events| handled(events).len() == 800)
        .await;
    node.drained("/", "orders").await;
    service.stop().await;
    let verdict = checker
        .verdict(service.transcript(), &client, "orders", &["300ms"])
        .await;
    println!("{handled_in_alarm} handled when the alarm was cleared; {verdict}");
    verdict.assert_nothing_lost();
    assert_eq!(verdict.parked, 0);
}
