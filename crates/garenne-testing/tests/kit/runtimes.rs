//! The kit works in every runtime that a test may run in.

use garenne::prelude::*;
use garenne_testing::perform;

use crate::orders::{charge, send, start};

/// What every runtime must be able to do.
async fn everything() {
    let system = start().await;
    let handled = send(&system, "m1", "ok").await;
    let retried = send(&system, "m2", "fail:1").await;
    system.settled().await;
    system.assert_handled(&handled);
    system.assert_retried(&retried).after(20.secs());
    system.advance(20.secs()).await;
    system.assert_handled(&retried).attempt(2);
    system.finish().await;
    assert!(perform(charge, "ok").await.is_ok());
    assert!(
        perform(crate::performed::Till::default(), "ok")
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn on_one_thread() {
    everything().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_many_threads() {
    everything().await;
}

#[actix_rt::test]
async fn in_an_actix_system() {
    everything().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_can_be_shared_between_tasks() {
    let system = std::sync::Arc::new(start().await);
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let system = std::sync::Arc::clone(&system);
            tokio::spawn(async move { system.send("orders", "ok").await })
        })
        .collect();
    let sent = futures_util::future::join_all(senders).await;
    system.settled().await;
    for sent in sent {
        system.assert_handled(sent.unwrap());
    }
}
