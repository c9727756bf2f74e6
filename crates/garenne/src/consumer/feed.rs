//! The way into a handler actor, for the deliveries that wait for it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, ActorFuture, AsyncContext, Context, Handler};
use tracing::Span;

use super::answers::{Answer, Answers, Reply};
use super::attempt_result::AttemptResult;
use super::handler::HandlerLost;
use super::running::{Running, begin, is_stopping};
use crate::delivery::{CallNumber, Culprit, Delivery};
use crate::panics::panic_text;

/// The deliveries that wait for a handler actor, seen from both sides.
pub(super) struct Inbox<B> {
    jobs: RefCell<VecDeque<Job<B>>>,
    answers: Answers<Running>,
    waker: Cell<Option<Waker>>,
    /// The actor is gone, or is to go.
    closed: Cell<bool>,
    /// Takes no further message.
    retired: Cell<bool>,
    /// It has begun with at least one message.
    began: Cell<bool>,
    last_begun: Cell<Instant>,
    last_call: Cell<CallNumber>,
    /// The call that the actor was lost over. The other calls in its hands begin anew.
    culprit: Arc<Culprit>,
}

struct Job<B> {
    call: CallNumber,
    delivery: Delivery<B>,
    reply: Reply<Running>,
    span: Span,
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
            last_call: Cell::default(),
            culprit: Arc::default(),
        }
    }

    /// Puts a delivery behind the waiting deliveries. The answer comes when the handler begins with it;
    /// `None`: the handler never will.
    pub(super) fn push(
        &self,
        mut delivery: Delivery<B>,
        span: Span,
    ) -> (CallNumber, Answer<Running>) {
        let call = self.last_call.get().next();
        self.last_call.set(call);
        delivery.seen_by(&self.culprit, call);
        let (reply, answer) = self.answers.expect();
        if self.is_open() {
            let mut jobs = self.jobs.borrow_mut();
            if jobs.is_empty() {
                // From now on the handler's time to begin is counted.
                self.last_begun.set(Instant::now());
            }
            jobs.push_back(Job {
                call,
                delivery,
                reply,
                span,
            });
        }
        self.wake();
        (call, answer)
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

    /// Drops the messages that the handler has not begun with.
    pub(super) fn requeue(&self) {
        self.jobs.borrow_mut().clear();
    }

    /// A call was lost because the actor died. If the actor is known to have died over another call, this
    /// call begins anew. If the culprit is not known, this call has failed like all others.
    pub(super) fn whose_fault(&self, call: CallNumber) -> Result<AttemptResult, HandlerLost> {
        if self.culprit.is_another_than(call) {
            return Err(HandlerLost::OverAnother);
        }
        Ok(AttemptResult::panicked(
            "the handler actor panicked or stopped while it handled this message",
        ))
    }

    /// The actor stops itself over this call: it gets no further call.
    pub(super) fn stopped_by(&self, call: CallNumber) {
        self.retire();
        self.culprit.accuse(call);
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
            // A handler that holds its context (`ctx.wait`, `AtomicResponse`) gets nothing meanwhile; the
            // end of that wait polls this again.
            if ctx.waiting() {
                return Poll::Pending;
            }
            let Some(job) = inbox.pop() else {
                inbox.waker.set(Some(task.waker().clone()));
                return Poll::Pending;
            };
            let Job {
                call,
                delivery,
                reply,
                span,
            } = job;
            let handled =
                span.in_scope(|| catch_unwind(AssertUnwindSafe(|| actor.handle(delivery, ctx))));
            let running = match handled {
                Ok(response) => begin(response, ctx, inbox, call, span),
                Err(panic) => {
                    // After a panic the actor's state cannot be trusted with another message.
                    inbox.retire();
                    Running::Panicked(panic_text(&*panic))
                }
            };
            if is_stopping(ctx) {
                inbox.stopped_by(call);
            }
            reply.send(running);
        }
    }
}

impl<B> Drop for Feed<B> {
    fn drop(&mut self) {
        self.0.close();
    }
}
