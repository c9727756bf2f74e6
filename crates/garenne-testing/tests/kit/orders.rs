//! The service that is tested, and how a test sees an assertion fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;
use garenne::prelude::*;
use garenne_testing::TestSystem;

/// What the text of an order says happens: `ok`, `fail`, `fail:2` (so many attempts do),
/// `permanent`, `discard`, `panic`, `hang`.
#[expect(clippy::panic, reason = "the order asks for it")]
pub(crate) async fn charge(order: Delivery<Text>) -> Result<(), Failure> {
    match order.split_once(':').unwrap_or((&order[..], "")) {
        ("ok", _) => Ok(()),
        ("fail", "") => Err(Failure::transient("card declined")),
        ("fail", times) if order.attempt().number() <= times.parse()? => {
            Err(Failure::transient("card declined"))
        }
        ("fail", _) => Ok(()),
        ("permanent", _) => Err(Failure::permanent("no such card")),
        ("discard", _) => Err(Failure::discard("nothing to pay")),
        ("panic", _) => panic!("no such currency"),
        ("hang", _) => std::future::pending().await,
        (other, _) => Err(Failure::permanent(format_args!("what is `{other}`?"))),
    }
}

pub(crate) fn orders() -> Queue {
    Queue::quorum("orders").retry(Retry::every(20.secs()).times(3))
}

pub(crate) fn service(builder: SystemBuilder) -> SystemBuilder {
    builder.consume_fn(orders(), charge)
}

pub(crate) async fn start() -> TestSystem {
    TestSystem::start(service).await
}

/// Sends a message whose id is known beforehand, so that texts about it can be compared.
pub(crate) async fn send(system: &TestSystem, id: &str, body: &str) -> garenne_testing::Sent {
    let message = Outgoing::to_queue("orders", body).message_id(id);
    system.send_message(message).await
}

/// What an assertion says when it fails.
pub(crate) fn complaint<T>(assertion: impl FnOnce() -> T) -> String {
    let failed = catch_unwind(AssertUnwindSafe(assertion)).err();
    text(failed.expect("the assertion fails").as_ref())
}

/// What something that is awaited says when it fails.
pub(crate) async fn complaint_of<T>(awaited: impl Future<Output = T>) -> String {
    let failed = AssertUnwindSafe(awaited).catch_unwind().await.err();
    text(failed.expect("what is awaited fails").as_ref())
}

fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .expect("a panic with a text")
}
