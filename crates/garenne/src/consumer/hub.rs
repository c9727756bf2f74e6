//! The parts of the system that every worker can reach.

use actix::{Addr, Message, Recipient};
use garenne_core::Epoch;
use tokio::sync::watch;

use super::{DirectReplies, Replies};
use crate::alert::Desk;
use crate::identity::Identity;
use crate::link::{LinkError, LinkWatch};
use crate::publish::{Publisher, RetryPublisher};
use crate::sink::FailSink;

/// The ways from a worker to the other parts.
#[derive(Clone)]
pub(crate) struct Hub {
    pub(crate) consume: LinkWatch,
    pub(crate) publish: LinkWatch,
    pub(crate) mode: watch::Receiver<Mode>,
    pub(crate) supervisor: Recipient<WorkerReport>,
    pub(crate) retry: Addr<RetryPublisher>,
    /// The system's own publisher, for messages that handlers send with their acks.
    pub(crate) publisher: Publisher,
    pub(crate) sink: Addr<FailSink>,
    pub(crate) desk: Desk,
    pub(crate) identity: std::sync::Arc<Identity>,
    pub(crate) replies: std::sync::Arc<Replies>,
    pub(crate) direct_replies: std::sync::Arc<DirectReplies>,
}

/// The mode of all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Run,
    /// Take nothing new, requeue the messages that were not begun, finish the rest.
    Drain,
    /// The drain deadline has passed: let go of everything.
    Abandon,
}

impl Mode {
    /// The next mode.
    pub(super) async fn changed(mode: &mut watch::Receiver<Self>) -> Self {
        match mode.changed().await {
            Ok(()) => *mode.borrow_and_update(),
            // The supervisor is gone; so is the system.
            Err(_) => Self::Abandon,
        }
    }
}

/// The number of a worker in its system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WorkerId(pub(crate) usize);

/// A worker's news for the supervisor.
#[derive(Debug)]
pub(crate) struct WorkerReport {
    pub(crate) worker: WorkerId,
    pub(crate) news: WorkerNews,
}

#[derive(Debug)]
pub(crate) enum WorkerNews {
    /// The broker has confirmed the subscription.
    Consuming(Epoch),
    /// The first ack of this subscription went out: consumption is stable.
    Progress(Epoch),
    /// The channel or its link is gone; the worker restarts.
    Lost(String),
    /// A channel could not be opened or the queue not be consumed.
    Refused(LinkError),
    /// Nothing is left in its hands.
    Drained,
    /// Its handler cannot be started.
    NoHandler(String),
    /// The actor is gone, which only a panic in our own code can cause.
    Died,
}

impl Message for WorkerReport {
    type Result = ();
}
