//! A handler's run on a message, from the moment the handler has begun with it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

use actix::dev::{MessageResponse, OneshotSender};
use actix::{
    Actor, ActorContext, ActorFuture, ActorState, AsyncContext, Context, Handler, ResponseActFuture,
};
use futures_util::FutureExt;
use futures_util::future::CatchUnwind;
use tokio::sync::oneshot;
use tracing::instrument::Instrumented;
use tracing::{Instrument, Span};

use super::attempt_result::AttemptResult;
use super::feed::Inbox;
use crate::delivery::{CallNumber, Delivery};
use crate::failure::{Failure, HandlerFuture};
use crate::panics::panic_text;

/// A handler's run on a message that it has begun with.
///
/// As a future it gives the result. `None`: the actor is gone.
pub(super) enum Running {
    /// Polled by the life of the delivery.
    Future(Instrumented<CatchUnwind<AssertUnwindSafe<HandlerFuture>>>),
    /// Polled within the actor's context, because it borrows the actor.
    OfActor(oneshot::Receiver<AttemptResult>),
    /// Polled by actix.
    OfActix(oneshot::Receiver<Result<(), Failure>>),
    Panicked(String),
}

impl Running {
    /// Whether its handler goes on when the run is dropped.
    pub(super) fn is_beyond_reach(&self) -> bool {
        matches!(self, Self::OfActix(_))
    }
}

impl Future for Running {
    type Output = Option<AttemptResult>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<AttemptResult>> {
        match self.get_mut() {
            Self::Future(future) => future.poll_unpin(cx).map(|result| {
                Some(result.map_or_else(
                    |panic| AttemptResult::panicked(panic_text(&*panic)),
                    AttemptResult::returned,
                ))
            }),
            Self::OfActor(result) => result.poll_unpin(cx).map(Result::ok),
            Self::OfActix(result) => {
                let result = result.poll_unpin(cx).map(Result::ok);
                result.map(|result| result.map(AttemptResult::returned))
            }
            Self::Panicked(text) => {
                Poll::Ready(Some(AttemptResult::panicked(std::mem::take(text))))
            }
        }
    }
}

/// Polls the response types that are boxed futures directly; actix handles any other type.
pub(super) fn begin<A, B>(
    response: A::Result,
    ctx: &mut Context<A>,
    inbox: &Rc<Inbox<B>>,
    call: CallNumber,
    span: Span,
) -> Running
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: 'static,
{
    let mut response = Some(response);
    if let Some(future) = taken::<HandlerFuture>(&mut response) {
        let watched = AssertUnwindSafe(future).catch_unwind();
        return Running::Future(watched.instrument(span));
    }
    if let Some(future) = taken::<ResponseActFuture<A, Result<(), Failure>>>(&mut response) {
        let (reply, result) = oneshot::channel();
        ctx.spawn(OfActor {
            future,
            reply: Some(reply),
            inbox: Rc::clone(inbox),
            call,
            span,
        });
        return Running::OfActor(result);
    }
    let (sender, receiver): (OneshotSender<_>, _) = oneshot::channel();
    if let Some(response) = response {
        response.handle(ctx, Some(sender));
    }
    Running::OfActix(receiver)
}

/// Whether the actor ends itself.
pub(super) fn is_stopping<A: Actor<Context = Context<A>>>(ctx: &Context<A>) -> bool {
    matches!(ctx.state(), ActorState::Stopping | ActorState::Stopped)
}

/// The value, if it is of this type.
fn taken<T: 'static>(response: &mut dyn Any) -> Option<T> {
    response.downcast_mut::<Option<T>>().and_then(Option::take)
}

/// A handler's future that borrows its actor. actix would let its panic take the actor down, and with it
/// every other message in the actor's hands; and actix would poll the future on after its deadline.
struct OfActor<A: Actor, B> {
    future: ResponseActFuture<A, Result<(), Failure>>,
    reply: Option<oneshot::Sender<AttemptResult>>,
    inbox: Rc<Inbox<B>>,
    call: CallNumber,
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
            this.inbox.stopped_by(this.call);
        }
        let ended = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => AttemptResult::returned(result),
            Err(panic) => {
                this.inbox.retire();
                AttemptResult::panicked(panic_text(&*panic))
            }
        };
        if let Some(reply) = this.reply.take() {
            let _ = reply.send(ended);
        }
        Poll::Ready(())
    }
}
