//! Who of its queue's consumers gets messages, as far as this process knows.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::link::Consumers;

/// What is known of one queue. Its workers share it, and every declare may know better.
#[derive(Debug, Default)]
pub(crate) struct Sharing(AtomicU8);

const UNKNOWN: u8 = 0;
const ALL: u8 = 1;
const SINGLE_ACTIVE: u8 = 2;

impl Sharing {
    /// Takes in what somebody has seen. Who has seen nothing does not know better.
    pub(crate) fn learn(&self, consumers: Consumers) {
        let seen = match consumers {
            Consumers::All => ALL,
            Consumers::SingleActive => SINGLE_ACTIVE,
            Consumers::Unknown => return,
        };
        self.0.store(seen, Ordering::Relaxed);
    }

    /// The queue may be another one now.
    pub(crate) fn forget(&self) {
        self.0.store(UNKNOWN, Ordering::Relaxed);
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.0.load(Ordering::Relaxed) == UNKNOWN
    }

    /// Whether only one consumer may get messages. Then its subscription is not ended while it holds
    /// messages: that would hand the queue to another one, which would begin before this one is done.
    pub(crate) fn may_be_single(&self) -> bool {
        self.0.load(Ordering::Relaxed) != ALL
    }
}
