//! What a worker keeps across its channels.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler};
use garenne_core::Queue;
use tokio::sync::Semaphore;
use tracing::error;

use super::handler::HandlerCell;
use super::{Hub, Recall, WorkerId, WorkerNews, WorkerReport};
use crate::delivery::{Delivery, Source};
use crate::quiet::QueueLog;
use crate::status::QueueCounters;

/// The settings of one worker, with the system's defaults filled in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) prefetch: u16,
    pub(crate) concurrency: u16,
    pub(crate) deadline: Duration,
}

/// One worker: what outlives its channels.
pub(crate) struct Worker<A, B> {
    pub(crate) id: WorkerId,
    pub(crate) queue: Arc<Queue>,
    pub(crate) name: Arc<Source>,
    pub(crate) settings: Settings,
    pub(crate) hub: Hub,
    pub(crate) counters: Arc<QueueCounters>,
    pub(crate) recall: Arc<Recall>,
    pub(crate) log: Arc<QueueLog>,
    pub(crate) handler: HandlerCell<A, B>,
    /// One for each handler that may run at once. Closed when the worker drains: what waits for one
    /// has not begun.
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
