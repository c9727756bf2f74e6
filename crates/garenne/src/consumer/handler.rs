//! A handler actor, and the way into it.
//!
//! The user's actor runs in an actix context of its own, on the thread of its consumer. Deliveries
//! do not come through its mailbox but through a [`Feed`] that is spawned into its context: so a
//! panic is known to belong to the one message that caused it, a message is known to have begun or
//! not, and the boxed future of a `HandlerResult` is polled (and at the deadline dropped) by the
//! life of its delivery instead of being let loose on the thread.

use std::cell::RefCell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler};
use futures_util::FutureExt;
use garenne_core::{Moment, RestartLimit};
use tokio::time::sleep;
use tracing::{Instrument, Span};

use super::feed::{Begun, Feed, Inbox};
use crate::delivery::{Delivery, Meta};
use crate::failure::Failure;
use crate::panics::panic_text;

/// How one run of a handler ended.
pub(crate) enum Run {
    Finished(Result<(), Failure>),
    Panicked(String),
    DeadlineExceeded,
    /// The handler was lost before it began with this message.
    NotBegun,
    /// It had begun with this message when it was lost over another one.
    TornDown,
}

/// A handler cannot be started: again and again it died before it began with a message.
#[derive(Debug)]
pub(crate) struct Lost(pub(crate) String);

/// The handler actor of one worker. It is made by its factory when the first delivery comes, and
/// again after a panic.
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

    /// Runs the handler on one delivery.
    ///
    /// # Errors
    ///
    /// [`Lost`] when the handler died before it began with a message, too often in a short time.
    pub(crate) async fn run(
        &self,
        mut delivery: Delivery<B>,
        meta: &Meta,
        deadline: Duration,
        span: &Span,
    ) -> Result<Run, Lost> {
        let instance = self.instance()?;
        meta.unwound.store(false, Ordering::Relaxed);
        delivery.seen_by(&instance.inbox.culprit_known);
        let Some(begun) = instance.inbox.push(delivery, span.clone()).await else {
            self.retire(&instance);
            return Ok(Run::NotBegun);
        };
        let run = match begun {
            Begun::Future(future) => {
                let watched = AssertUnwindSafe(future)
                    .catch_unwind()
                    .instrument(span.clone());
                match within(deadline, meta, watched).await {
                    Some(Ok(result)) => Run::Finished(result),
                    Some(Err(panic)) => Run::Panicked(panic_text(&*panic)),
                    // Its future is dropped, so nothing of it hangs on in the actor.
                    None => return Ok(Run::DeadlineExceeded),
                }
            }
            Begun::OfActor(result) => match within(deadline, meta, result).await {
                Some(Ok(Ok(result))) => Run::Finished(result),
                Some(Ok(Err(panic))) => Run::Panicked(panic),
                Some(Err(_)) => instance.inbox.whose_fault(meta),
                // Likewise: it is dropped as soon as nobody waits for it.
                None => return Ok(Run::DeadlineExceeded),
            },
            Begun::Response(response) => match within(deadline, meta, response).await {
                Some(Ok(result)) => Run::Finished(result),
                Some(Err(_)) => instance.inbox.whose_fault(meta),
                None => Run::DeadlineExceeded,
            },
            Begun::Panicked(text) => Run::Panicked(text),
        };
        if !matches!(run, Run::Finished(_)) {
            self.retire(&instance);
        }
        Ok(run)
    }

    /// Gives back what the handler has not begun with.
    pub(crate) fn give_back(&self) {
        if let Some(instance) = &*self.running.borrow() {
            instance.inbox.give_back();
        }
    }

    /// Replaces a handler that has not begun with any waiting message for this long: it hangs in its
    /// own start, or holds its context.
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

    fn instance(&self) -> Result<Rc<Instance<B>>, Lost> {
        let mut running = self.running.borrow_mut();
        if let Some(instance) = &*running {
            if instance.inbox.is_open() {
                return Ok(Rc::clone(instance));
            }
            let begun = instance.inbox.has_begun();
            let now = Moment::from_origin(self.origin.elapsed());
            if !begun && !self.stillborn.borrow_mut().allow(now) {
                return Err(Lost(
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
            // Counted like an actor that dies at once, when the next message asks for it.
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

/// What a future gives by a deadline, which is counted from when it first has to wait: who does not
/// wait needs no timer.
async fn within<F: Future + Unpin>(
    deadline: Duration,
    meta: &Meta,
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
                meta.runs_since(now);
            }
            timer
        });
        timer.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// A handler actor as its callers hold it: the last of them ends it.
struct Instance<B> {
    inbox: Rc<Inbox<B>>,
}

impl<B> Drop for Instance<B> {
    fn drop(&mut self) {
        self.inbox.close();
    }
}
