//! A test program that has a `tracing` subscriber of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use garenne::prelude::*;
use garenne_testing::TestSystem;

async fn charge(order: Delivery<Text>) -> Result<(), Failure> {
    match &**order.body() {
        "discard" => Err(Failure::discard("nothing to pay")),
        "permanent" => Err(Failure::permanent("no such card")),
        _ => Ok(()),
    }
}

/// One test only: the subscriber is the whole program's.
#[tokio::test]
async fn without_the_journal_nothing_is_guessed() {
    let lines = tracing_subscriber::fmt().with_test_writer().finish();
    tracing::subscriber::set_global_default(lines).unwrap();
    let orders = || Queue::quorum("orders");
    let system = TestSystem::start(|builder| builder.consume_fn(orders(), charge)).await;

    // While everything that is gone was handled, the counters are enough.
    let handled = system.send("orders", "ok").await;
    let parked = system.send("orders", "permanent").await;
    system.settled().await;
    system.assert_handled(&handled);
    system.assert_parked(&parked).error("no such card");
    let refused = catch_unwind(AssertUnwindSafe(|| system.assert_handled(&parked)));
    let text = *refused.unwrap_err().downcast::<String>().unwrap();
    assert!(
        text.contains("was not handled\n  it is parked in `orders.failed`"),
        "{text}"
    );

    // Once one was discarded, they are not.
    system.send("orders", "discard").await;
    system.settled().await;
    let refused = catch_unwind(AssertUnwindSafe(|| system.assert_handled(&handled)));
    let text = *refused.unwrap_err().downcast::<String>().unwrap();
    assert!(
        text.contains("must add `garenne_testing::journal()` to it"),
        "{text}"
    );
    system.finish().await;
}
