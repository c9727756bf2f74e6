//! Which consumers of a queue get messages, as far as this process knows.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::link::Consumers;

/// What this process knows of a queue. The queue's workers share it, and every declare may update it.
#[derive(Debug, Default)]
pub(crate) struct Sharing(AtomicU8);

const UNKNOWN: u8 = 0;
const ALL: u8 = 1;
const SINGLE_ACTIVE: u8 = 2;

impl Sharing {
    /// Takes in what a declare has shown. A declare that has shown nothing changes nothing.
    pub(crate) fn learn(&self, consumers: Consumers) {
        let seen = match consumers {
            Consumers::All => ALL,
            Consumers::SingleActive => SINGLE_ACTIVE,
            Consumers::Unknown => return,
        };
        self.0.store(seen, Ordering::Relaxed);
    }

    /// The queue may have been replaced.
    pub(crate) fn forget(&self) {
        self.0.store(UNKNOWN, Ordering::Relaxed);
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.0.load(Ordering::Relaxed) == UNKNOWN
    }

    /// Whether perhaps only a single consumer gets messages. Then its subscription is not ended while it
    /// holds messages: that would hand the queue to another consumer, which would begin before this
    /// consumer is done.
    pub(crate) fn may_be_single(&self) -> bool {
        self.0.load(Ordering::Relaxed) != ALL
    }
}
