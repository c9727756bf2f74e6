//! What handlers do wrong costs their own message an attempt, and nobody else anything.

use std::time::Duration;

use integration_tests::{Checker, Client, Manager, Vhost, handled};

use crate::support::{SOON, integer, options, start, take_one, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_its_message_an_attempt_and_its_neighbours_nothing() {
    let vhost = Vhost::new().await;
    let mut service = start(&vhost, "200ms*2").await;
    let client = Client::connect(&vhost.url()).await;
    let orders = (1..=100).map(|id| (id, if id == 50 { "panic" } else { "ok" }));
    client.publish_orders("orders", orders).await;
    service
        .wait_for("the neighbours are handled", |events| {
            handled(events).len() == 99
        })
        .await;
    let parked = take_one(&vhost, &client, "orders.failed").await;
    assert_eq!(text(&parked, "fail-reason"), "panic");
    assert!(
        text(&parked, "fail-error").contains("panics"),
        "{}",
        text(&parked, "fail-error")
    );
    assert_eq!(integer(&parked, "fail-attempts"), 3);
    assert_eq!(service.transcript().count(|event| event.is("begin", 50)), 3);
    let others = service.transcript().count(|event| event.event == "begin") - 3;
    assert_eq!(others, 99, "a neighbour of a panic ran twice");
    vhost.drained("orders").await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_ends_at_its_deadline_and_its_neighbours_do_not_wait_for_it() {
    let vhost = Vhost::new().await;
    let mut service = options(&vhost, "200ms*1")
        .env("ORDERS_DEADLINE", "2s")
        .start();
    let client = Client::connect(&vhost.url()).await;
    crate::support::consumes(&vhost, &mut service).await;
    let orders = (1..=100).map(|id| (id, if id % 25 == 0 { "hang" } else { "ok" }));
    client.publish_orders("orders", orders).await;
    service
        .wait_for("the neighbours are handled", |events| {
            handled(events).len() == 96
        })
        .await;
    let hung = service
        .transcript()
        .count(|event| event.order_id % 25 == 0 && event.attempt == 2);
    assert_eq!(hung, 0, "the neighbours waited for a deadline");
    let verdict = async || vhost.queue("orders.failed").await;
    integration_tests::eventually(SOON, "all hung orders are parked", async || {
        let depth = verdict().await?;
        if depth.ready == 4 {
            Ok(())
        } else {
            Err(format!("{depth:?}"))
        }
    })
    .await;
    for parked in client.take_all("orders.failed").await {
        assert_eq!(text(&parked, "fail-reason"), "deadline");
        assert_eq!(integer(&parked, "fail-attempts"), 2);
    }
    vhost.drained("orders").await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_kills_the_process_ends_parked_and_takes_no_neighbour_with_it() {
    let vhost = Vhost::new().await;
    let client = Client::connect(&vhost.url()).await;
    let mut manager = Manager::start(options(&vhost, "200ms*3"));
    crate::support::consumes(&vhost, manager.service()).await;
    let mut checker = Checker::new();
    checker.send(&client, "orders", 1..=60, "ok").await;
    checker.send(&client, "orders", [61], "abort").await;
    checker.send(&client, "orders", 62..=200, "ok").await;
    manager
        .run_until(
            Duration::from_secs(180),
            "the killer is parked",
            async |transcript| {
                let depth = vhost.queue("orders.failed").await?;
                let done = transcript.events(handled).len();
                if depth.ready > 0 && done == 199 {
                    Ok(())
                } else {
                    Err(format!("{depth:?}, {done} handled"))
                }
            },
        )
        .await;
    vhost.drained("orders").await;
    manager.lives().await;
    let deaths = manager.exits().len();
    let begins = manager.transcript().count(|event| event.is("begin", 61));
    let verdict = {
        manager.service().stop().await;
        let parked = client.take_all("orders.failed").await;
        assert_eq!(parked.len(), 1, "only the killer is parked");
        assert!(parked[0].data.windows(5).any(|bytes| bytes == b"abort"));
        client
            .publish(
                "",
                "orders.failed",
                &parked[0].data,
                parked[0].properties.clone(),
            )
            .await;
        checker
            .verdict(manager.transcript(), &client, "orders", &["200ms"])
            .await
    };
    println!("the killer ran {begins} times, the process died {deaths} times; {verdict}");
    verdict.assert_nothing_lost();
    assert_eq!((verdict.handled, verdict.parked), (199, 1));
    assert!(
        manager.exits().iter().all(Option::is_none),
        "{:?}",
        manager.exits()
    );
}
