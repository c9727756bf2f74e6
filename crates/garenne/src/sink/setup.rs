//! A fail sink as it is registered: the actor that stores, and the faults of its configuration.

use std::fmt;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Recipient};
use garenne_core::Fault;

use super::{FailedMessage, SinkFactory};

/// A fail sink for [`SystemBuilder::fail_sink`](crate::SystemBuilder::fail_sink) and
/// [`SystemBuilder::fail_follower`](crate::SystemBuilder::fail_follower). The factory of an actor that
/// handles [`FailedMessage`] converts into it, and so do ready-made sinks, for example those for databases.
///
/// ```
/// use garenne::prelude::*;
///
/// let log = FailSinkSetup::new(LogSink::default);
/// ```
#[must_use = "a fail sink is never asked unless a system is given it"]
pub struct FailSinkSetup {
    pub(crate) start: SinkFactory,
    pub(crate) faults: Vec<Fault>,
}

impl FailSinkSetup {
    /// A fail sink whose actor this factory makes. The actor is made when the system starts, so that a sink
    /// can say early that its store is out of reach, and again after it has panicked or stopped.
    pub fn new<A, F>(factory: F) -> Self
    where
        A: Actor<Context = Context<A>> + Handler<FailedMessage>,
        F: Fn() -> A + Send + Sync + 'static,
    {
        let factory = Arc::new(factory);
        Self {
            start: Arc::new(move |thread| {
                let factory = Arc::clone(&factory);
                A::start_in_arbiter(thread, move |_| factory()).recipient()
            }),
            faults: Vec::new(),
        }
    }

    /// Puts an actor of yours before the sink, for example to count or to filter: garenne asks it in the
    /// sink's place, and it gets the way to the sink. Both are made, and made anew, together.
    pub fn behind<A, F>(self, factory: F) -> Self
    where
        A: Actor<Context = Context<A>> + Handler<FailedMessage>,
        F: Fn(Recipient<FailedMessage>) -> A + Send + Sync + 'static,
    {
        let (start, factory) = (self.start, Arc::new(factory));
        Self {
            start: Arc::new(move |thread| {
                let (sink, factory) = (start(thread), Arc::clone(&factory));
                A::start_in_arbiter(thread, move |_| factory(sink)).recipient()
            }),
            faults: self.faults,
        }
    }

    /// Adds faults of its configuration, to be reported by
    /// [`SystemBuilder::build`](crate::SystemBuilder::build) together with all others.
    pub fn with_faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults.extend(faults);
        self
    }
}

impl<A, F> From<F> for FailSinkSetup
where
    A: Actor<Context = Context<A>> + Handler<FailedMessage>,
    F: Fn() -> A + Send + Sync + 'static,
{
    fn from(factory: F) -> Self {
        Self::new(factory)
    }
}

impl fmt::Debug for FailSinkSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailSinkSetup")
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}
