//! Handlers with state: a struct with an async method, and the actor around it.

use std::future::Future;
use std::marker::PhantomData;
use std::rc::Rc;

use actix::{Actor, Context, Handler};

use crate::body::Body;
use crate::delivery::Delivery;
use crate::failure::{Failure, HandlerFuture, IntoFailure};

/// A handler with state: a struct that handles a message in an async method.
///
/// ```no_run
/// use garenne::prelude::*;
///
/// struct Charge {
///     tariff: String, // a database pool, an HTTP client: any state lives here
/// }
///
/// impl Handle<Text> for Charge {
///     async fn handle(&self, order: Delivery<Text>) -> Result<(), Failure> {
///         println!("charged {} by {}", order.trim(), self.tariff);
///         Ok(())
///     }
/// }
///
/// fn main() -> std::process::ExitCode {
///     let charge = || Charge { tariff: "A".to_owned() };
///     SystemBuilder::from_env().consume(Queue::quorum("orders"), charge).run()
/// }
/// ```
///
/// `B` is the [body](Body) of the messages. `E` is the error of the method's result, for example `impl
/// Handle<Text, anyhow::Error> for Charge`; [`Failure`] says which types are allowed. By default `E` is
/// `Failure` itself, and `?` turns every error into it.
///
/// Many messages are handled at once, on a single thread: a message that waits in an `await` lets others
/// run. So state that changes lives in a `Cell`, a `RefCell` or an async mutex. Neither the struct nor the
/// future need be `Send`.
///
/// [`SystemBuilder::consume`](crate::SystemBuilder::consume) takes a factory. Each worker gets a struct of
/// its own, on its own thread, in an actor that garenne supervises. After a panic the struct is dropped
/// when the messages in its hands have ended, and the factory makes the next struct.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle `Delivery<{B}>`",
    label = "does not implement `Handle<{B}, {E}>`"
)]
pub trait Handle<B: Body, E: IntoFailure = Failure>: 'static {
    /// Handles a message. The return value decides how the message is settled, as [`Failure`] says.
    ///
    /// A panic costs the message an attempt. At the queue's deadline the future is dropped; until then
    /// it may borrow from `self`.
    fn handle(&self, delivery: Delivery<B>) -> impl Future<Output = Result<(), E>>;
}

/// A handler as [`SystemBuilder::consume`](crate::SystemBuilder::consume) takes it: a struct that implements
/// [`Handle`], or an actix actor that handles [`Delivery`].
///
/// It is implemented for all of them. `Kind` only keeps the two kinds apart; no program needs to name it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "neither implements `Handle<B>` nor is an actor that handles `Delivery<B>`",
    note = "a handler with state is a struct with `impl Handle<Json<Order>> for {Self}`; \
            `B` is the body: `Json<…>`, `Text`, `Bytes` or a type that implements `Body`",
    note = "an async function is given to `consume_fn`",
    note = "an actor implements `Actor<Context = Context<Self>>` and `Handler<Delivery<B>>`"
)]
pub trait IntoHandler<Kind>: 'static {
    /// The body of its messages.
    type Body: 'static;

    /// The actor that it becomes.
    type Actor: Actor<Context = Context<Self::Actor>>
        + Handler<Delivery<Self::Body>, Result: 'static>;

    /// Makes an actor of it.
    fn into_actor(self) -> Self::Actor;
}

/// The [`IntoHandler`] of actors.
#[derive(Clone, Copy, Debug)]
pub struct ByActor<B>(PhantomData<fn(B)>);

#[diagnostic::do_not_recommend]
impl<A, B> IntoHandler<ByActor<B>> for A
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>, Result: 'static>,
    B: 'static,
{
    type Body = B;
    type Actor = Self;

    fn into_actor(self) -> Self {
        self
    }
}

/// The [`IntoHandler`] of structs that implement [`Handle`].
#[derive(Clone, Copy, Debug)]
pub struct ByHandle<B, E>(PhantomData<fn(B) -> E>);

#[diagnostic::do_not_recommend]
impl<H, B, E> IntoHandler<ByHandle<B, E>> for H
where
    H: Handle<B, E>,
    B: Body,
    E: IntoFailure + 'static,
{
    type Body = B;
    type Actor = HandleActor<H, B, E>;

    fn into_actor(self) -> Self::Actor {
        HandleActor {
            handler: Rc::new(self),
            kind: PhantomData,
        }
    }
}

/// The actor around a struct that implements [`Handle`].
#[derive(Debug)]
pub struct HandleActor<H, B, E> {
    /// Shared with the futures of its messages, which borrow from it.
    handler: Rc<H>,
    kind: PhantomData<fn(B) -> E>,
}

impl<H: 'static, B: 'static, E: 'static> Actor for HandleActor<H, B, E> {
    type Context = Context<Self>;
}

impl<H, B, E> Handler<Delivery<B>> for HandleActor<H, B, E>
where
    H: Handle<B, E>,
    B: Body,
    E: IntoFailure + 'static,
{
    type Result = HandlerFuture;

    fn handle(&mut self, delivery: Delivery<B>, _: &mut Self::Context) -> HandlerFuture {
        let handler = Rc::clone(&self.handler);
        Box::pin(async move {
            let handled = H::handle(&handler, delivery).await;
            handled.map_err(IntoFailure::into_failure)
        })
    }
}
