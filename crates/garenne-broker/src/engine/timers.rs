//! What is due when, on the broker's own clock.

use std::collections::BTreeMap;

use super::{ChannelKey, QueueId, Time};

/// What to do when a timer is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The message at the head of a queue expires.
    Head(QueueId),
    /// A queue has been unused for as long as it may.
    Expiry(QueueId),
    /// A quorum queue tries its dead letters again.
    Stranded(QueueId),
    /// A channel's oldest delivery has waited too long for its ack.
    Ack(ChannelKey),
}

/// When a timer is due, and a number that keeps those of the same moment in order.
pub(crate) type TimerKey = (Time, u64);

/// All timers, the next one first.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeMap<TimerKey, Timer>,
    next: u64,
}

impl Timers {
    pub(crate) fn add(&mut self, due: Time, timer: Timer) -> TimerKey {
        self.next += 1;
        let key = (due, self.next);
        self.due.insert(key, timer);
        key
    }

    pub(crate) fn cancel(&mut self, key: Option<TimerKey>) {
        if let Some(key) = key {
            self.due.remove(&key);
        }
    }

    pub(crate) fn next_due(&self) -> Option<Time> {
        self.due.first_key_value().map(|((due, _), _)| *due)
    }

    /// Takes the first timer that is due at `now`.
    pub(crate) fn pop(&mut self, now: Time) -> Option<(Time, Timer)> {
        let first = self.due.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let ((due, _), timer) = first.remove_entry();
        Some((due, timer))
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.due.len()
    }
}
