//! Stopping without waiting any longer: past the drain deadline, or at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use garenne::prelude::*;
use garenne::status::{Phase, Status};
use integration_tests::FaultProxy;

use super::logs;
use super::stopping::{DRAIN_DEADLINE, gated};
use super::support::{Gate, Place, Running, SOON, Seen, nothing};

#[tokio::test(flavor = "multi_thread")]
async fn with_the_broker_frozen_a_stop_ends_with_the_drain_deadline() {
    let place = Place::new().await;
    let proxy = FaultProxy::before(place.vhost.node()).await;
    let (gate, began, ended) = (Gate::closed(), Seen::default(), Seen::default());
    let message_id = format!("abandoned-{}", place.vhost.name());
    let builder = place
        .system_behind(&proxy)
        .drain_deadline(2.secs())
        .consume_fn(Queue::quorum("q"), gated(&gate, &began, &ended));
    let running = Running::consuming(builder).await;
    place.send("q", [message_id.as_str()]).await;
    began.reach(1).await;
    proxy.freeze();
    let asked = Instant::now();
    running.stop().await;
    let took = asked.elapsed();
    println!("stopped after {took:.1?}");
    assert!(took >= 2.secs(), "its handler was not waited for");
    assert!(took < SOON / 2, "the frozen link was waited for");
    let lines = logs::lines_with(&["message_abandoned", &message_id]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    drop(proxy);
    place.holds("q", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_now_ends_a_drain_at_once_and_the_message_comes_again() {
    let place = Place::new().await;
    let (gate, began, ended) = (Gate::closed(), Seen::default(), Seen::default());
    let builder = place
        .system()
        .drain_deadline(DRAIN_DEADLINE)
        .consume_fn(Queue::quorum("q"), gated(&gate, &began, &ended));
    let running = Running::consuming(builder).await;
    place.send("q", ["hangs"]).await;
    began.reach(1).await;
    SystemHandle::stop(&running);
    running
        .until("it drains", |status| status.phase == Phase::Stopping)
        .await;
    running.stop_now();
    running.stop_now();
    running.stop().await;
    ended.reach(1).await;
    place.holds("q", 1).await;
    assert_eq!(place.vhost.queue("q").await.unwrap().ready, 1);

    // Whoever comes next gets it, marked as handed out before and at its first attempt still.
    let again = Seen::default();
    let builder = place.system().consume_fn(Queue::quorum("q"), {
        let again = again.clone();
        move |order: Delivery<Text>| {
            again.note((order.redelivered(), order.attempt().number()));
            async { Ok::<(), Failure>(()) }
        }
    });
    let running = Running::consuming(builder).await;
    running.acked(1).await;
    assert_eq!(again.all(), [(true, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_blocks_its_thread_for_ever_does_not_hold_up_stop_now() {
    let place = Place::new().await;
    let began = Seen::default();
    let released = Arc::new(AtomicBool::new(false));
    let builder = place
        .system()
        .drain_deadline(1.secs())
        .consume_fn(Queue::classic("q"), {
            let (began, released) = (began.clone(), Arc::clone(&released));
            move |_: Delivery<Bytes>| {
                began.note(());
                while !released.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                async { Ok::<(), Failure>(()) }
            }
        });
    let running = Running::consuming(builder).await;
    place.send("q", ["blocks"]).await;
    began.reach(1).await;
    running.stop().await;
    place.holds("q", 1).await;
    released.store(true, Ordering::Relaxed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_stop_changes_nothing() {
    let place = Place::new().await;
    let builder = place.system().consume_fn(Queue::classic("q"), nothing);
    let running = Running::started(builder);
    for _ in 0..5 {
        SystemHandle::stop(&running);
    }
    running.stop().await;
    running.stop().await;
    running.stop_now();
    assert!(!Status::is_ready(&running.status()));
}
