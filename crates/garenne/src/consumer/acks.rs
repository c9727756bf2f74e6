//! From the ledger to the broker: the only place that acks.
//!
//! One batch is written at a time, and whatever finishes meanwhile goes into the next one, so acks
//! coalesce by themselves the busier the channel is. While more is finishing, a batch waits for it: a
//! write costs a change of threads, and the broker about as much for one ack as for many. Acks of one
//! channel must be written in order and by one task: spawned acks may overtake each other.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::{LocalBoxFuture, try_join, try_join_all};
use garenne_core::{Ack, Ledger};
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tracing::error;

use super::stragglers::{Find, Stragglers};
use crate::link::Bell;

/// How long an ack may wait for more of them.
const MOMENT: Duration = Duration::from_millis(1);

/// What of a channel's deliveries is settled, and what the broker knows of it.
pub(super) struct Acks {
    channel: Channel,
    bell: Bell,
    ledger: Ledger,
    give_back: Vec<u64>,
    writing: Option<Write>,
    /// So many finished messages are acked without waiting for more: the broker sends no more than a
    /// prefetch ahead of the acks.
    many: usize,
    /// Since when an ack waits for more of them.
    waiting_since: Option<Instant>,
    stragglers: Stragglers,
}

/// What the broker was told of in one batch.
#[derive(Clone, Copy)]
pub(super) struct Told {
    pub(super) acked: u64,
    pub(super) given_back: u64,
}

impl Told {
    /// How many deliveries the broker no longer waits for.
    pub(super) fn all(self) -> u64 {
        self.acked + self.given_back
    }
}

struct Write {
    told: Told,
    done: LocalBoxFuture<'static, lapin::Result<()>>,
}

impl Acks {
    pub(super) fn new(channel: Channel, bell: Bell, prefetch: u16) -> Self {
        let many = usize::from(prefetch / 4).max(1);
        Self {
            channel,
            bell,
            ledger: Ledger::new(),
            give_back: Vec::new(),
            writing: None,
            many,
            waiting_since: None,
            stragglers: Stragglers::new(many),
        }
    }

    /// A delivery is in hand. `false`: the broker has sent a tag that cannot be, and it is not.
    pub(super) fn admit(&mut self, tag: u64) -> bool {
        let admitted = self.ledger.admit(tag);
        if let Err(error) = &admitted {
            error!(event = "ledger", %error, "a delivery tag came out of order");
        }
        admitted.is_ok()
    }

    /// The message is done with: it may be acked.
    pub(super) fn finish(&mut self, tag: u64) {
        if let Err(error) = self.ledger.finish(tag) {
            error!(event = "ledger", %error, "a delivery was settled twice");
        }
    }

    /// The message shall be handed out again. `nack`, not `reject`: that would say that it failed, and
    /// count against a quorum queue's delivery limit.
    pub(super) fn give_back(&mut self, tag: u64) {
        match self.ledger.give_back(tag) {
            Ok(()) => self.give_back.push(tag),
            Err(error) => error!(event = "ledger", %error, "a delivery was settled twice"),
        }
    }

    /// Whether the broker knows everything.
    pub(super) fn is_empty(&self) -> bool {
        self.ledger.is_empty() && self.give_back.is_empty() && self.writing.is_none()
    }

    /// Whether a batch is on its way to the socket.
    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// How many finished messages' acks are not being written yet.
    pub(super) fn waiting(&self) -> usize {
        self.ledger.waiting()
    }

    /// Nothing can be written any more. Returns how many were settled that the broker was not told of.
    pub(super) fn cut(&mut self) -> u64 {
        let writing = self.writing.take().map_or(0, |write| write.told.all());
        writing + (self.ledger.waiting() + self.give_back.len()) as u64
    }

    /// Writes what can be written, one batch at a time. Ready with what the broker was told whenever a
    /// batch was written. With `more` under way, a batch may wait for it; the caller polls again. After
    /// an error there is only [`cut`](Self::cut): what was not written counts as untold there.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        more: bool,
        find: Find<'_>,
    ) -> Poll<lapin::Result<Told>> {
        let begins = self.writing.is_none() && !(more && self.may_wait());
        if begins {
            self.waiting_since = None;
            self.writing = self.next_write(cx, find);
        }
        let Some(writing) = &mut self.writing else {
            return Poll::Pending;
        };
        let done = writing.done.as_mut().poll(cx);
        if begins {
            self.bell.ring();
        }
        let Poll::Ready(result) = done else {
            return Poll::Pending;
        };
        let told = writing.told;
        if result.is_ok() {
            self.writing = None;
        }
        Poll::Ready(result.map(|()| told))
    }

    /// Whether there is little to write, and it has not waited long.
    fn may_wait(&mut self) -> bool {
        if !self.give_back.is_empty() || self.ledger.waiting() >= self.many {
            return false;
        }
        if self.ledger.waiting() == 0 {
            return true;
        }
        let since = self.waiting_since.get_or_insert_with(Instant::now);
        since.elapsed() < MOMENT
    }

    /// The contiguous finished prefix as one ack; what finished behind an unfinished message joins it
    /// when it has waited enough.
    fn next_write(&mut self, cx: &mut Context<'_>, find: Find<'_>) -> Option<Write> {
        let mut acks: Vec<Ack> = self.ledger.next_ack().into_iter().collect();
        let stragglers = self.stragglers.poll_due(cx, &self.ledger, find);
        if stragglers.is_ready() {
            acks.extend(std::iter::from_fn(|| self.ledger.next_straggler()));
        }
        let give_back = std::mem::take(&mut self.give_back);
        if acks.is_empty() && give_back.is_empty() {
            return None;
        }
        let told = Told {
            acked: acks.iter().map(|ack| u64::from(ack.count)).sum(),
            given_back: give_back.len() as u64,
        };
        let channel = self.channel.clone();
        let done: LocalBoxFuture<'static, lapin::Result<()>> = match (&acks[..], &give_back[..]) {
            (&[Ack { tag, multiple, .. }], &[]) => {
                Box::pin(async move { channel.basic_ack(tag, BasicAckOptions { multiple }).await })
            }
            _ => Box::pin(async move {
                // Polled in this order, so written in this order.
                let acks = acks.iter().map(|&Ack { tag, multiple, .. }| {
                    channel.basic_ack(tag, BasicAckOptions { multiple })
                });
                let requeue = BasicNackOptions {
                    requeue: true,
                    multiple: false,
                };
                let nacks = give_back
                    .iter()
                    .map(|tag| channel.basic_nack(*tag, requeue));
                try_join(try_join_all(acks), try_join_all(nacks))
                    .await
                    .map(drop)
            }),
        };
        Some(Write { told, done })
    }
}
