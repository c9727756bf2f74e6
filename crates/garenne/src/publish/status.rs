//! A publisher, seen from outside.

use std::sync::atomic::{AtomicU64, Ordering};

use super::room::Tally;
use crate::link::{LinkState, LinkWatch};

/// A snapshot of a publisher, from [`Publisher::status`](crate::Publisher::status). What is counted
/// is counted for all its clones, since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublisherStatus {
    /// The link that it publishes over.
    pub link: LinkState,
    /// Messages that it holds: waiting, or on their way to a confirm.
    pub held: u64,
    /// The bytes of those messages.
    pub held_bytes: u64,
    /// Messages that the broker confirmed.
    pub confirmed: u64,
    /// Messages whose send ended with an error after they had been taken in.
    pub failed: u64,
    /// How often a message was sent again that may have been stored before, because the link or the
    /// channel was lost, or left for what it refused, before its confirm came. Each may be on the broker twice, with one message id.
    pub possible_duplicates: u64,
    /// Replies that came when nobody waited for them any more, and were dropped.
    pub late_replies: u64,
}

impl PublisherStatus {
    pub(super) fn of(links: &LinkWatch, tally: &Tally) -> Self {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            link: LinkState::of(links.borrow().as_deref()),
            held: count(&tally.messages),
            held_bytes: count(&tally.bytes),
            confirmed: count(&tally.confirmed),
            failed: count(&tally.failed),
            possible_duplicates: count(&tally.possible_duplicates),
            late_replies: count(&tally.late_replies),
        }
    }
}
