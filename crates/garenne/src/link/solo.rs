//! Exclusive use of a link: a message that may have ended the last link is tried while no other message is in
//! flight.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The messages in flight on a link, over all its confirm channels, and the channel that wants the link
/// alone.
#[derive(Debug, Default)]
pub(crate) struct Solo {
    in_flight: AtomicUsize,
    /// The number of the channel that has asked for the link; 0: none has.
    soloist: AtomicU64,
}

impl Solo {
    /// Counts a published message.
    pub(crate) fn starts(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts messages that are answered, or whose channel has ended while the link has not.
    pub(crate) fn landed(&self, count: usize) {
        self.in_flight.fetch_sub(count, Ordering::AcqRel);
    }

    /// How many messages are in flight, or were when the link ended.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Whether this channel may publish any message: no other channel has asked for the link.
    pub(crate) fn is_free_for(&self, channel: u64) -> bool {
        let soloist = self.soloist.load(Ordering::Acquire);
        soloist == 0 || soloist == channel
    }

    /// Asks for the link. Returns whether this channel has it: the other channels then publish no more, and
    /// their messages in flight are answered.
    pub(crate) fn ask(&self, channel: u64) -> bool {
        let before = self
            .soloist
            .compare_exchange(0, channel, Ordering::AcqRel, Ordering::Acquire);
        before.is_ok() || before == Err(channel)
    }

    /// Gives the link back, if this channel has it.
    pub(crate) fn release(&self, channel: u64) {
        let _ = self
            .soloist
            .compare_exchange(channel, 0, Ordering::AcqRel, Ordering::Acquire);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_link() {
        let solo = Solo::default();
        assert!(solo.is_free_for(1) && solo.ask(1) && solo.ask(1));
        assert!(solo.is_free_for(1) && !solo.is_free_for(2) && !solo.ask(2));
        solo.release(2);
        assert!(!solo.ask(2));
        solo.release(1);
        assert!(solo.ask(2));
    }
}
