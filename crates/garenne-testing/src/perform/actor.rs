//! A run of an actor, or of a struct that garenne makes an actor of, in an actix context of its own.
//!
//! It gets its message as in a running system: not through its mailbox but from within its context.
//! So a panic is known to belong to the message, and bodies need not be `Send`.

use std::any::Any;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

use actix::dev::MessageResponse;
use actix::{Actor, ActorFuture, AsyncContext, Context, Handler};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use garenne::{Body, Delivery, Failure, HandlerFuture, IntoHandler};
use tokio::sync::oneshot;

use super::{Performed, Performer, Setup, panic_text};

/// Tells structs and actors from functions.
pub struct ByHandler<Kind>(PhantomData<fn(Kind)>);

impl<H, Kind> Performer<ByHandler<Kind>> for H
where
    H: IntoHandler<Kind>,
    H::Body: Body,
{
    fn perform(self, setup: Setup) -> LocalBoxFuture<'static, Performed> {
        Box::pin(async move {
            match setup.delivery() {
                Ok(delivery) => run(self.into_actor(), delivery).await,
                Err(undecodable) => undecodable,
            }
        })
    }
}

/// The handler has begun.
enum Begun {
    Future(HandlerFuture),
    Response(oneshot::Receiver<Result<(), Failure>>),
    Panicked(String),
}

async fn run<A, B>(actor: A, delivery: Delivery<B>) -> Performed
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    <A as Handler<Delivery<B>>>::Result: 'static,
    B: Body,
{
    let (reply, begun) = oneshot::channel();
    let mut context = Context::new();
    context.spawn(Feed {
        next: Some((delivery, reply)),
    });
    let death = Rc::new(RefCell::new(None));
    let note = Rc::clone(&death);
    // It lives until the run is over: the task is dropped with the set that it is spawned in.
    tokio::task::spawn_local(async move {
        let life = AssertUnwindSafe(context.into_future(actor));
        if let Err(panic) = life.catch_unwind().await {
            *note.borrow_mut() = Some(panic_text(&*panic));
        }
    });
    let result = match begun.await {
        Ok(Begun::Future(future)) => match AssertUnwindSafe(future).catch_unwind().await {
            Ok(result) => Some(result),
            Err(panic) => return Performed::Panicked(panic_text(&*panic)),
        },
        Ok(Begun::Response(response)) => response.await.ok(),
        Ok(Begun::Panicked(text)) => return Performed::Panicked(text),
        Err(_) => None,
    };
    match result {
        Some(result) => Performed::Returned(result),
        None => {
            // Its answer is dropped before its task has seen the panic.
            tokio::task::yield_now().await;
            let text = death.borrow_mut().take();
            let stopped = || "the actor stopped before it answered".to_owned();
            Performed::Panicked(text.unwrap_or_else(stopped))
        }
    }
}

/// Gives its one message to an actor, and then keeps it alive.
struct Feed<B> {
    next: Option<(Delivery<B>, oneshot::Sender<Begun>)>,
}

impl<B> Unpin for Feed<B> {}

impl<A, B> ActorFuture<A> for Feed<B>
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    <A as Handler<Delivery<B>>>::Result: 'static,
    B: Body,
{
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        context: &mut Context<A>,
        _: &mut TaskContext<'_>,
    ) -> Poll<()> {
        // An actor that holds its context, as one may that starts, gets its message afterwards.
        if !context.waiting()
            && let Some((delivery, reply)) = self.get_mut().next.take()
        {
            let handle = || begin(actor.handle(delivery, context), context);
            let begun = catch_unwind(AssertUnwindSafe(handle));
            let begun = begun.unwrap_or_else(|panic| Begun::Panicked(panic_text(&*panic)));
            // Who waited may have given up.
            let _ = reply.send(begun);
        }
        Poll::Pending
    }
}

/// Takes the documented response type as the future that it is; any other one goes its actix way.
fn begin<A, B>(response: <A as Handler<Delivery<B>>>::Result, context: &mut Context<A>) -> Begun
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    <A as Handler<Delivery<B>>>::Result: 'static,
    B: Body,
{
    let mut response = Some(response);
    let future = (&mut response as &mut dyn Any)
        .downcast_mut::<Option<HandlerFuture>>()
        .and_then(Option::take);
    match (future, response) {
        (Some(future), _) => Begun::Future(future),
        (None, response) => {
            let (sender, receiver) = oneshot::channel();
            if let Some(response) = response {
                response.handle(context, Some(sender));
            }
            Begun::Response(receiver)
        }
    }
}
