//! A stop finishes what has begun, requeues what has not, and waits for nothing else.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use integration_tests::{
    Client, FaultProxy, Service, Signal, Vhost, eventually, handled, order, persistent, stays,
};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::Value;

use crate::support::{SOON, consumes, options, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_finishes_what_has_begun_and_requeues_the_rest_unchanged() {
    for signal in [Signal::TERM, Signal::INT] {
        let vhost = Vhost::new().await;
        let client = Client::connect(&vhost.url()).await;
        let mut service = options(&vhost, "200ms*3")
            .env("GARENNE_DRAIN_DEADLINE", "20s")
            .start();
        consumes(&vhost, &mut service).await;
        client
            .publish_orders("orders", (1..=1_000).map(|id| (id, "sleep:400")))
            .await;
        // The last ones have failed once already.
        for id in 1_001..=1_100 {
            let mut failed_once = FieldTable::default();
            failed_once.insert("retry_nums".into(), AMQPValue::LongInt(1));
            let properties = persistent(id).with_headers(failed_once);
            client
                .publish("", "orders", &order(id, "sleep:400"), properties)
                .await;
        }
        service
            .wait_for("the load is on", |events| handled(events).len() >= 50)
            .await;

        let asked = Instant::now();
        service.signal(signal);
        let code = service.exit_code(SOON).await;
        println!("exit {code} after {:.2?}", asked.elapsed());
        assert_eq!(code, 0);
        let drain = Duration::from_secs(20);
        assert!(
            asked.elapsed() < drain + Duration::from_secs(5),
            "{:?}",
            asked.elapsed()
        );

        let begun: BTreeSet<u64> = service.transcript().events(|events| {
            events
                .iter()
                .filter(|event| event.event == "begin")
                .map(|event| event.order_id)
                .collect()
        });
        let done = service.transcript().events(handled);
        assert_eq!(begun, done, "something begun did not finish");
        let rest = client.take_all("orders").await;
        let ids: BTreeSet<u64> = rest.iter().map(|message| id(&message.data)).collect();
        assert!(
            ids.is_disjoint(&done),
            "handled and not acked: {:?}",
            ids.intersection(&done)
        );
        assert_eq!(
            ids.len() + done.len(),
            1_100,
            "{} back, {} done",
            ids.len(),
            done.len()
        );
        for message in &rest {
            let headers = message.properties.headers().clone().unwrap_or_default();
            let failed = headers.inner().get("retry_nums").cloned();
            let unchanged = (id(&message.data) > 1_000).then_some(AMQPValue::LongInt(1));
            assert_eq!(failed, unchanged, "a stop is not an attempt");
        }
        assert!(client.take_all("orders.retry.200ms").await.is_empty());
        assert!(client.take_all("orders.failed").await.is_empty());
    }
}

fn id(body: &[u8]) -> u64 {
    serde_json::from_slice::<Value>(body).unwrap()["order_id"]
        .as_u64()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    let vhost = Vhost::new().await;
    let client = Client::connect(&vhost.url()).await;
    let mut service = start(&vhost, "200ms*3").await;
    client.publish_orders("orders", [(1, "sleep:120000")]).await;
    service
        .wait_for("it has begun", |events| {
            events.iter().any(|e| e.is("begin", 1))
        })
        .await;
    service.signal(Signal::TERM);
    service.wait_for_log("stopping").await;
    // Two signals within a moment are one request that came twice.
    let a_moment = Duration::from_secs(2);
    stays(a_moment, "it waits for the order", async || {
        service.assert_lives();
        Ok(())
    })
    .await;
    let asked = Instant::now();
    service.signal(Signal::TERM);
    service.ends(SOON).await;
    println!("the second SIGTERM took {:.2?}", asked.elapsed());
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
    eventually(SOON, "the order is back in the queue", async || match vhost
        .queue("orders")
        .await?
        .ready
    {
        1 => Ok(()),
        n => Err(format!("{n} ready")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_outlasts_the_drain_deadline_is_named_and_goes_back() {
    let vhost = Vhost::new().await;
    let client = Client::connect(&vhost.url()).await;
    let mut service = options(&vhost, "200ms*3")
        .env("GARENNE_DRAIN_DEADLINE", "1s")
        .start();
    consumes(&vhost, &mut service).await;
    client.publish_orders("orders", [(7, "hang")]).await;
    service
        .wait_for("it has begun", |events| {
            events.iter().any(|e| e.is("begin", 7))
        })
        .await;
    service.signal(Signal::TERM);
    let code = service.exit_code(SOON).await;
    println!("exit {code} after an abandoned order");
    assert!(
        service.transcript().stderr_says("order-7"),
        "{}",
        service.transcript().tail()
    );
    eventually(SOON, "the order is back in the queue", async || match vhost
        .queue("orders")
        .await?
        .ready
    {
        1 => Ok(()),
        n => Err(format!("{n} ready")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_down_does_not_delay_a_stop() {
    let vhost = Vhost::new().await;
    let proxy = FaultProxy::before(vhost.node()).await;
    let mut service = Service::on(proxy.url(vhost.name())).queue("orders").start();
    consumes(&vhost, &mut service).await;
    proxy.refuse().await;
    proxy.cut().await;
    service.wait_for_log("lost").await;
    let asked = Instant::now();
    service.signal(Signal::TERM);
    assert_eq!(service.exit_code(SOON).await, 0);
    println!("a stop without a broker took {:.2?}", asked.elapsed());
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
}
