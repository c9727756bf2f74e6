//! Fail sinks that are watched.

use garenne::core::FailReason;
use garenne::prelude::*;
use garenne_testing::{SinkWatch, TestSystem};

use crate::orders::complaint;

/// Takes what it is told to.
struct Archive;

impl Actor for Archive {
    type Context = Context<Self>;
}

impl Handler<FailedMessage> for Archive {
    type Result = Result<(), SinkError>;

    fn handle(&mut self, failed: FailedMessage, _: &mut Self::Context) -> Self::Result {
        match &failed.body[..] {
            b"refused" => Err(SinkError::new("the disk is full")),
            b"fatal" => {
                assert!(failed.body.is_empty(), "the archive burns");
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

async fn fails(_: Delivery<Text>) -> Result<(), Failure> {
    Err(Failure::permanent("no card"))
}

async fn watched() -> (TestSystem, SinkWatch) {
    let watch = SinkWatch::new();
    let archive = watch.watch(|| Archive);
    let orders = Queue::quorum("orders");
    let system =
        TestSystem::start(move |builder| builder.consume_fn(orders, fails).fail_sink(archive));
    (system.await, watch)
}

#[tokio::test]
async fn what_a_sink_stored_can_be_asserted() {
    let (system, watch) = watched().await;
    watch.assert_never_asked();
    let order = system.send("orders", "order 7").await;
    system.settled().await;
    let stored = watch.assert_stored(&order);
    let stored = stored
        .reason(FailReason::Permanent)
        .error("no card")
        .attempts(1);
    assert_eq!(&stored.record().body[..], b"order 7");
    let wrong = complaint(|| drop(watch.assert_stored(&order).attempts(2)));
    assert!(
        wrong.contains("is stored after attempt 1, not 2"),
        "{wrong}"
    );
    let wrong = complaint(|| watch.assert_never_asked());
    assert!(wrong.contains("expected never"), "{wrong}");
    system.finish().await;
}

#[tokio::test]
async fn what_a_sink_refused_or_died_over_is_not_stored_and_parked() {
    let (system, watch) = watched().await;
    let refused = system.send("orders", "refused").await;
    let fatal = system.send("orders", "fatal").await;
    let good = system.send("orders", "good").await;
    system.settled().await;
    let said = complaint(|| drop(watch.assert_stored(&refused)));
    assert!(said.contains("the sink said `the disk is full`"), "{said}");
    let said = complaint(|| drop(watch.assert_stored(&fatal)));
    assert!(said.contains("the sink gave no answer"), "{said}");
    let said = complaint(|| drop(watch.assert_stored("other")));
    assert!(said.contains("never asked to store `other`"), "{said}");
    system.assert_parked(&refused);
    system.assert_parked(&fatal);
    watch.assert_stored(&good);
    system.finish().await;
}
