//! User code that panics again and again, or cannot even be made.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use garenne::actix::{ActorContext, ActorFutureExt, Running as Goes, WrapFuture};
use garenne::core::StopReason;
use garenne::prelude::*;
use integration_tests::eventually;

use super::support::{Place, Running, SOON, Seen, text};

/// Writes down what it handles.
struct Careful {
    began: Seen<(String, u32)>,
}

impl Actor for Careful {
    type Context = Context<Self>;
}

impl Handler<Delivery<Text>> for Careful {
    type Result = Result<(), Failure>;

    fn handle(&mut self, order: Delivery<Text>, _: &mut Self::Context) -> Self::Result {
        self.began
            .note((order.to_string(), order.attempt().number()));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_panics_every_time_is_parked_with_the_panics_text() {
    let place = Place::new().await;
    let queue = Queue::quorum("q").retry(Retry::every(100.millis()).times(2));
    let builder = place
        .system()
        .consume_fn(queue, |order: Delivery<Text>| async move {
            assert!(&**order != "bad", "no {}", "bananas");
            Ok::<(), Failure>(())
        });
    let running = Running::consuming(builder).await;
    place.send("q", ["bad", "good"]).await;
    let parked = place.take_one("q.failed").await;
    assert_eq!(text(&parked, "fail-reason"), "panic");
    assert_eq!(text(&parked, "fail-error"), "panicked: no bananas");
    let counts = running.acked(4).await;
    assert_eq!(
        (counts.handled, counts.failed_attempts, counts.failed),
        (1, 3, 1),
        "{counts:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factory_that_panics_now_and_then_costs_no_message_an_attempt() {
    let place = Place::new().await;
    let (began, made) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
    let builder = place.system().consume(Queue::quorum("q"), {
        let began = began.clone();
        move || {
            // The first, the third, the fifth…
            assert!(
                made.fetch_add(1, Ordering::SeqCst) % 2 == 1,
                "no connection to the pool"
            );
            Careful {
                began: began.clone(),
            }
        }
    });
    let running = Running::consuming(builder).await;
    place.send("q", ["a", "b", "c"]).await;
    let counts = running.acked(3).await;
    assert_eq!(
        (counts.handled, counts.failed_attempts),
        (3, 0),
        "{counts:?}"
    );
    assert!(began.all().iter().all(|run| run.1 == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factory_that_always_panics_stops_the_system_with_70_and_loses_nothing() {
    let place = Place::new().await;
    let made = Arc::new(AtomicUsize::new(0));
    let builder = place.system().consume(Queue::quorum("q"), {
        let made = Arc::clone(&made);
        move || -> Careful {
            made.fetch_add(1, Ordering::SeqCst);
            panic!("no configuration")
        }
    });
    let running = Running::consuming(builder).await;
    place.send("q", ["a", "b", "c"]).await;
    let reason = running.stopped().await;
    assert!(matches!(reason, StopReason::Internal(_)), "{reason:?}");
    assert_eq!(reason.code(), 70);
    assert!(reason.to_string().contains("`q`"), "{reason}");
    assert!(made.load(Ordering::SeqCst) > 1, "it was tried again before");
    place.holds("q", 3).await;
    assert_eq!(place.vhost.queue("q").await.unwrap().ready, 3);
}

/// Cannot start: its first moment panics.
struct Stillborn;

impl Actor for Stillborn {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        panic!("no database")
    }
}

impl Handler<Delivery<Text>> for Stillborn {
    type Result = Result<(), Failure>;

    fn handle(&mut self, _: Delivery<Text>, _: &mut Self::Context) -> Self::Result {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_panics_when_it_starts_stops_the_system_with_70_and_loses_nothing() {
    let place = Place::new().await;
    let builder = place.system().consume(Queue::quorum("q"), || Stillborn);
    let running = Running::consuming(builder).await;
    place.send("q", ["a", "b"]).await;
    let reason = running.stopped().await;
    assert_eq!(reason.code(), 70, "{reason}");
    place.holds("q", 2).await;
}

/// Stops itself over every message, and then thinks better of it.
struct Stays {
    handled: Seen<usize>,
    count: usize,
}

impl Actor for Stays {
    type Context = Context<Self>;

    fn stopping(&mut self, _: &mut Self::Context) -> Goes {
        Goes::Continue
    }
}

impl Handler<Delivery<Text>> for Stays {
    type Result = Result<(), Failure>;

    fn handle(&mut self, _: Delivery<Text>, ctx: &mut Self::Context) -> Self::Result {
        self.count += 1;
        self.handled.note(self.count);
        ctx.stop();
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_refuses_to_stop_is_replaced_and_no_message_is_lost() {
    let place = Place::new().await;
    let handled = Seen::default();
    let builder = place.system().consume(Queue::classic("q"), {
        let handled = handled.clone();
        move || Stays {
            handled: handled.clone(),
            count: 0,
        }
    });
    let running = Running::consuming(builder).await;
    let publisher = running.publisher();
    let sends = (0..50).map(|number| publisher.send(Outgoing::to_queue("q", number.to_string())));
    for sent in futures_util::future::join_all(sends).await {
        sent.unwrap();
    }
    let counts = running.acked(50).await;
    assert_eq!(
        (counts.handled, counts.failed_attempts),
        (50, 0),
        "{counts:?}"
    );
    assert_eq!(
        handled.all(),
        [1; 50],
        "each instance handles what it was made for"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_hides_its_panics_is_parked_in_the_end() {
    let place = Place::new().await;
    let queue = Queue::classic("q").retry(Retry::every(100.millis()).times(1));
    let builder = place.system().consume(queue, || Hiding);
    let running = Running::consuming(builder).await;
    place.send("q", ["a", "b", "panic"]).await;
    // Nobody can tell it from its neighbours, so they may be parked as well: nothing else may happen.
    let mut parked = Vec::new();
    eventually(SOON, "it is parked", async || {
        let taken = place.client.take_all("q.failed").await;
        parked.extend(taken.into_iter().map(|message| message.delivery.data));
        if parked.iter().any(|body| body == "panic".as_bytes()) {
            Ok(())
        } else {
            Err(format!("{parked:?}"))
        }
    })
    .await;
    running
        .until("the others are parked or in hand", |status| {
            status.queues[0].failed + status.in_flight() == 3
        })
        .await;
}

/// Panics outside of every future that garenne sees.
struct Hiding;

impl Actor for Hiding {
    type Context = Context<Self>;
}

impl Handler<Delivery<Text>> for Hiding {
    type Result = garenne::actix::ActorResponse<Self, Result<(), Failure>>;

    fn handle(&mut self, order: Delivery<Text>, _: &mut Self::Context) -> Self::Result {
        let panics = &**order == "panic";
        let run = async move {
            if panics {
                drop(order);
                tokio::task::yield_now().await;
                panic!("hidden");
            }
            std::future::pending::<()>().await;
            drop(order);
        };
        let run = run.into_actor(self).map(|(), _, _| Ok(()));
        garenne::actix::ActorResponse::r#async(run)
    }
}
