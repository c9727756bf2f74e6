//! A test program that has a `tracing` subscriber of its own, and lets the journal listen to it.

use garenne::prelude::*;
use garenne_testing::TestSystem;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

async fn charge(order: Delivery<Text>) -> Result<(), Failure> {
    match &**order.body() {
        "discard" => Err(Failure::discard("nothing to pay")),
        _ => Ok(()),
    }
}

/// One test only: the subscriber is the whole program's.
#[tokio::test]
async fn with_the_journal_messages_are_told_apart() {
    let lines = tracing_subscriber::fmt::layer().with_test_writer();
    tracing_subscriber::registry()
        .with(lines.with_filter(LevelFilter::WARN))
        .with(garenne_testing::journal())
        .init();
    let orders = Queue::quorum("orders");
    let system = TestSystem::start(|builder| builder.consume_fn(orders, charge)).await;
    let handled = system.send("orders", "ok").await;
    let discarded = system.send("orders", "discard").await;
    system.settled().await;
    system.assert_handled(&handled).attempt(1);
    system.assert_discarded(&discarded);
    system.finish().await;
}
