//! What the service costs, printed for the record and bounded generously.

use std::time::Duration;

use integration_tests::{Client, CpuClock, Service, Vhost, resident_bytes, stays};

use crate::support::{consumes, options, start};

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_service_costs_next_to_nothing() {
    let vhost = Vhost::new().await;
    let mut service = start(&vhost, "20s*3").await;
    let clock = CpuClock::start(service.pid());
    stays(Duration::from_secs(20), "the service idles", async || {
        service.assert_lives();
        Ok(())
    })
    .await;
    let percent = clock.share_of_a_core() * 100.0;
    let resident = megabytes(resident_bytes(service.pid()));
    println!("idle: {resident:.1} MB resident, {percent:.2} % of a core");
    assert!(resident < 40.0, "{resident:.1} MB");
    assert!(percent < 3.0, "{percent:.2} %");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_consumer_with_a_hundred_thousand_messages_waiting_stays_small() {
    let vhost = Vhost::new().await;
    let client = Client::connect(&vhost.url()).await;
    let mut declaring = start(&vhost, "20s*3").await;
    declaring.stop().await;
    client
        .publish_orders("orders", (1..=100_000).map(|id| (id, "sleep:500")))
        .await;
    let mut service: Service = options(&vhost, "20s*3").start();
    consumes(&vhost, &mut service).await;
    service
        .wait_for("it works", |events| events.len() > 200)
        .await;
    let mut most = 0;
    stays(
        Duration::from_secs(8),
        "the service works slowly",
        async || {
            service.assert_lives();
            most = most.max(resident_bytes(service.pid()));
            Ok(())
        },
    )
    .await;
    let waiting = vhost.queue("orders").await.unwrap();
    println!(
        "{} waiting, {} in hand: at most {:.1} MB resident",
        waiting.ready,
        waiting.unacked,
        megabytes(most)
    );
    assert!(waiting.messages() > 90_000, "{waiting:?}");
    assert!(
        waiting.unacked <= 100,
        "more in hand than the prefetch: {waiting:?}"
    );
    assert!(megabytes(most) < 150.0);
    service.stop().await;
}
