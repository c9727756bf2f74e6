//! A system whose messages fail, and what its alert came to.

use std::time::Duration;

use garenne::SystemHandle;
use garenne::prelude::*;
use garenne::status::{AlertStatus, Status};
use garenne_sinks::WebhookAlert;
use garenne_testing::{TestSystem, WebhookServer, eventually};
use serde_json::Value;

/// Long enough that what has not happened by then never will, on a machine however slow.
pub(crate) const SOON: Duration = Duration::from_secs(120);

/// A system that fails every message, with this alert.
pub(crate) async fn failing(alert: WebhookAlert) -> TestSystem {
    let orders = Queue::quorum("orders").retry(Retry::none());
    let fail = |order: Delivery<Text>| async move {
        Err::<(), _>(Failure::transient(format_args!(
            "no order {}",
            order.body().0
        )))
    };
    TestSystem::builder()
        .patience(SOON)
        .start(|builder| {
            builder
                .service_name("shop")
                .consume_fn(orders, fail)
                .alert(alert)
        })
        .await
}

/// A pace at which nothing waits but for failed calls.
pub(crate) fn at_once() -> Pace {
    Pace::default().gather(Duration::ZERO).every(Duration::ZERO)
}

/// Waits until the only alert of the system is as wanted.
pub(crate) async fn until(
    handle: &SystemHandle,
    wanted: impl Fn(&AlertStatus) -> bool,
) -> AlertStatus {
    let looked = handle.wait_until(|status: &Status| wanted(&status.alerts[0]));
    match tokio::time::timeout(SOON, looked).await {
        Ok(Ok(mut status)) => status.alerts.remove(0),
        Ok(Err(reason)) => panic!("stopped: {reason}"),
        Err(_) => panic!("not as wanted: {:?}", handle.status().alerts),
    }
}

/// Waits until the server got so many calls.
pub(crate) async fn got(server: &WebhookServer, calls: usize) {
    eventually(SOON, "the webhook is called", async || {
        match server.got().len() {
            enough if enough >= calls => Ok(()),
            few => Err(format!("{few} calls")),
        }
    })
    .await;
}

/// The bodies that the server got.
pub(crate) fn bodies(server: &WebhookServer) -> Vec<Value> {
    let got = server.got();
    let bodies = got
        .iter()
        .map(|call| serde_json::from_str(&call.body).expect("JSON is sent"));
    bodies.collect()
}
