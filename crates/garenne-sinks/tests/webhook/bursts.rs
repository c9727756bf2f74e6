//! Ten thousand failures.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use garenne_sinks::WebhookAlert;
use garenne_testing::{TestSystem, WebhookServer};

use crate::support::{at_once, bodies, failing};

const FAILURES: u64 = 10_000;

async fn fail_ten_thousand(system: &TestSystem) {
    for hundred in 0..FAILURES / 100 {
        let sends = (0..100).map(|n| system.send("orders", format!("{hundred} {n}")));
        join_all(sends).await;
    }
    system.settled().await;
}

/// Whoever counts arrivals never sees more than so many in any stretch of time.
fn assert_limit(calls: usize, per: Duration, at: &[Instant]) {
    for (index, later) in at.iter().enumerate().skip(calls) {
        let apart = later.duration_since(at[index - calls]);
        assert!(apart >= per, "{} calls within {apart:?}", calls + 1);
    }
}

#[tokio::test]
async fn ten_thousand_failures_are_few_calls_whose_numbers_add_up() {
    let server = WebhookServer::start();
    let (calls, per) = (4, Duration::from_secs(20));
    // It would call all the time, if the limit let it.
    let pace = at_once().limit(u32::try_from(calls).expect("4 is small"), per);
    let alert = WebhookAlert::json(server.url("/"), "").pace(pace);
    let system = failing(alert).await;
    let begun = Instant::now();
    fail_ten_thousand(&system).await;
    let took = begun.elapsed();
    let during = system.handle().status().alerts.remove(0);
    assert_eq!(during.told + during.pending + during.dropped, FAILURES);
    let handle = system.handle().clone();
    system.finish().await;

    let got = server.got();
    let at: Vec<_> = got.iter().map(|call| call.at).collect();
    assert_limit(calls, per, &at);
    let sum = |field: &str| -> u64 {
        let bodies = bodies(&server);
        bodies
            .iter()
            .map(|body| body[field].as_u64().expect("a number"))
            .sum()
    };
    let end = handle.status().alerts.remove(0);
    assert_eq!(end.calls, got.len() as u64);
    assert_eq!((end.failed_calls, end.pending), (0, 0));
    assert_eq!(sum("failures"), end.told);
    assert_eq!(end.told + end.dropped, FAILURES, "{end:?}");
    println!(
        "{FAILURES} failures in {took:.1?}: {} calls, {end:?}",
        got.len()
    );
    let items: u64 = bodies(&server)
        .iter()
        .flat_map(|body| body["items"].as_array().expect("an array").clone())
        .map(|item| item["count"].as_u64().expect("a number"))
        .sum();
    assert_eq!(items, end.told);
}

#[tokio::test]
async fn a_burst_while_the_service_refuses_is_told_in_full_when_it_takes_calls_again() {
    let server = WebhookServer::start();
    server.answer_next(garenne_testing::WebhookAnswer::new(500, "down"));
    let system = failing(WebhookAlert::json(server.url("/"), "").pace(at_once())).await;
    for n in 0..500 {
        system.send("orders", n.to_string()).await;
    }
    system.settled().await;
    let handle = system.handle().clone();
    system.finish().await;
    let end = handle.status().alerts.remove(0);
    assert_eq!((end.told, end.dropped, end.failed_calls), (500, 0, 1));
    let refused = bodies(&server).remove(0)["failures"]
        .as_u64()
        .expect("a number");
    let sum: u64 = bodies(&server)
        .iter()
        .map(|body| body["failures"].as_u64().expect("a number"))
        .sum();
    assert_eq!(sum - refused, 500);
}
