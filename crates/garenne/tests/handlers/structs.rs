//! Structs that implement `Handle`, on the embedded broker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use garenne::core::FailReason;
use garenne::prelude::*;
use garenne_testing::{TestSystem, perform};
use tokio::sync::Notify;

/// Ends each message when so many are in hand together.
struct Together {
    wanted: usize,
    // Neither of them can be sent to another thread.
    names: Rc<RefCell<Vec<String>>>,
    told: Cell<bool>,
    complete: Notify,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Handle<Text> for Together {
    async fn handle(&self, name: Delivery<Text>) -> Result<(), Failure> {
        let names = Rc::clone(&self.names);
        let complete = self.complete.notified();
        names.borrow_mut().push(name.to_string());
        if names.borrow().len() == self.wanted {
            self.complete.notify_waiters();
        } else {
            complete.await;
        }
        if !self.told.replace(true) {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.extend_from_slice(&names.borrow());
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_struct_shares_its_state_between_the_messages_that_it_handles_at_once() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let handler = {
        let seen = Arc::clone(&seen);
        move || Together {
            wanted: 3,
            names: Rc::default(),
            told: Cell::new(false),
            complete: Notify::new(),
            seen: Arc::clone(&seen),
        }
    };
    let system = TestSystem::start(|builder| builder.consume(Queue::quorum("q"), handler)).await;
    let mut sent = Vec::new();
    for name in ["a", "b", "c"] {
        sent.push(system.send("q", name).await);
    }
    system.settled().await;
    for message in &sent {
        system.assert_handled(message).attempt(1);
    }
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(seen, ["a", "b", "c"]);
    system.finish().await;
}

/// Tells its number and how many messages it has had, this one included.
struct Numbered {
    number: usize,
    count: Cell<usize>,
}

impl Handle<Text> for Numbered {
    async fn handle(&self, order: Delivery<Text>) -> Result<(), Failure> {
        self.count.set(self.count.get() + 1);
        assert!(&**order.body() != "assert", "asserted");
        tokio::task::yield_now().await;
        assert!(&**order.body() != "panic", "no such currency");
        let told = format!("{} of {}", self.count.get(), self.number);
        order.publish(Outgoing::to_queue("told", told));
        Ok(())
    }
}

#[tokio::test]
async fn a_struct_that_panics_costs_its_message_an_attempt_and_is_made_anew() {
    let made = AtomicUsize::new(0);
    let handler = move || Numbered {
        number: made.fetch_add(1, Ordering::Relaxed) + 1,
        count: Cell::new(0),
    };
    let queue = Queue::quorum("q").retry(Retry::none());
    let system = TestSystem::start(|builder| {
        builder
            .consume(queue, handler)
            .declare(Queue::quorum("told"))
    })
    .await;
    let mut parked = Vec::new();
    for order in ["fine", "panic", "fine", "assert", "fine", "fine"] {
        let sent = system.send("q", order).await;
        system.settled().await;
        match order {
            "fine" => drop(system.assert_handled(&sent)),
            _ => parked.push(sent),
        }
    }
    let panicked = system.assert_parked(&parked[0]).reason(FailReason::Panic);
    panicked.error("no such currency");
    let asserted = system.assert_parked(&parked[1]).reason(FailReason::Panic);
    asserted.error("asserted");
    let told: Vec<_> = system
        .messages("told")
        .iter()
        .map(|message| String::from_utf8_lossy(message.bytes()).into_owned())
        .collect();
    assert_eq!(told, ["1 of 1", "1 of 2", "1 of 3", "2 of 3"]);
    system.finish().await;
}

/// Never ends, and notes when its future is dropped.
struct Hangs(Arc<AtomicUsize>);

struct NotesItsEnd<'a>(&'a AtomicUsize);

impl Drop for NotesItsEnd<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Handle<Bytes> for Hangs {
    async fn handle(&self, _: Delivery<Bytes>) -> Result<(), Failure> {
        let _end = NotesItsEnd(&self.0);
        std::future::pending().await
    }
}

#[tokio::test]
async fn the_future_of_a_struct_is_dropped_at_the_deadline() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let handler = {
        let dropped = Arc::clone(&dropped);
        move || Hangs(Arc::clone(&dropped))
    };
    let queue = Queue::quorum("q")
        .retry(Retry::none())
        .deadline(20.millis());
    let system = TestSystem::start(|builder| builder.consume(queue, handler)).await;
    let sent = system.send("q", "x").await;
    system.settled().await;
    system.assert_parked(&sent).reason(FailReason::Deadline);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    system.finish().await;
}

#[tokio::test]
async fn the_test_kit_performs_structs_too() {
    let numbered = || Numbered {
        number: 7,
        count: Cell::new(0),
    };
    let run = perform(numbered(), "fine").run().await;
    run.assert_published("told").body("1 of 7").times(1);
    let performed = perform(numbered(), "panic").outcome().await;
    assert_eq!(performed.to_string(), "it panicked: no such currency");
}
