//! What a message that harms its handler actor does to the others in the same hands.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use garenne::actix::{ActorContext, ActorFutureExt, ResponseActFuture, WrapFuture};
use garenne::prelude::*;

use super::support::{Gate, Place, Running, Seen};

/// What a message makes its handler do, on its first attempt.
const PANIC: &str = "panic";
const STOP: &str = "stop";

/// Which run of which message: body and attempt.
type Run = (String, u32);

fn run_of(order: &Delivery<Text>) -> Run {
    (order.to_string(), order.attempt().number())
}

fn is_first(order: &Delivery<Text>, what: &str) -> bool {
    &***order == what && order.attempt().number() == 1
}

/// Runs in flight wait at the gate; then all go on.
struct Fragile {
    began: Seen<Run>,
    gate: Gate,
}

impl Actor for Fragile {
    type Context = Context<Self>;
}

impl Handler<Delivery<Text>> for Fragile {
    type Result = HandlerFuture;

    fn handle(&mut self, order: Delivery<Text>, ctx: &mut Self::Context) -> Self::Result {
        self.began.note(run_of(&order));
        assert!(!is_first(&order, PANIC), "in handle itself");
        if is_first(&order, STOP) {
            ctx.stop();
        }
        let gate = self.gate.clone();
        Box::pin(async move {
            assert!(!is_first(&order, "panic later"), "in the future");
            gate.pass().await;
            Ok(())
        })
    }
}

/// The same with futures that borrow the actor: its end is theirs.
struct Borrowing {
    began: Seen<Run>,
    gate: Gate,
    /// Lets go of the delivery before it panics.
    forgets: bool,
}

impl Actor for Borrowing {
    type Context = Context<Self>;
}

impl Handler<Delivery<Text>> for Borrowing {
    type Result = ResponseActFuture<Self, Result<(), Failure>>;

    fn handle(&mut self, order: Delivery<Text>, ctx: &mut Self::Context) -> Self::Result {
        self.began.note(run_of(&order));
        if is_first(&order, STOP) {
            ctx.stop();
        }
        let (gate, panics, forgets) = (self.gate.clone(), is_first(&order, PANIC), self.forgets);
        let run = async move {
            if forgets {
                drop(order);
                assert!(!panics, "in a future of the actor");
                gate.pass().await;
            } else {
                assert!(!panics, "in a future of the actor");
                gate.pass().await;
                drop(order);
            }
        };
        Box::pin(run.into_actor(self).map(|(), _, _| Ok(())))
    }
}

/// Sends neighbours, waits until they are in flight, sends the one that does harm and waits until it
/// is dealt with; then lets all go on. Returns every run.
async fn among_neighbours<A>(
    place: &Place,
    harm: &str,
    make: impl Fn(Seen<Run>, Gate) -> A + Send + Sync + 'static,
) -> (Vec<Run>, usize)
where
    A: Actor<Context = Context<A>> + Handler<Delivery<Text>>,
    A::Result: 'static,
{
    let (began, gate, made) = (
        Seen::default(),
        Gate::closed(),
        Arc::new(AtomicUsize::new(0)),
    );
    let queue = Queue::quorum("q").retry(Retry::every(100.millis()).times(2));
    let builder = place.system().consume(queue, {
        let (began, gate, made) = (began.clone(), gate.clone(), Arc::clone(&made));
        move || {
            made.fetch_add(1, Ordering::SeqCst);
            make(began.clone(), gate.clone())
        }
    });
    let running = Running::consuming(builder).await;
    place.send("q", ["a", "b", "c", "d"]).await;
    began.reach(4).await;
    place.send("q", [harm]).await;
    began.reach(5).await;
    // Those that come after it are in the hands of the same worker.
    place.send("q", ["e", "f"]).await;
    let later = |run: &Run| run.0 == "f";
    running
        .until("the last has begun", |_| began.all().iter().any(later))
        .await;
    gate.open();
    let status = running
        .until("all are settled", |status| {
            let queue = &status.queues[0];
            let settled = queue.acked + queue.requeued;
            (queue.handled, queue.in_flight) == (7, 0) && queue.delivered == settled
        })
        .await;
    let counts = &status.queues[0];
    assert_eq!(counts.failed, 0, "{counts:?}");
    (began.all(), made.load(Ordering::SeqCst))
}

fn neighbours_attempts(runs: &[Run], harm: &str) -> Vec<Run> {
    runs.iter()
        .filter(|run| run.0 != harm && run.1 != 1)
        .cloned()
        .collect()
}

fn attempts_of(runs: &[Run], body: &str) -> Vec<u32> {
    runs.iter()
        .filter(|run| run.0 == body)
        .map(|run| run.1)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_handle_itself_costs_its_message_an_attempt_and_nobody_else() {
    let place = Place::new().await;
    let make = |began, gate| Fragile { began, gate };
    let (runs, made) = among_neighbours(&place, PANIC, make).await;
    assert_eq!(attempts_of(&runs, PANIC), [1, 2]);
    assert_eq!(neighbours_attempts(&runs, PANIC), []);
    assert_eq!(runs.len(), 8, "no neighbour ran twice: {runs:?}");
    assert_eq!(made, 2, "the actor is made again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_boxed_future_costs_its_message_an_attempt_and_nobody_else() {
    let place = Place::new().await;
    let make = |began, gate| Fragile { began, gate };
    let (runs, made) = among_neighbours(&place, "panic later", make).await;
    assert_eq!(attempts_of(&runs, "panic later"), [1, 2]);
    assert_eq!(neighbours_attempts(&runs, "panic later"), []);
    assert_eq!(runs.len(), 8, "no neighbour ran twice: {runs:?}");
    assert_eq!(made, 2, "the actor is made again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_future_of_the_actor_costs_no_neighbour_an_attempt() {
    let place = Place::new().await;
    let make = |began, gate| Borrowing {
        began,
        gate,
        forgets: false,
    };
    let (runs, made) = among_neighbours(&place, PANIC, make).await;
    assert_eq!(attempts_of(&runs, PANIC), [1, 2], "{runs:?}");
    assert_eq!(neighbours_attempts(&runs, PANIC), [], "{runs:?}");
    assert_eq!(made, 2, "the actor is made again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_after_the_delivery_was_dropped_still_costs_its_message_an_attempt() {
    let place = Place::new().await;
    let make = |began, gate| Borrowing {
        began,
        gate,
        forgets: true,
    };
    let (runs, _) = among_neighbours(&place, PANIC, make).await;
    // Nobody can tell any more which of them it was: it must be one of the attempts that are counted.
    assert_eq!(attempts_of(&runs, PANIC), [1, 2], "{runs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_stops_itself_finishes_what_it_has_and_is_made_again() {
    let place = Place::new().await;
    let make = |began, gate| Fragile { began, gate };
    let (runs, made) = among_neighbours(&place, STOP, make).await;
    assert_eq!(neighbours_attempts(&runs, ""), [], "{runs:?}");
    assert_eq!(runs.len(), 7, "nobody ran twice: {runs:?}");
    assert_eq!(made, 2, "the actor is made again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_stops_itself_loses_no_message_whose_future_borrowed_it() {
    let place = Place::new().await;
    let make = |began, gate| Borrowing {
        began,
        gate,
        forgets: false,
    };
    let (runs, _) = among_neighbours(&place, STOP, make).await;
    for body in ["e", "f"] {
        assert_eq!(
            attempts_of(&runs, body),
            [1],
            "what comes later is not touched: {runs:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_actor_begins_with_after_it_has_stopped_itself_is_charged_to_nobody() {
    let place = Place::new().await;
    let (began, gate) = (Seen::default(), Gate::closed());
    let queue = Queue::classic("q").retry(Retry::every(100.millis()).times(2));
    let builder = place.system().consume(queue, {
        let (began, gate) = (began.clone(), gate.clone());
        move || Borrowing {
            began: began.clone(),
            gate: gate.clone(),
            forgets: false,
        }
    });
    let running = Running::consuming(builder).await;
    let publisher = running.publisher();
    // One burst: most of it waits for the actor when the message in its midst stops it.
    let sends = (0..60).map(|number| {
        let body = if number == 20 {
            STOP.to_owned()
        } else {
            number.to_string()
        };
        publisher.send(Outgoing::to_queue("q", body))
    });
    for sent in futures_util::future::join_all(sends).await {
        sent.unwrap();
    }
    running
        .until("all have begun", |_| {
            began.all().iter().any(|run| run.0 == "59")
        })
        .await;
    gate.open();
    running
        .until("all are settled", |status| {
            let queue = &status.queues[0];
            queue.in_flight == 0 && queue.handled == 60
        })
        .await;
    let all = began.all();
    assert_eq!(neighbours_attempts(&all, STOP), [], "{all:?}");
}
