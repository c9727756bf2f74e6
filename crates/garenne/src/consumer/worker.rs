//! The parts of a worker that outlive its channels.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler};
use garenne_core::{Caution, Queue, QueueKind};
use tokio::sync::Semaphore;
use tracing::error;

use super::handler::HandlerCell;
use super::{Hub, Recall, Sharing, WorkerId, WorkerNews, WorkerReport};
use crate::delivery::{Delivery, Source};
use crate::quiet::QueueLog;
use crate::status::QueueCounters;

/// The settings of a worker, with the system's defaults filled in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) prefetch: u16,
    pub(crate) concurrency: u16,
    pub(crate) deadline: Duration,
}

/// A worker: the parts that outlive its channels.
pub(crate) struct Worker<A, B> {
    pub(crate) id: WorkerId,
    pub(crate) queue: Arc<Queue>,
    pub(crate) name: Arc<Source>,
    pub(crate) settings: Settings,
    pub(crate) hub: Hub,
    pub(crate) counters: Arc<QueueCounters>,
    pub(crate) recall: Arc<Recall>,
    pub(crate) log: Arc<QueueLog>,
    pub(crate) sharing: Arc<Sharing>,
    pub(crate) handler: HandlerCell<A, B>,
    /// A permit for each handler that may run at once. Closed when the worker drains: a message that waits
    /// for a permit has not begun.
    pub(crate) permits: Semaphore,
}

impl<A, B> Worker<A, B>
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: 'static,
{
    /// The handler panicked or hung.
    pub(crate) fn handler_died(&self, why: &str) {
        self.hub.desk.handler_died(&self.name, why);
    }

    /// How cautiously the worker's next subscription begins.
    ///
    /// A subscription's prefetch cannot be changed, so caution ends with a new subscription. Where that
    /// would hand the queue to another consumer there is no caution. But on a quorum queue, whose limit
    /// counts every return, the worker holds no more messages than its handlers work on.
    pub(super) fn caution(&self, cautious: bool) -> Caution {
        let Settings {
            prefetch,
            concurrency,
            ..
        } = self.settings;
        match (self.sharing.may_be_single(), self.queue.kind()) {
            (true, QueueKind::Quorum) => Caution::off(prefetch.min(concurrency)),
            (true, QueueKind::Classic) => Caution::off(prefetch),
            (false, _) if cautious => Caution::new(prefetch),
            (false, _) => Caution::off(prefetch),
        }
    }

    /// Replaces a handler actor that hangs.
    pub(super) fn look_after_handler(&self) {
        if self.handler.replace_if_stuck(self.settings.deadline) {
            error!(
                event = "handler_stuck",
                queue = self.queue.name(),
                "the handler actor has not begun with a waiting message for its whole deadline; it is replaced"
            );
            self.handler_died("it did not begin with a waiting message; replaced");
        }
    }

    pub(crate) fn report(&self, news: WorkerNews) {
        self.hub.supervisor.do_send(WorkerReport {
            worker: self.id,
            news,
        });
    }
}
