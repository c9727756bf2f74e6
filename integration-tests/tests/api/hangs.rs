//! Handlers that hang or block: the deadline, and the link beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use garenne::actix::{ActorFutureExt, ResponseActFuture, WrapFuture};
use garenne::prelude::*;
use integration_tests::stays;

use super::support::{DropGuard, Place, Running, Seen, text};

#[tokio::test(flavor = "multi_thread")]
async fn at_its_deadline_a_handler_is_dropped_and_its_message_tried_again() {
    let place = Place::new().await;
    let (dropped, attempts) = (Seen::default(), Seen::default());
    let queue = Queue::classic("q")
        .deadline(300.millis())
        .retry(Retry::every(100.millis()).times(1));
    let builder = place.system().consume_fn(queue, {
        let (dropped, attempts) = (dropped.clone(), attempts.clone());
        move |body: Delivery<Text>| {
            let (dropped, attempts) = (dropped.clone(), attempts.clone());
            async move {
                attempts.note((body.to_string(), body.attempt().number()));
                if &**body == "hangs" {
                    let _guard = DropGuard(dropped, body.attempt().number());
                    std::future::pending::<()>().await;
                }
                Ok::<(), Failure>(())
            }
        }
    });
    let running = Running::consuming(builder).await;
    place.send("q", ["hangs", "fine"]).await;
    let parked = place.take_one("q.failed").await;
    assert_eq!(text(&parked, "fail-reason"), "deadline");
    let counts = running.acked(3).await;
    assert_eq!(
        (counts.handled, counts.failed_attempts),
        (1, 2),
        "{counts:?}"
    );
    assert_eq!(dropped.all(), [1, 2]);
    assert_eq!(attempts.all().len(), 3);
}

/// Hangs in a future that borrows the actor.
struct HangsInside {
    dropped: Seen<u32>,
}

impl Actor for HangsInside {
    type Context = Context<Self>;
}

impl Handler<Delivery<Text>> for HangsInside {
    type Result = ResponseActFuture<Self, Result<(), Failure>>;

    fn handle(&mut self, body: Delivery<Text>, _: &mut Self::Context) -> Self::Result {
        let guard = DropGuard(self.dropped.clone(), body.attempt().number());
        Box::pin(
            async move {
                let _guard = guard;
                if &**body == "hangs" {
                    std::future::pending::<()>().await;
                }
            }
            .into_actor(self)
            .map(|(), _, _| Ok(())),
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_its_deadline_a_future_that_borrows_the_actor_is_dropped_too() {
    let place = Place::new().await;
    let dropped = Seen::default();
    let queue = Queue::classic("q")
        .deadline(300.millis())
        .retry(Retry::none());
    let builder = place.system().consume(queue, {
        let dropped = dropped.clone();
        move || HangsInside {
            dropped: dropped.clone(),
        }
    });
    let running = Running::consuming(builder).await;
    place.send("q", ["hangs"]).await;
    running.acked(1).await;
    dropped.reach(1).await;
    place.send("q", ["fine"]).await;
    let counts = running.acked(2).await;
    assert_eq!((counts.handled, counts.failed), (1, 1), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_blocks_its_thread_does_not_cost_the_link() {
    let place = Place::new().await;
    let (entered, gate) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
    let url = format!("{}?heartbeat=1", place.vhost.url());
    let builder = SystemBuilder::new(url).consume_fn(Queue::classic("q").prefetch(10), {
        let (entered, gate) = (entered.clone(), Arc::clone(&gate));
        move |_: Delivery<Bytes>| {
            entered.note(());
            while gate.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            async { Ok::<(), Failure>(()) }
        }
    });
    let running = Running::consuming(builder).await;
    place.send("q", ["blocks"]).await;
    entered.reach(1).await;
    // Much longer than the two heartbeats after which either side would give the other up.
    stays(5.secs(), "the link stays", async || {
        match running.status().is_ready() {
            true => Ok(()),
            false => Err(format!("{:?}", running.status())),
        }
    })
    .await;
    gate.store(1, Ordering::SeqCst);
    running.acked(1).await;
    assert_eq!(entered.all().len(), 1, "it did not come twice");
}
