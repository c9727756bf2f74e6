//! The deliveries that a channel's task holds, each with its life; and their log when the task ends.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::WorkerId;
use super::settle::Settled;
use super::stage::Stage;
use crate::delivery::Meta;
use crate::futures::Futures;
use crate::quiet::Quiet;

/// All deliveries that were admitted and are not settled.
pub(super) struct InHand<L> {
    lives: Futures<Watched, L>,
    /// Stages of ended lives, to be used again by new lives.
    unused: Vec<Rc<Stage>>,
}

/// How often the log says which messages a stop waits for.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// When the log says that the next time.
#[derive(Default)]
pub(super) struct Reminder(Option<Instant>);

impl Reminder {
    /// The stop has begun.
    pub(super) fn begin(&mut self) {
        self.0 = Some(Instant::now());
    }

    /// Whether the log should say it now.
    pub(super) fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.0.is_some_and(|at| at <= now);
        if due {
            self.0 = Some(now + SAY_EVERY);
        }
        due
    }
}

/// A delivery, as the code outside its life sees it.
pub(super) struct Watched {
    pub(super) meta: Arc<Meta>,
    pub(super) stage: Rc<Stage>,
}

impl<L: Future<Output = Settled>> InHand<L> {
    pub(super) fn new() -> Self {
        Self {
            lives: Futures::new(),
            unused: Vec::new(),
        }
    }

    /// The stage of a life that begins.
    pub(super) fn stage(&mut self) -> Rc<Stage> {
        self.unused.pop().unwrap_or_default()
    }

    pub(super) fn take(&mut self, delivery: Watched, life: L) {
        self.lives.push(delivery, life);
    }

    /// Moves lives on until a life has ended. Pending when none can be moved on, and when nothing is in
    /// hand.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<(Arc<Meta>, Settled)> {
        self.lives.poll_next(cx).map(|(delivery, settled)| {
            let Watched { meta, stage } = delivery;
            if Rc::strong_count(&stage) == 1 {
                stage.reset();
                self.unused.push(stage);
            }
            (meta, settled)
        })
    }

    pub(super) fn len(&self) -> usize {
        self.lives.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lives.is_empty()
    }

    /// The stage of the delivery with this tag. It searches all deliveries.
    pub(super) fn find(&self, tag: u64) -> Option<Rc<Stage>> {
        let delivery = self.watched().find(|it| it.meta.tag() == tag)?;
        Some(Rc::clone(&delivery.stage))
    }

    pub(super) fn watched(&self) -> impl Iterator<Item = &Watched> {
        self.lives.owners()
    }

    /// If the same message is in hand alone each time, it is the cause.
    pub(super) fn log_cut_off(&self, queue: &str, quiet: &Quiet) {
        let in_hand = self.len();
        let alone = self.watched().next().filter(|_| in_hand == 1);
        let message_id = alone.map(|delivery| delivery.meta.id_to_show());
        quiet.log(|repeated| {
            info!(
                event = "deliveries_cut_off",
                queue,
                in_hand,
                message_id = message_id.as_deref(),
                repeated,
                "the channel is gone; the broker will hand these messages out again"
            );
        });
    }

    /// Logs the messages that a stop waits for.
    pub(super) fn log_draining(&self, queue: &str, worker: WorkerId) {
        let running = || {
            self.watched()
                .filter(|delivery| delivery.stage.is_running())
        };
        // A delivery without a time has not waited yet.
        let oldest = running().max_by_key(|delivery| delivery.stage.ran_ms());
        let running = running().count();
        let Some(oldest) = oldest else {
            // The remaining messages wait for the broker, to be stored or acked.
            return info!(
                event = "draining",
                queue,
                worker = worker.0,
                running,
                settling = self.len(),
                "waiting until what is handled is settled"
            );
        };
        info!(
            event = "draining",
            queue,
            worker = worker.0,
            running,
            settling = self.len() - running,
            oldest_message_id = &*oldest.meta.id_to_show(),
            oldest_running_ms = oldest.stage.ran_ms(),
            "waiting until handlers that have begun are done"
        );
    }

    /// The drain deadline has passed, or the system ends without waiting.
    pub(super) fn log_abandoned(&self) {
        for Watched { meta, stage } in self.watched() {
            warn!(
                event = "message_abandoned",
                queue = %meta.queue,
                message_id = &*meta.id_to_show(),
                attempt = meta.attempt.number(),
                running_ms = stage.ran_ms(),
                "not finished by the end of the drain; the broker hands it out again"
            );
        }
    }
}
