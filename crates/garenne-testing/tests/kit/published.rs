//! What the system publishes.

use garenne::prelude::*;
use garenne_testing::TestSystem;
use serde_json::json;

use crate::orders::{complaint, orders, service};

/// A service that publishes an invoice for each order, to an exchange of somebody else.
async fn billing() -> TestSystem {
    let invoices = Queue::classic("invoices").bind("billing", ExchangeKind::Topic, "invoice.#");
    let configure = |builder: SystemBuilder| {
        let publisher = builder.publisher();
        builder.consume_fn(orders(), move |order: Delivery<Text>| {
            let publisher = publisher.clone();
            async move {
                let invoice = Json(json!({ "order": **order, "cents": 1999 }));
                let key = format!("invoice.{}", &**order);
                let invoice = Outgoing::to_exchange("billing", key, invoice);
                publisher.send(invoice.header("tenant", "eu")).await
            }
        })
    };
    TestSystem::builder().queue(invoices).start(configure).await
}

#[tokio::test]
async fn what_a_handler_publishes_lies_in_the_queue_of_somebody_else() {
    let system = billing().await;
    system.assert_nothing_published("invoices");
    system.send("orders", "7").await;
    system.send("orders", "8").await;
    system.settled().await;

    system.assert_published("invoices").times(2);
    let invoice = json!({ "cents": 1999, "order": "7" });
    let published = system.assert_published("invoices").json(&invoice).times(1);
    let published = published.header("tenant", "eu").routing_key("invoice.7");
    let [invoice] = published.messages() else {
        panic!("not one message: {published:?}");
    };
    let Json(invoice) = invoice.decode::<Json<serde_json::Value>>().unwrap();
    assert_eq!(invoice["order"], "7");
    system.finish().await;
}

#[tokio::test]
async fn what_was_not_published_is_said_beside_what_was() {
    let system = billing().await;
    system.send("orders", "7").await;
    system.settled().await;

    let published = || system.assert_published("invoices");
    let text = complaint(|| published().header("tenant", "us"));
    let first = "nothing was published to `invoices` with header `tenant` = Text(\"us\")";
    assert!(text.starts_with(first), "{text}");
    assert!(text.contains(r#"`{"cents":1999,"order":"7"}`"#), "{text}");
    let text = complaint(|| published().routing_key("invoice.7").body("x"));
    let first = "nothing was published to `invoices` with routing key `invoice.7` and body `x`";
    assert!(text.starts_with(first), "{text}");
    let text = complaint(|| published().that("no body", |message| message.bytes().is_empty()));
    assert!(
        text.starts_with("nothing was published to `invoices` with no body"),
        "{text}"
    );
    let text = complaint(|| published().times(2));
    assert!(
        text.starts_with("1 published to `invoices`, expected 2"),
        "{text}"
    );
    let text = complaint(|| system.assert_nothing_published("invoices"));
    assert!(
        text.starts_with("1 published to `invoices`, expected none"),
        "{text}"
    );
    system.finish().await;
}

#[tokio::test]
async fn a_queue_that_cannot_be_looked_into_is_no_proof_of_anything() {
    let system = TestSystem::start(service).await;
    let text = complaint(|| system.assert_nothing_published("invoices"));
    assert!(
        text.starts_with("there is no queue `invoices`; declare it with"),
        "{text}"
    );
    let text = complaint(|| system.assert_nothing_published("orders"));
    assert!(
        text.starts_with("the system consumes `orders` itself"),
        "{text}"
    );
    assert_eq!(system.messages("invoices").len(), 0);
    system.finish().await;
}
