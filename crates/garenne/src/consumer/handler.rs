//! A handler actor, and the way into it.
//!
//! The user's actor runs in an actix context of its own, on the thread of its consumer. Deliveries
//! do not come through its mailbox but through a [`Feed`] that is spawned into its context: so a
//! panic is known to belong to the one message that caused it, a message is known to have begun or
//! not, and the boxed future of a [`HandlerResult`] is polled (and at the deadline dropped) by the
//! life of its delivery instead of being let loose on the thread.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, ActorContext, ActorFuture, AsyncContext, Context, Handler};
use futures_util::FutureExt;
use garenne_core::{Moment, RestartLimit};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{Instrument, Span};

use crate::delivery::{Delivery, Meta};
use crate::failure::{Failure, HandlerResult};

/// How one run of a handler ended.
pub(crate) enum Run {
    Finished(Result<(), Failure>),
    Panicked(String),
    DeadlineExceeded,
    /// The handler was lost before it began with this message, or a neighbour's panic took it down.
    NotBegun,
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
        let (reply, begun) = oneshot::channel();
        delivery.seen_by(&instance.inbox.culprit_known);
        instance.inbox.push(Job {
            delivery,
            reply,
            span: span.clone(),
        });
        let Ok(begun) = begun.await else {
            self.retire(&instance);
            return Ok(Run::NotBegun);
        };
        let run = match begun {
            Begun::Future(future) => {
                let watched = AssertUnwindSafe(future)
                    .catch_unwind()
                    .instrument(span.clone());
                match timeout(deadline, watched).await {
                    Ok(Ok(result)) => Run::Finished(result),
                    Ok(Err(panic)) => Run::Panicked(panic_text(&*panic)),
                    // Its future is dropped, so nothing of it hangs on in the actor.
                    Err(_) => return Ok(Run::DeadlineExceeded),
                }
            }
            Begun::Response(response) => match timeout(deadline, response).await {
                Ok(Ok(result)) => Run::Finished(result),
                Ok(Err(_)) => instance.inbox.whose_panic(meta),
                Err(_) => Run::DeadlineExceeded,
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
            instance.inbox.jobs.borrow_mut().clear();
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
            let begun = instance.inbox.began.get();
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
        if instance.inbox.began.get()
            && running
                .as_ref()
                .is_some_and(|current| Rc::ptr_eq(current, instance))
        {
            *running = None;
        }
    }
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

/// The deliveries that wait for a handler actor, seen from both sides.
struct Inbox<B> {
    jobs: RefCell<VecDeque<Job<B>>>,
    waker: Cell<Option<Waker>>,
    /// The actor is gone, or shall go.
    closed: Cell<bool>,
    /// Takes no further message.
    retired: Cell<bool>,
    /// It has begun with at least one message.
    began: Cell<bool>,
    last_begun: Cell<Instant>,
    /// A panic tore down a delivery of this actor: the others in its hands only stood beside it.
    culprit_known: Arc<AtomicBool>,
}

struct Job<B> {
    delivery: Delivery<B>,
    reply: oneshot::Sender<Begun>,
    span: Span,
}

/// The handler has begun with a message.
enum Begun {
    Future(HandlerResult),
    Response(oneshot::Receiver<Result<(), Failure>>),
    Panicked(String),
}

impl<B> Inbox<B> {
    fn new() -> Self {
        Self {
            jobs: RefCell::new(VecDeque::new()),
            waker: Cell::new(None),
            closed: Cell::new(false),
            retired: Cell::new(false),
            began: Cell::new(false),
            last_begun: Cell::new(Instant::now()),
            culprit_known: Arc::default(),
        }
    }

    fn push(&self, job: Job<B>) {
        if self.is_open() {
            let mut jobs = self.jobs.borrow_mut();
            if jobs.is_empty() {
                // From now on the actor owes a beginning.
                self.last_begun.set(Instant::now());
            }
            jobs.push_back(job);
        }
        self.wake();
    }

    fn pop(&self) -> Option<Job<B>> {
        let job = self.jobs.borrow_mut().pop_front()?;
        self.began.set(true);
        self.last_begun.set(Instant::now());
        Some(job)
    }

    fn is_open(&self) -> bool {
        !self.closed.get() && !self.retired.get()
    }

    fn is_stuck(&self, patience: Duration) -> bool {
        !self.jobs.borrow().is_empty() && self.last_begun.get().elapsed() >= patience
    }

    fn retire(&self) {
        self.retired.set(true);
        self.jobs.borrow_mut().clear();
    }

    fn close(&self) {
        self.closed.set(true);
        self.jobs.borrow_mut().clear();
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// A call was lost because the actor died. If a delivery was torn down by the panic, that one is
    /// to blame and the others begin anew; if none was, nobody can tell, and it costs each an attempt.
    fn whose_panic(&self, meta: &Meta) -> Run {
        if !meta.unwound.load(Ordering::Relaxed) && self.culprit_known.load(Ordering::Relaxed) {
            return Run::NotBegun;
        }
        Run::Panicked(
            "the handler actor panicked or stopped while it handled this message".to_owned(),
        )
    }
}

/// Feeds deliveries to an actor from within its own context.
struct Feed<B>(Rc<Inbox<B>>);

impl<A, B> ActorFuture<A> for Feed<B>
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: 'static,
{
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut Context<A>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let inbox = &self.0;
        loop {
            if inbox.closed.get() {
                ctx.terminate();
                return Poll::Ready(());
            }
            // A handler that holds its context (`ctx.wait`, `AtomicResponse`) gets nothing meanwhile;
            // whatever ends the wait polls this again.
            if ctx.waiting() {
                return Poll::Pending;
            }
            let Some(job) = inbox.pop() else {
                inbox.waker.set(Some(task.waker().clone()));
                return Poll::Pending;
            };
            let Job {
                delivery,
                reply,
                span,
            } = job;
            let handled =
                span.in_scope(|| catch_unwind(AssertUnwindSafe(|| actor.handle(delivery, ctx))));
            let begun = match handled {
                Ok(response) => begin(response, ctx),
                Err(panic) => {
                    // What is left of its state is not to be trusted with another message.
                    inbox.retire();
                    Begun::Panicked(panic_text(&*panic))
                }
            };
            // Who waited may be gone with its channel.
            let _ = reply.send(begun);
        }
    }
}

impl<B> Drop for Feed<B> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Takes the documented response type as the future that it is; any other one goes its actix way.
fn begin<A, B>(response: A::Result, ctx: &mut Context<A>) -> Begun
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: 'static,
{
    let mut response = Some(response);
    let future = (&mut response as &mut dyn Any)
        .downcast_mut::<Option<HandlerResult>>()
        .and_then(Option::take);
    match (future, response) {
        (Some(future), _) => Begun::Future(future),
        (None, response) => {
            let (sender, receiver): (OneshotSender<_>, _) = oneshot::channel();
            if let Some(response) = response {
                response.handle(ctx, Some(sender));
            }
            Begun::Response(receiver)
        }
    }
}

/// The text of a panic, as far as it has one.
pub(crate) fn panic_text(panic: &dyn Any) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("(no text)"))
}
