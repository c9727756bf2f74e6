//! A handler actor, and the way into it.
//!
//! The user's actor runs in an actix context of its own, on the thread of its consumer. Deliveries do not
//! come through its mailbox but through a [`Feed`] that is spawned into its context. So garenne knows which
//! message caused a panic, and whether a message has begun. The life of a delivery polls the boxed future
//! of a `HandlerFuture`, and drops it at the deadline; the future does not run freely on the thread.

use std::cell::RefCell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler};
use garenne_core::{Moment, Outcome, RestartLimit};
use tokio::time::sleep;

use super::attempt_result::AttemptResult;
use super::feed::{Feed, Inbox};
use super::life::Life;
use super::stage::Stage;
use crate::delivery::Delivery;
use crate::panics::panic_text;

/// The handler was lost, but not over this message: there was no attempt.
pub(super) enum HandlerLost {
    /// It was lost before it began with this message.
    BeforeItBegan,
    /// It had begun with this message when it was lost over another message.
    OverAnother,
    /// It cannot be started, because it dies again and again before it begins with a message.
    ForGood(String),
}

/// The handler actor of a worker. Its factory makes it when the first delivery comes, and again after a
/// panic.
pub(crate) struct HandlerCell<A, B> {
    factory: Arc<dyn Fn() -> A + Send + Sync>,
    running: RefCell<Option<Rc<Instance<B>>>>,
    stillborn: RefCell<RestartLimit>,
    origin: Instant,
}

impl<A, B> HandlerCell<A, B>
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: 'static,
{
    pub(crate) fn new(factory: Arc<dyn Fn() -> A + Send + Sync>) -> Self {
        Self {
            factory,
            running: RefCell::new(None),
            stillborn: RefCell::new(RestartLimit::default()),
            origin: Instant::now(),
        }
    }

    /// Runs the handler on a message.
    ///
    /// # Errors
    ///
    /// [`HandlerLost`] when there was no attempt.
    pub(super) async fn run(
        &self,
        life: &Life<A, B>,
        body: B,
    ) -> Result<AttemptResult, HandlerLost> {
        let instance = self.instance()?;
        let delivery = Delivery::new(body, Arc::clone(&life.meta));
        let (call, answer) = instance.inbox.push(delivery, life.span.clone());
        let Some(mut running) = answer.await else {
            self.retire(&instance);
            return Err(HandlerLost::BeforeItBegan);
        };
        let deadline = life.worker.settings.deadline;
        match within(deadline, &life.stage, &mut running).await {
            Some(Some(result)) => {
                if result.outcome == Outcome::Panicked {
                    self.retire(&instance);
                }
                Ok(result)
            }
            Some(None) => {
                self.retire(&instance);
                instance.inbox.whose_fault(call)
            }
            None => {
                // Otherwise the run is dropped now, so nothing of it stays in the actor.
                if running.is_beyond_reach() {
                    self.retire(&instance);
                }
                Ok(AttemptResult::deadline_exceeded(deadline))
            }
        }
    }

    /// Drops the messages that the handler has not begun with: they are requeued.
    pub(super) fn requeue(&self) {
        if let Some(instance) = &*self.running.borrow() {
            instance.inbox.requeue();
        }
    }

    /// Replaces a handler that has messages waiting and has begun with none of them for this long: it hangs
    /// in its own start, or holds its context.
    pub(crate) fn replace_if_stuck(&self, patience: Duration) -> bool {
        let stuck = self
            .running
            .borrow()
            .clone()
            .filter(|instance| instance.inbox.is_stuck(patience));
        if let Some(instance) = &stuck {
            self.retire(instance);
        }
        stuck.is_some()
    }

    fn instance(&self) -> Result<Rc<Instance<B>>, HandlerLost> {
        let mut running = self.running.borrow_mut();
        if let Some(instance) = &*running {
            if instance.inbox.is_open() {
                return Ok(Rc::clone(instance));
            }
            let begun = instance.inbox.has_begun();
            let now = Moment::from_origin(self.origin.elapsed());
            if !begun && !self.stillborn.borrow_mut().allow(now) {
                return Err(HandlerLost::ForGood(
                    "the handler actor died again and again before it began with a message"
                        .to_owned(),
                ));
            }
        }
        let inbox = Rc::new(Inbox::new());
        let feed = Feed(Rc::clone(&inbox));
        let started = catch_unwind(AssertUnwindSafe(|| {
            let actor = (self.factory)();
            A::create(move |ctx| {
                ctx.spawn(feed);
                actor
            })
        }));
        if let Err(panic) = started {
            // This is counted like an actor that dies at once, when the next message asks for the handler.
            tracing::error!(
                event = "handler_factory_panicked",
                "the factory of the handler actor {}",
                panic_text(&*panic)
            );
        }
        Ok(Rc::clone(running.insert(Rc::new(Instance { inbox }))))
    }

    /// No further message goes to this instance. It ends when its last call has ended.
    fn retire(&self, instance: &Rc<Instance<B>>) {
        instance.inbox.retire();
        let mut running = self.running.borrow_mut();
        if instance.inbox.has_begun()
            && running
                .as_ref()
                .is_some_and(|current| Rc::ptr_eq(current, instance))
        {
            *running = None;
        }
    }
}

/// The output of the handler's future by a deadline. The deadline counts from the handler's first wait: a
/// handler that never waits needs no timer.
async fn within<F: Future + Unpin>(
    deadline: Duration,
    stage: &Stage,
    mut future: F,
) -> Option<F::Output> {
    let mut timer = None;
    poll_fn(|cx| {
        if let Poll::Ready(output) = Pin::new(&mut future).poll(cx) {
            return Poll::Ready(Some(output));
        }
        let timer = timer.get_or_insert_with(|| {
            let timer = Box::pin(sleep(deadline));
            // The timer has looked at the clock already.
            if let Some(now) = timer.deadline().into_std().checked_sub(deadline) {
                stage.wait_since(now);
            }
            timer
        });
        timer.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// A handler actor as its callers hold it: dropping the last reference ends the actor.
struct Instance<B> {
    inbox: Rc<Inbox<B>>,
}

impl<B> Drop for Instance<B> {
    fn drop(&mut self) {
        self.inbox.close();
    }
}
