//! Stopping: with work in hand, under load, with the broker down.

use std::time::Duration;

use garenne::prelude::*;
use garenne::status::Phase;
use integration_tests::FaultProxy;

use super::support::{DropGuard, Gate, Place, Running, Seen, nothing};

/// No stop that does not depend on it may take this long.
pub(super) const DRAIN_DEADLINE: Duration = Duration::from_secs(600);

/// A handler that waits at a gate, and notes its beginning and its end.
pub(super) fn gated(
    gate: &Gate,
    began: &Seen<String>,
    ended: &Seen<String>,
) -> impl Fn(Delivery<Text>) -> HandlerResult + Clone + Send + Sync + 'static {
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
        .map(|body| publisher.send(Outgoing::to_queue("q", body.as_str()).message_id(body)));
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
        .consume_fn(Queue::quorum("q").workers(3), nothing);
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
            .consume_fn(Queue::quorum("q"), nothing);
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
async fn while_a_system_drains_its_handlers_may_still_publish_retry_and_fail() {
    let place = Place::new().await;
    place.client.declare("invoices", &[]).await;
    let (gate, began) = (Gate::closed(), Seen::default());
    let builder = place.system().drain_deadline(DRAIN_DEADLINE);
    let publisher = builder.publisher();
    let queue = Queue::quorum("q").retry(Retry::every(300.secs()).times(1));
    let builder = builder.consume_fn(queue, {
        let (gate, began) = (gate.clone(), began.clone());
        move |order: Delivery<Text>| {
            let (gate, began, publisher) = (gate.clone(), began.clone(), publisher.clone());
            async move {
                began.note(());
                gate.pass().await;
                match &**order {
                    "publish" => publisher.send(Outgoing::to_queue("invoices", "x")).await?,
                    "retry" => return Err(Failure::transient("later")),
                    _ => return Err(Failure::permanent("never")),
                }
                Ok(())
            }
        }
    });
    let running = Running::consuming(builder).await;
    place.send("q", ["publish", "retry", "fail"]).await;
    began.reach(3).await;
    SystemHandle::stop(&running);
    running
        .until("it drains", |status| status.phase == Phase::Stopping)
        .await;
    gate.open();
    running.stop().await;
    let counts = running.counts();
    assert_eq!((counts.acked, counts.handled), (3, 1), "{counts:?}");
    for queue in ["invoices", "q.retry.300s", "q.failed"] {
        place.holds(queue, 1).await;
    }
    place.holds("q", 0).await;
}
