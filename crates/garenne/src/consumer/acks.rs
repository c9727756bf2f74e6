//! From the ledger to the broker: the only place that acks.
//!
//! While messages come fast, an ack waits at most a millisecond for further acks, so that acks coalesce.
//! Each write costs a system call, and the broker spends about as much on a single ack as on many. An ack
//! does not wait when the last write was more than a millisecond ago, nor when so many acks wait that the
//! broker may have no more messages to send. While the socket takes nothing, acks wait too.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use garenne_core::{Ack, Ledger};
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::error;

use super::stragglers::{Find, Stragglers};
use crate::delivery::Meta;
use crate::link::Writer;
use crate::status::QueueCounters;

/// How long an ack may wait for further acks, and the time between acks while messages come fast, unless
/// many wait.
const MOMENT: Duration = Duration::from_millis(1);
/// Messages come fast when this many are done with in a [`MOMENT`].
const FAST: f64 = 8.0;

/// Which deliveries of a channel are settled, and which of these the broker has been told of.
pub(super) struct Acks {
    ledger: Ledger,
    requeue: Vec<u64>,
    /// Messages that are done with and whose acks are not written, in the order in which they ended.
    unacked: VecDeque<Arc<Meta>>,
    counters: Arc<QueueCounters>,
    /// When this many finished messages wait, they are acked without waiting for more: the broker sends
    /// no more than a prefetch ahead of the acks.
    many: usize,
    /// Since when an ack waits for further acks.
    waiting_since: Option<Instant>,
    /// When the broker was last told of a settlement.
    written: Option<Instant>,
    /// Whether messages came fast before that.
    is_fast: bool,
    /// Ends the wait for further acks.
    timer: Option<Pin<Box<Sleep>>>,
    stragglers: Stragglers,
}

impl Acks {
    pub(super) fn new(prefetch: u16, counters: Arc<QueueCounters>) -> Self {
        let many = usize::from(prefetch / 4).max(1);
        Self {
            ledger: Ledger::new(),
            requeue: Vec::new(),
            unacked: VecDeque::new(),
            counters,
            many,
            waiting_since: None,
            written: None,
            is_fast: false,
            timer: None,
            stragglers: Stragglers::new(many),
        }
    }

    /// Takes a delivery in. `false` when its tag is impossible for a correct broker; the delivery is
    /// dropped then.
    pub(super) fn admit(&mut self, tag: u64) -> bool {
        let admitted = self.ledger.admit(tag);
        if let Err(error) = &admitted {
            error!(event = "ledger", %error, "a delivery tag came out of order");
        }
        admitted.is_ok()
    }

    /// The message is done with: it may be acked.
    pub(super) fn finish(&mut self, meta: Arc<Meta>) {
        if let Err(error) = self.ledger.finish(meta.tag()) {
            error!(event = "ledger", %error, "a delivery was settled twice");
        }
        self.unacked.push_back(meta);
    }

    /// The broker is to redeliver the message. It is told so with `nack`: a `reject` would say that the
    /// message failed, and count against a quorum queue's delivery limit.
    pub(super) fn requeue(&mut self, tag: u64) {
        match self.ledger.requeue(tag) {
            Ok(()) => self.requeue.push(tag),
            Err(error) => error!(event = "ledger", %error, "a delivery was settled twice"),
        }
    }

    /// Whether the broker has been told of everything.
    pub(super) fn is_empty(&self) -> bool {
        self.ledger.is_empty() && self.requeue.is_empty()
    }

    /// The messages that are done with and that the broker has not been told of.
    pub(super) fn take_unacked(&mut self) -> VecDeque<Arc<Meta>> {
        std::mem::take(&mut self.unacked)
    }

    /// How many settled deliveries the broker has not been told of.
    pub(super) fn untold(&self) -> u64 {
        (self.ledger.waiting() + self.requeue.len()) as u64
    }

    /// Tells the broker of settled messages, and returns the number of messages whose acks were written.
    /// Pending when there is nothing to tell. It may also wait while `more` says that further messages are
    /// about to be settled; then the caller polls again.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Writer,
        more: bool,
        find: Find<'_>,
    ) -> Poll<u64> {
        if self.may_wait(cx, more) {
            return Poll::Pending;
        }
        if !self.is_empty() {
            ready!(writer.poll_ready(cx));
        }
        self.waiting_since = None;
        let acks = self.due(cx, find);
        if acks.is_empty() && self.requeue.is_empty() {
            return Poll::Pending;
        }
        let is_written = writer.settle(&acks, &self.requeue);
        let acked = acks.iter().map(|ack| u64::from(ack.count)).sum();
        let settled = acked + self.requeue.len() as u64;
        self.requeue.clear();
        self.has_written(acked);
        if !is_written {
            // The channel is gone, and the task is about to hear of it. These messages come again and will
            // be recognised, because they stay among the unacked.
            self.counters.on_ended(settled);
            return Poll::Ready(0);
        }
        self.counters.on_acked(acked);
        self.counters.on_ended(settled);
        // Stragglers are acked out of order; then this keeps the wrong messages for a moment. That costs at
        // most a second run.
        let written = self.unacked.len().saturating_sub(self.ledger.waiting());
        self.unacked.drain(..written);
        Poll::Ready(acked)
    }

    /// Whether there is little to write, and it has not waited long.
    fn may_wait(&mut self, cx: &mut Context<'_>, more: bool) -> bool {
        let waiting = self.ledger.waiting();
        if !self.requeue.is_empty() || waiting >= self.many {
            return false;
        }
        if waiting == 0 {
            return more;
        }
        let now = Instant::now();
        let since = *self.waiting_since.get_or_insert(now);
        // The caller polls again.
        if more && now < since + MOMENT {
            return true;
        }
        match self.written.map(|written| written + MOMENT) {
            Some(next) if self.is_fast && now < next => self.poll_timer(cx, next).is_pending(),
            _ => false,
        }
    }

    /// When messages come singly, an ack is written at once: a late ack would compete with the next message
    /// for the broker's disk.
    fn has_written(&mut self, acked: u64) {
        let now = Instant::now();
        let before = self.written.replace(now);
        self.is_fast = before.is_some_and(|before| {
            let moments = (now - before).as_secs_f64() / MOMENT.as_secs_f64();
            acked as f64 >= FAST * moments
        });
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }

    /// A single ack for the contiguous finished prefix; messages that finished behind an unfinished message
    /// join it when they have waited long enough.
    fn due(&mut self, cx: &mut Context<'_>, find: Find<'_>) -> Vec<Ack> {
        let mut acks: Vec<Ack> = self.ledger.next_ack().into_iter().collect();
        let stragglers = self.stragglers.poll_due(cx, &self.ledger, find);
        if stragglers.is_ready() {
            acks.extend(std::iter::from_fn(|| self.ledger.next_straggler()));
        }
        acks
    }
}
