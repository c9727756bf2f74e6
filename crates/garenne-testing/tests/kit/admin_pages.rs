//! What a service offers its own admin pages: its failed messages, listed and sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use garenne::failed::{FailedQuery, FailedStore, Replay};
use garenne::prelude::*;
use garenne_testing::TestSystem;

use crate::orders::send;

#[tokio::test]
async fn a_service_lists_its_failed_messages_and_sends_them_again() {
    let mended = Arc::new(AtomicBool::new(false));
    let handler = {
        let mended = Arc::clone(&mended);
        move |_: Delivery<Text>| {
            let mended = Arc::clone(&mended);
            async move {
                match mended.load(Ordering::Relaxed) {
                    true => Ok(()),
                    false => Err(Failure::permanent("the till is broken")),
                }
            }
        }
    };
    let system =
        TestSystem::start(|builder| builder.consume_fn(Queue::quorum("orders"), handler)).await;
    send(&system, "m1", "seven").await;
    send(&system, "m2", "eight").await;
    system.settled().await;

    let service = system.handle();
    let parked = service.failed(["orders"]);
    let mut listed = Vec::new();
    let mut cursor = parked.open(&FailedQuery::all()).await.unwrap();
    while let Some(stored) = cursor.next().await.unwrap() {
        listed.push((stored.record.message_id, stored.record.error));
    }
    cursor.close().await.unwrap();
    let broken = || "the till is broken".to_owned();
    let both = ["m1", "m2"].map(|id| (id.to_owned(), broken()));
    assert_eq!(listed, both);

    mended.store(true, Ordering::Relaxed);
    let one = Replay::of(FailedQuery::all().id("m2"));
    let report = one.run(&parked, &service.publisher()).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.replayed, 1);
    let handled = service.wait_until(|status| status.queues[0].handled == 1);
    handled.await.unwrap();
    let view = system.broker().view().await.unwrap();
    assert_eq!(view.ready("orders.failed"), 1, "the other is still there");
    system.finish().await;
}
