//! Stopping: with work in hand, with the broker down, with the broker frozen, at once.

use std::time::{Duration, Instant};

use garenne::prelude::*;
use garenne::status::{Phase, Status};
use integration_tests::FaultProxy;

use super::logs;
use super::support::{DropGuard, Gate, Place, Running, SOON, Seen};

/// No stop that does not depend on it may take this long.
const DRAIN_DEADLINE: Duration = Duration::from_secs(600);

/// A handler that waits at a gate, and notes its beginning and its end.
fn gated(
    gate: &Gate,
    began: &Seen<String>,
    ended: &Seen<String>,
) -> impl Fn(Delivery<Text>) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>>>>
+ Clone
+ Send
+ Sync
+ 'static {
    let (gate, began, ended) = (gate.clone(), began.clone(), ended.clone());
    move |order| {
        let (gate, began, ended) = (gate.clone(), began.clone(), ended.clone());
        Box::pin(async move {
            began.note(order.to_string());
            let _guard = DropGuard(ended, order.to_string());
            gate.pass().await;
            Ok(())
        })
    }
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("no {number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_what_has_begun_and_gives_back_the_rest() {
    let place = Place::new().await;
    let (gate, began, ended) = (Gate::closed(), Seen::default(), Seen::default());
    let queue = Queue::quorum("q").prefetch(30).concurrency(10);
    let builder = place
        .system()
        .drain_deadline(DRAIN_DEADLINE)
        .consume_fn(queue, gated(&gate, &began, &ended));
    let running = Running::consuming(builder).await;
    let bodies = numbered(50);
    place.send("q", bodies.iter().map(String::as_str)).await;
    running
        .until("the worker is full", |status| status.in_flight() >= 30)
        .await;
    began.reach(10).await;
    SystemHandle::stop(&running);
    running
        .until("the rest is given back", |status| {
            status.phase == Phase::Stopping && status.in_flight() == 10
        })
        .await;
    gate.open();
    running.stop().await;
    let counts = running.counts();
    assert_eq!(
        (counts.handled, counts.acked, counts.in_flight),
        (10, 10, 0),
        "{counts:?}"
    );
    assert_eq!(
        counts.delivered,
        counts.acked + counts.requeued,
        "{counts:?}"
    );
    assert_eq!(began.all().len(), 10, "nothing began after the stop");
    place.holds("q", 40).await;
    assert_eq!(place.vhost.queue("q").await.unwrap().ready, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_loses_and_doubles_nothing() {
    let place = Place::new().await;
    let seen = Seen::default();
    let system = || {
        let seen = seen.clone();
        place.system().consume_fn(
            Queue::quorum("q").prefetch(50),
            move |body: Delivery<Text>| {
                seen.note(body.to_string());
                async { Ok::<(), Failure>(()) }
            },
        )
    };
    let bodies = numbered(1000);
    let publishing = Running::consuming(system()).await;
    let publisher = publishing.publisher();
    let sends = bodies
        .iter()
        .map(|body| publisher.send(Outgoing::to_queue("q", body.as_str()).with_message_id(body)));
    for sent in futures_util::future::join_all(sends).await {
        sent.unwrap();
    }
    // Stopped and started in the middle of it, several times.
    publishing.stop().await;
    for round in 1..=5 {
        let running = Running::consuming(system()).await;
        let wanted = (bodies.len() * round / 6).max(seen.all().len());
        seen.reach(wanted).await;
        running.stop().await;
    }
    let running = Running::consuming(system()).await;
    place.holds("q", 0).await;
    running.stop().await;
    let mut all = seen.all();
    all.sort_unstable();
    let mut expected = bodies;
    expected.sort_unstable();
    assert_eq!(all, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_broker_down_a_stop_is_quick() {
    let place = Place::new().await;
    let proxy = FaultProxy::before(place.vhost.node()).await;
    let builder = place
        .system_behind(&proxy)
        .drain_deadline(DRAIN_DEADLINE)
        .consume_fn(Queue::quorum("q").workers(3), super::support::nothing);
    let running = Running::consuming(builder).await;
    proxy.refuse().await;
    proxy.cut().await;
    running
        .until("it knows", |status| status.phase == Phase::Outage)
        .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_before_there_ever_was_a_broker_is_quick() {
    let place = Place::new().await;
    let proxy = FaultProxy::before(place.vhost.node()).await;
    for silent in [false, true] {
        if silent {
            proxy.accept_nothing().await;
        } else {
            proxy.refuse().await;
        }
        let builder = place
            .system_behind(&proxy)
            .drain_deadline(DRAIN_DEADLINE)
            .consume_fn(Queue::quorum("q"), super::support::nothing);
        let running = Running::started(builder);
        assert_eq!(running.status().phase, Phase::Starting);
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_broker_down_a_stop_still_waits_for_handlers_and_their_messages_come_again() {
    let place = Place::new().await;
    let proxy = FaultProxy::before(place.vhost.node()).await;
    let (gate, began, ended) = (Gate::closed(), Seen::default(), Seen::default());
    let builder = place
        .system_behind(&proxy)
        .drain_deadline(DRAIN_DEADLINE)
        .consume_fn(Queue::quorum("q"), gated(&gate, &began, &ended));
    let running = Running::consuming(builder).await;
    place.send("q", ["in hand"]).await;
    began.reach(1).await;
    proxy.refuse().await;
    proxy.cut().await;
    running
        .until("it knows", |status| status.phase == Phase::Outage)
        .await;
    SystemHandle::stop(&running);
    running
        .until("it drains", |status| status.phase == Phase::Stopping)
        .await;
    assert!(ended.all().is_empty(), "its handler runs on");
    gate.open();
    running.stop().await;
    assert_eq!(ended.all(), ["in hand"]);
    place.holds("q", 1).await;
}

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
    let released = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let builder = place
        .system()
        .drain_deadline(1.secs())
        .consume_fn(Queue::classic("q"), {
            let (began, released) = (began.clone(), std::sync::Arc::clone(&released));
            move |_: Delivery<Bytes>| {
                began.note(());
                while !released.load(std::sync::atomic::Ordering::Relaxed) {
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
    released.store(true, std::sync::atomic::Ordering::Relaxed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_stop_changes_nothing() {
    let place = Place::new().await;
    let builder = place
        .system()
        .consume_fn(Queue::classic("q"), super::support::nothing);
    let running = Running::started(builder);
    for _ in 0..5 {
        SystemHandle::stop(&running);
    }
    running.stop().await;
    running.stop().await;
    running.stop_now();
    assert!(!Status::is_ready(&running.status()));
}
