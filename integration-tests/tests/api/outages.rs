//! How long a system waits for its broker, and what it does meanwhile.

use garenne::core::StopReason;
use garenne::prelude::*;
use garenne::status::{Phase, Status};
use integration_tests::{FaultProxy, stays};

use super::support::{Gate, Place, Running, Seen, id, nothing};

#[tokio::test(flavor = "multi_thread")]
async fn past_its_window_a_system_finishes_what_it_has_and_stops_with_75() {
    let place = Place::new().await;
    let proxy = FaultProxy::before(place.vhost.node()).await;
    let (gate, begun, ended) = (Gate::closed(), Seen::default(), Seen::default());
    let builder = place
        .system_behind(&proxy)
        .outage_window(OutageWindow::For(2.secs()))
        .drain_deadline(600.secs())
        .consume_fn(Queue::quorum("q"), {
            let (gate, begun, ended) = (gate.clone(), begun.clone(), ended.clone());
            move |_: Delivery<Bytes>| {
                let (gate, begun, ended) = (gate.clone(), begun.clone(), ended.clone());
                async move {
                    begun.note(());
                    gate.pass().await;
                    ended.note(());
                    Ok::<(), Failure>(())
                }
            }
        });
    let running = Running::consuming(builder).await;
    place.client.publish("", "q", b"x", id("x")).await;
    // What has only been delivered would not be waited for: the broker hands it out again.
    begun.reach(1).await;
    proxy.refuse().await;
    proxy.cut().await;
    running
        .until("it gives up", |status| status.phase == Phase::Stopping)
        .await;
    assert!(ended.all().is_empty());
    gate.open();
    let reason = running.stopped().await;
    assert_eq!(reason.code(), 75, "{reason}");
    let StopReason::GaveUp(why) = &reason else {
        panic!("{reason:?}");
    };
    assert!(why.lasted >= 2.secs() && why.losses >= 1, "{why:?}");
    assert_eq!(ended.all().len(), 1, "its handler was waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_down_at_the_start_is_an_outage_like_any_other() {
    let place = Place::new().await;
    let proxy = FaultProxy::before(place.vhost.node()).await;
    proxy.refuse().await;
    let builder = || {
        place
            .system_behind(&proxy)
            .consume_fn(Queue::classic("q"), nothing)
    };
    let impatient = Running::started(builder().outage_window(OutageWindow::FailFast));
    assert_eq!(impatient.stopped().await.code(), 75);
    let short = Running::started(builder().outage_window(OutageWindow::For(1.secs())));
    assert_eq!(short.stopped().await.code(), 75);

    let patient = Running::started(builder().outage_window(OutageWindow::Never));
    patient
        .until("attempts have failed", |status| {
            status
                .outage
                .as_ref()
                .is_some_and(|outage| outage.attempts >= 3)
        })
        .await;
    proxy.accept().await;
    patient.until("it consumes", Status::is_ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_fast_ends_with_the_first_loss() {
    let place = Place::new().await;
    let proxy = FaultProxy::before(place.vhost.node()).await;
    let builder = place
        .system_behind(&proxy)
        .outage_window(OutageWindow::FailFast);
    let running = Running::consuming(builder.consume_fn(Queue::classic("q"), nothing)).await;
    proxy.cut().await;
    assert_eq!(running.stopped().await.code(), 75);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_brokers_the_first_that_answers_serves() {
    let place = Place::new().await;
    let (down, silent) = (
        FaultProxy::before(place.vhost.node()).await,
        FaultProxy::before(place.vhost.node()).await,
    );
    down.refuse().await;
    let name = place.vhost.name();
    let list = format!("{}, {},", down.url(name), place.vhost.url());
    let running =
        Running::consuming(SystemBuilder::new(list).consume_fn(Queue::classic("q"), nothing));
    running.await.stop().await;
    // One that says nothing costs its handshake's timeout, once for each link.
    silent.accept_nothing().await;
    let list = format!("{},{}", silent.url(name), place.vhost.url());
    let running =
        Running::consuming(SystemBuilder::new(list).consume_fn(Queue::classic("q"), nothing));
    running.await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_system_is_not_disturbed_by_the_outage_of_the_first() {
    let place = Place::new().await;
    let proxy = FaultProxy::before(place.vhost.node()).await;
    let cut_off = place
        .system_behind(&proxy)
        .consume_fn(Queue::classic("a"), nothing);
    let cut_off = Running::consuming(cut_off).await;
    let whole = Running::consuming(place.system().consume_fn(Queue::classic("b"), nothing)).await;
    proxy.refuse().await;
    proxy.cut().await;
    cut_off
        .until("it knows", |status| status.phase == Phase::Outage)
        .await;
    stays(2.secs(), "the other consumes", async || {
        match whole.status().is_ready() {
            true => Ok(()),
            false => Err(format!("{:?}", whole.status())),
        }
    })
    .await;
    place.send("b", ["x"]).await;
    whole.acked(1).await;
    cut_off.stop().await;
    assert!(whole.status().is_ready());
}
