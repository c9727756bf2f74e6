//! The deliveries that a channel's task holds, each with its life; and what is logged of them when the
//! task's time is over.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::WorkerId;
use super::settle::Settled;
use crate::delivery::Meta;
use crate::futures::Futures;
use crate::quiet::Quiet;

/// Everything that was admitted and is not settled.
pub(super) struct InHand<L>(Futures<Open, L>);

/// How often it is said what a stop waits for.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// When it is said next what a stop waits for.
#[derive(Default)]
pub(super) struct Reminder(Option<Instant>);

impl Reminder {
    /// The stop has begun.
    pub(super) fn begin(&mut self) {
        self.0 = Some(Instant::now());
    }

    /// Whether it is to be said now.
    pub(super) fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.0.is_some_and(|at| at <= now);
        if due {
            self.0 = Some(now + SAY_EVERY);
        }
        due
    }
}

/// One delivery.
pub(super) struct Open {
    pub(super) tag: u64,
    pub(super) meta: Arc<Meta>,
}

impl<L: Future<Output = Settled>> InHand<L> {
    pub(super) fn new() -> Self {
        Self(Futures::new())
    }

    pub(super) fn take(&mut self, open: Open, life: L) {
        self.0.push(open, life);
    }

    /// Moves lives on until one has ended. Pending when none can be moved on; with nothing in hand,
    /// too.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<(Open, Settled)> {
        self.0.poll_next(cx)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is known of the one with this tag. It looks at every one.
    pub(super) fn find(&self, tag: u64) -> Option<Arc<Meta>> {
        let open = self.0.owners().find(|open| open.tag == tag)?;
        Some(Arc::clone(&open.meta))
    }

    pub(super) fn metas(&self) -> impl Iterator<Item = &Arc<Meta>> {
        self.0.owners().map(|open| &open.meta)
    }

    /// A message that is alone when this happens again and again is the one that causes it.
    pub(super) fn log_cut_off(&self, queue: &str, quiet: &Quiet) {
        let in_hand = self.len();
        let alone = self.metas().next().filter(|_| in_hand == 1);
        let message_id = alone.map(|meta| meta.id_to_show());
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

    /// What a stop waits for.
    pub(super) fn log_draining(&self, queue: &str, worker: WorkerId) {
        let is_running = |meta: &&Arc<Meta>| {
            meta.begun.load(Ordering::Relaxed) && !meta.ended.load(Ordering::Relaxed)
        };
        let running = self.metas().filter(is_running).count();
        // Without a time it has not waited for anything yet.
        let oldest = self.metas().filter(is_running);
        let Some(oldest) = oldest.max_by_key(|meta| meta.running_ms()) else {
            // What is left waits for the broker, to be stored or acked.
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
            oldest_message_id = &*oldest.id_to_show(),
            oldest_running_ms = oldest.running_ms(),
            "waiting until handlers that have begun are done"
        );
    }

    /// The drain deadline has passed, or nobody wanted to wait.
    pub(super) fn log_abandoned(&self) {
        for meta in self.metas() {
            warn!(
                event = "message_abandoned",
                queue = %meta.queue,
                message_id = &*meta.id_to_show(),
                attempt = meta.attempt.number(),
                running_ms = meta.running_ms(),
                "not finished by the end of the drain; the broker hands it out again"
            );
        }
    }
}
