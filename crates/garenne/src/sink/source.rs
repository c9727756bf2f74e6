//! What `SystemBuilder::fail_sink` takes.

use std::marker::PhantomData;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Recipient};
use actix_rt::ArbiterHandle;
use garenne_core::Fault;

use super::FailedMessage;

/// A fail sink as [`SystemBuilder::fail_sink`](crate::SystemBuilder::fail_sink) takes it: a factory
/// of actors that handle [`FailedMessage`], or a ready-made sink, such as those for databases.
///
/// `Kind` only keeps the two apart; no program needs to name it. A crate that brings a sink of its
/// own implements the trait with the sink's own type as `Kind`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a fail sink",
    note = "give a factory of an actor that handles `FailedMessage`, such as `|| Archive::new()` or `LogSink::default`; \
            the actor needs `Context = Context<Self>`"
)]
pub trait IntoFailSink<Kind>: Send + Sync + 'static {
    /// What is wrong with its configuration; reported by the builder together with all other faults.
    fn faults(&self) -> Vec<Fault> {
        Vec::new()
    }

    /// Starts the actor on this thread. Called when the system starts, so that a sink can say early
    /// that its store is out of reach, and again after the actor has panicked or stopped.
    fn start(self: Arc<Self>, thread: &ArbiterHandle) -> Recipient<FailedMessage>;
}

/// The [`IntoFailSink`] of factories of the actor `A`.
#[derive(Clone, Copy, Debug)]
pub struct ByFactory<A>(PhantomData<fn() -> A>);

impl<A, F> IntoFailSink<ByFactory<A>> for F
where
    A: Actor<Context = Context<A>> + Handler<FailedMessage>,
    F: Fn() -> A + Send + Sync + 'static,
{
    fn start(self: Arc<Self>, thread: &ArbiterHandle) -> Recipient<FailedMessage> {
        A::start_in_arbiter(thread, move |_| self()).recipient()
    }
}
