//! Handler actors: their state, their order, their threads, their deadline.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;

use garenne::actix::{ActorFutureExt, AtomicResponse, WrapFuture};
use garenne::prelude::*;

use super::support::{Place, Running, Seen, nothing};

/// Counts what it handles, in a state of its own.
struct Counter {
    handled: usize,
    seen: Seen<usize>,
}

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Handler<Delivery<Bytes>> for Counter {
    type Result = Result<(), Failure>;

    fn handle(&mut self, _: Delivery<Bytes>, _: &mut Self::Context) -> Self::Result {
        self.handled += 1;
        self.seen.note(self.handled);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_keeps_its_state_from_message_to_message() {
    let place = Place::new().await;
    let seen = Seen::default();
    let made = Arc::new(AtomicUsize::new(0));
    let builder = place.system().consume(Queue::classic("q"), {
        let (seen, made) = (seen.clone(), Arc::clone(&made));
        move || {
            made.fetch_add(1, Ordering::SeqCst);
            Counter {
                handled: 0,
                seen: seen.clone(),
            }
        }
    });
    let running = Running::consuming(builder).await;
    place.send("q", ["a", "b", "c"]).await;
    running.acked(3).await;
    assert_eq!(seen.all(), [1, 2, 3]);
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

/// Handles one message at a time, whatever its concurrency: actix's `AtomicResponse`.
struct Atomic {
    inside: usize,
    seen: Seen<usize>,
}

impl Actor for Atomic {
    type Context = Context<Self>;
}

impl Handler<Delivery<Bytes>> for Atomic {
    type Result = AtomicResponse<Self, Result<(), Failure>>;

    fn handle(&mut self, _: Delivery<Bytes>, _: &mut Self::Context) -> Self::Result {
        self.inside += 1;
        self.seen.note(self.inside);
        let yields = async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        };
        AtomicResponse::new(Box::pin(yields.into_actor(self).map(|(), actor, _| {
            actor.inside -= 1;
            Ok(())
        })))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_atomic_response_lets_no_other_message_in_meanwhile() {
    let place = Place::new().await;
    let seen = Seen::default();
    let builder = place.system().consume(Queue::classic("q"), {
        let seen = seen.clone();
        move || Atomic {
            inside: 0,
            seen: seen.clone(),
        }
    });
    let running = Running::consuming(builder).await;
    let bodies: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    place.send("q", bodies.iter().map(String::as_str)).await;
    let counts = running.acked(100).await;
    assert_eq!(seen.all(), [1; 100]);
    assert_eq!(counts.handled, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concurrency_of_one_keeps_the_order_of_the_queue() {
    let place = Place::new().await;
    let seen = Seen::default();
    let queue = Queue::quorum("q").concurrency(1).prefetch(50);
    let builder = place.system().consume_fn(queue.clone(), {
        let seen = seen.clone();
        move |body: Delivery<Text>| {
            let seen = seen.clone();
            async move {
                // Some take longer than those behind them.
                for _ in 0..body.len() % 3 {
                    tokio::task::yield_now().await;
                }
                seen.note(body.to_string());
                Ok::<(), Failure>(())
            }
        }
    });
    // Sent before and after the consumer comes: its caution must not disturb the order either.
    let bodies: Vec<_> = (0..600_u64)
        .map(|n| "x".repeat((n % 7) as usize) + &n.to_string())
        .collect();
    Running::consuming(place.system().consume_fn(queue.clone(), nothing))
        .await
        .stop()
        .await;
    place
        .send("q", bodies[..300].iter().map(String::as_str))
        .await;
    let running = Running::consuming(builder).await;
    place
        .send("q", bodies[300..].iter().map(String::as_str))
        .await;
    running.acked(600).await;
    assert_eq!(seen.all(), bodies);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_workers_handle_side_by_side_on_several_threads() {
    let place = Place::new().await;
    let inside: Seen<ThreadId> = Seen::default();
    let distinct = |inside: &Seen<ThreadId>| inside.all().into_iter().collect::<HashSet<_>>().len();
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(3);
    let queue = Queue::classic("q").workers(3).prefetch(1);
    let builder = place.system().consume_fn(queue, {
        let inside = inside.clone();
        move |_: Delivery<Bytes>| {
            inside.note(std::thread::current().id());
            // Blocks its thread until somebody is inside on each of the others.
            while distinct(&inside) < threads {
                std::thread::yield_now();
            }
            async { Ok::<(), Failure>(()) }
        }
    });
    let running = Running::consuming(builder).await;
    assert_eq!(place.vhost.queue("q").await.unwrap().consumers, 3);
    // One for each worker: none of them can take a second before its first is settled.
    place.send("q", ["a", "b", "c"]).await;
    running.acked(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_message_still_names_where_it_was_published_and_nobody_else_sees_the_copy() {
    let place = Place::new().await;
    let seen = Seen::default();
    let queue = Queue::quorum("orders")
        .bind("shop", ExchangeKind::Topic, "order.#")
        .retry(Retry::every(100.millis()).times(3));
    let other = Queue::classic("other").bind("shop", ExchangeKind::Topic, "#");
    let others = Seen::default();
    let builder = place
        .system()
        .consume_fn(queue, {
            let seen = seen.clone();
            move |order: Delivery<Text>| {
                let here = (order.exchange().to_owned(), order.routing_key().to_owned());
                seen.note((
                    order.attempt().number(),
                    here,
                    order.message_id().map(str::to_owned),
                ));
                async move {
                    match order.attempt().number() {
                        1..=3 => Err(Failure::transient("not yet")),
                        _ => Ok(()),
                    }
                }
            }
        })
        .consume_fn(other, {
            let others = others.clone();
            move |_: Delivery<Bytes>| {
                others.note(());
                async { Ok::<(), Failure>(()) }
            }
        });
    let running = Running::consuming(builder).await;
    let no_id = lapin::BasicProperties::default();
    place.client.publish("shop", "order.eu", b"x", no_id).await;
    let runs = seen.reach(4).await;
    let attempts: Vec<_> = runs.iter().map(|run| run.0).collect();
    assert_eq!(attempts, [1, 2, 3, 4]);
    for run in &runs {
        assert_eq!((run.1.0.as_str(), run.1.1.as_str()), ("shop", "order.eu"));
    }
    // It gets an id with its first retry, and keeps it.
    assert_eq!(runs[0].2, None);
    assert!(runs[1].2.is_some() && runs[1].2 == runs[2].2 && runs[2].2 == runs[3].2);
    running
        .until("all is settled", |status| status.in_flight() == 0)
        .await;
    assert_eq!(others.all().len(), 1);
}
