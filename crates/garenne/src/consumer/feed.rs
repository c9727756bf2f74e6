//! The way into a handler actor: what waits for it, and what becomes of what it began.

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
use actix::{
    Actor, ActorContext, ActorFuture, ActorState, AsyncContext, Context, Handler, ResponseActFuture,
};
use tokio::sync::oneshot;
use tracing::Span;

use super::answers::{Answer, Answers, Reply};
use super::handler::Run;
use crate::delivery::{Delivery, Meta};
use crate::failure::{Failure, HandlerResult};
use crate::panics::panic_text;

/// The deliveries that wait for a handler actor, seen from both sides.
pub(super) struct Inbox<B> {
    jobs: RefCell<VecDeque<Job<B>>>,
    answers: Answers<Begun>,
    waker: Cell<Option<Waker>>,
    /// The actor is gone, or shall go.
    closed: Cell<bool>,
    /// Takes no further message.
    retired: Cell<bool>,
    /// It has begun with at least one message.
    began: Cell<bool>,
    last_begun: Cell<Instant>,
    /// It is known over which delivery the actor was lost: the others in its hands only stood
    /// beside it.
    pub(super) culprit_known: Arc<AtomicBool>,
}

struct Job<B> {
    delivery: Delivery<B>,
    reply: Reply<Begun>,
    span: Span,
}

/// The handler has begun with a message.
pub(super) enum Begun {
    /// To be polled by the life of the delivery.
    Future(HandlerResult),
    /// Polled within the actor's context, because it borrows the actor; or the text of its panic.
    OfActor(oneshot::Receiver<Result<Result<(), Failure>, String>>),
    Response(oneshot::Receiver<Result<(), Failure>>),
    Panicked(String),
}

impl<B> Inbox<B> {
    pub(super) fn new() -> Self {
        Self {
            jobs: RefCell::new(VecDeque::new()),
            answers: Answers::new(),
            waker: Cell::new(None),
            closed: Cell::new(false),
            retired: Cell::new(false),
            began: Cell::new(false),
            last_begun: Cell::new(Instant::now()),
            culprit_known: Arc::default(),
        }
    }

    /// Whether the handler begins with a delivery, and how. `None`: it never will.
    pub(super) fn push(&self, delivery: Delivery<B>, span: Span) -> Answer<Begun> {
        let (reply, answer) = self.answers.expect();
        if self.is_open() {
            let mut jobs = self.jobs.borrow_mut();
            if jobs.is_empty() {
                // From now on the actor owes a beginning.
                self.last_begun.set(Instant::now());
            }
            jobs.push_back(Job {
                delivery,
                reply,
                span,
            });
        }
        self.wake();
        answer
    }

    fn pop(&self) -> Option<Job<B>> {
        let job = self.jobs.borrow_mut().pop_front()?;
        self.began.set(true);
        self.last_begun.set(Instant::now());
        Some(job)
    }

    pub(super) fn is_open(&self) -> bool {
        !self.closed.get() && !self.retired.get()
    }

    pub(super) fn is_stuck(&self, patience: Duration) -> bool {
        !self.jobs.borrow().is_empty() && self.last_begun.get().elapsed() >= patience
    }

    pub(super) fn retire(&self) {
        self.retired.set(true);
        self.jobs.borrow_mut().clear();
    }

    pub(super) fn close(&self) {
        self.closed.set(true);
        self.jobs.borrow_mut().clear();
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.began.get()
    }

    /// Gives back what the handler has not begun with.
    pub(super) fn give_back(&self) {
        self.jobs.borrow_mut().clear();
    }

    /// A call was lost because the actor died. If it is known over which delivery, the others begin
    /// anew; if it is not, nobody can tell, and it costs each an attempt.
    pub(super) fn whose_fault(&self, meta: &Meta) -> Run {
        if !meta.unwound.load(Ordering::Relaxed) && self.culprit_known.load(Ordering::Relaxed) {
            return Run::TornDown;
        }
        Run::Panicked(
            "the handler actor panicked or stopped while it handled this message".to_owned(),
        )
    }

    /// The actor stops itself over this message: it gets no further one.
    fn stopped_by(&self, meta: &Meta) {
        self.retire();
        if !self.culprit_known.swap(true, Ordering::Relaxed) {
            meta.unwound.store(true, Ordering::Relaxed);
        }
    }
}

/// Feeds deliveries to an actor from within its own context.
pub(super) struct Feed<B>(pub(super) Rc<Inbox<B>>);

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
            let meta = Arc::clone(delivery.meta());
            let handled =
                span.in_scope(|| catch_unwind(AssertUnwindSafe(|| actor.handle(delivery, ctx))));
            let begun = match handled {
                Ok(response) => begin(
                    response,
                    ctx,
                    &Call {
                        inbox,
                        meta: &meta,
                        span: &span,
                    },
                ),
                Err(panic) => {
                    // What is left of its state is not to be trusted with another message.
                    inbox.retire();
                    Begun::Panicked(panic_text(&*panic))
                }
            };
            if is_stopping(ctx) {
                inbox.stopped_by(&meta);
            }
            reply.send(begun);
        }
    }
}

impl<B> Drop for Feed<B> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn is_stopping<A: Actor<Context = Context<A>>>(ctx: &Context<A>) -> bool {
    matches!(ctx.state(), ActorState::Stopping | ActorState::Stopped)
}

/// Which call it was that the handler answered.
struct Call<'a, B> {
    inbox: &'a Rc<Inbox<B>>,
    meta: &'a Arc<Meta>,
    span: &'a Span,
}

/// Takes the response types that are boxed futures as what they are; any other one goes its actix
/// way.
fn begin<A, B>(response: A::Result, ctx: &mut Context<A>, call: &Call<'_, B>) -> Begun
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: 'static,
{
    let mut response = Some(response);
    if let Some(future) = taken::<HandlerResult>(&mut response) {
        return Begun::Future(future);
    }
    if let Some(future) = taken::<ResponseActFuture<A, Result<(), Failure>>>(&mut response) {
        let (reply, result) = oneshot::channel();
        ctx.spawn(OfActor {
            future,
            reply: Some(reply),
            inbox: Rc::clone(call.inbox),
            meta: Arc::clone(call.meta),
            span: call.span.clone(),
        });
        return Begun::OfActor(result);
    }
    let (sender, receiver): (OneshotSender<_>, _) = oneshot::channel();
    if let Some(response) = response {
        response.handle(ctx, Some(sender));
    }
    Begun::Response(receiver)
}

/// The value, if it is of this type.
fn taken<T: 'static>(response: &mut dyn Any) -> Option<T> {
    response.downcast_mut::<Option<T>>().and_then(Option::take)
}

/// A handler's future that borrows its actor. actix would let a panic of it take the actor down,
/// and with it every other message in its hands; and it would poll it on after its deadline.
struct OfActor<A: Actor, B> {
    future: ResponseActFuture<A, Result<(), Failure>>,
    reply: Option<oneshot::Sender<Result<Result<(), Failure>, String>>>,
    inbox: Rc<Inbox<B>>,
    meta: Arc<Meta>,
    span: Span,
}

impl<A, B> ActorFuture<A> for OfActor<A, B>
where
    A: Actor<Context = Context<A>>,
    B: 'static,
{
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut Context<A>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let this = self.get_mut();
        let awaited = this
            .reply
            .as_mut()
            .is_some_and(|reply| reply.poll_closed(task).is_pending());
        if !awaited {
            return Poll::Ready(());
        }
        let Self { future, span, .. } = &mut *this;
        let polled = span
            .in_scope(|| catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(actor, ctx, task))));
        if is_stopping(ctx) {
            this.inbox.stopped_by(&this.meta);
        }
        let ended = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => Ok(result),
            Err(panic) => {
                this.inbox.retire();
                Err(panic_text(&*panic))
            }
        };
        if let Some(reply) = this.reply.take() {
            let _ = reply.send(ended);
        }
        Poll::Ready(())
    }
}
