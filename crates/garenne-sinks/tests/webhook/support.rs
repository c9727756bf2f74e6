//! A system whose messages fail, and what its alert came to.

use garenne::prelude::*;
use garenne_sinks::WebhookAlert;
use garenne_testing::{TestSystem, WebhookServer, eventually};
use serde_json::Value;

pub(crate) use crate::watching::{SOON, at_once, until};

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
