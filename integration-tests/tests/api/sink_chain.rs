//! Sinks that hang, and sinks that follow.

use garenne::prelude::*;

use super::logs;
use super::support::{Place, Running, Seen, text};

/// Does what the body says: takes it, refuses it, hangs over it, or dies of it.
#[derive(Clone, Default)]
struct Obeys(Seen<String>);

impl Actor for Obeys {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.0.note("started".to_owned());
    }
}

impl Handler<FailedMessage> for Obeys {
    type Result = garenne::actix::ResponseFuture<Result<(), SinkError>>;

    fn handle(&mut self, failed: FailedMessage, _: &mut Self::Context) -> Self::Result {
        let body = String::from_utf8_lossy(&failed.body).into_owned();
        assert!(!body.starts_with("panic"), "the sink's own fault");
        self.0.note(body.clone());
        Box::pin(async move {
            match body.split(' ').next() {
                Some("hang") => std::future::pending().await,
                Some("refuse") => Err(SinkError::new("not this one")),
                _ => Ok(()),
            }
        })
    }
}

fn failing() -> Queue {
    Queue::quorum("orders").retry(Retry::none())
}

async fn fails(_: Delivery<Bytes>) -> Result<(), Failure> {
    Err(Failure::permanent("never"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_is_started_with_the_system_and_not_by_the_first_failure() {
    let place = Place::new().await;
    let sink = Obeys::default();
    let seen = sink.0.clone();
    let builder = place
        .system()
        .fail_sink(move || sink.clone())
        .consume_fn(failing(), fails);
    let _running = Running::consuming(builder).await;
    assert_eq!(seen.reach(1).await, ["started"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_hangs_is_not_waited_for_by_every_message() {
    let place = Place::new().await;
    let sink = Obeys::default();
    let seen = sink.0.clone();
    let builder = place
        .system()
        .prefetch(1)
        .fail_sink(move || sink.clone())
        .fail_sink_timeout(2.secs())
        .consume_fn(failing(), fails);
    let running = Running::consuming(builder).await;
    let bodies: Vec<_> = (0..200).map(|n| format!("hang {n}")).collect();
    let begun = std::time::Instant::now();
    place
        .send("orders", bodies.iter().map(String::as_str))
        .await;
    running.acked(200).await;
    let took = begun.elapsed();
    place.holds("orders.failed", 200).await;
    // One after the other, each waiting for its two seconds, they would take 400 s.
    assert!(took < 60.secs(), "{took:?}");
    let asked = seen.all().len() - 1;
    assert!((3..50).contains(&asked), "asked {asked} times");
    assert!(!logs::lines_with(&["fail_sink_failed", "no answer within 2s"]).is_empty());
    // It answers again: soon everything goes to it.
    place.send("orders", ["fine"]).await;
    running.acked(201).await;
    integration_tests::eventually(
        super::support::SOON,
        "the sink is asked again",
        async || {
            place.send("orders", ["fine"]).await;
            let all = seen.all();
            let last_two = all.len() > 2 && all[all.len() - 2..] == ["fine", "fine"];
            last_two
                .then_some(())
                .ok_or_else(|| format!("{:?}", all.last()))
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sinks_that_follow_are_told_of_what_is_stored_and_wherever_it_is() {
    let place = Place::new().await;
    let (store, follower) = (Obeys::default(), Obeys::default());
    let (stored, followed) = (store.0.clone(), follower.0.clone());
    let builder = place
        .system()
        .fail_sink(move || store.clone())
        .fail_follower(LogSink::default)
        .fail_follower(move || follower.clone())
        .consume_fn(failing(), fails);
    let running = Running::consuming(builder).await;
    place.send("orders", ["fine", "refuse 1"]).await;
    running.acked(2).await;
    assert_eq!(stored.reach(3).await.len(), 3);
    let mut told = followed.reach(3).await;
    told.sort_unstable();
    assert_eq!(told, ["fine", "refuse 1", "started"]);
    let parked = place.take_one("orders.failed").await;
    assert_eq!(
        (&*parked.data, text(&parked, "fail-error").as_str()),
        (&b"refuse 1"[..], "never")
    );
    let refused = || logs::lines_with(&["fail_follower_missed", "refuse 1", "not this one"]);
    integration_tests::eventually(super::support::SOON, "the refusal is logged", async || {
        (!refused().is_empty())
            .then_some(())
            .ok_or_else(String::new)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sinks_that_follow_keep_no_message_from_its_ack() {
    let place = Place::new().await;
    let follower = Obeys::default();
    let followed = follower.0.clone();
    let builder = place
        .system()
        .prefetch(1)
        .fail_follower(move || follower.clone())
        .fail_sink_timeout(3600.secs())
        .consume_fn(failing(), fails);
    let running = Running::consuming(builder).await;
    place
        .send("orders", ["hang 1", "hang 2", "panic", "fine"])
        .await;
    running.acked(4).await;
    place.holds("orders.failed", 4).await;
    let told = followed.reach(4).await;
    assert!(told.contains(&"fine".to_owned()), "{told:?}");
}

#[test]
fn a_timeout_of_zero_is_refused() {
    let builder = SystemBuilder::new("amqp://localhost").fail_sink_timeout(0.secs());
    let faults = builder.consume_fn(failing(), fails).build().err();
    let faults = faults.expect("a fault").to_string();
    assert!(faults.contains("fail sink timeout"), "{faults}");
}
