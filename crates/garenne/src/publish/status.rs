//! The status of a publisher.

use std::sync::atomic::{AtomicU64, Ordering};

use super::room::Tally;
use crate::link::{LinkState, LinkWatch};

/// A snapshot of a publisher, from [`Publisher::status`](crate::Publisher::status). Its counts cover all
/// clones, since the publisher was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublisherStatus {
    /// The state of the publisher's link.
    pub link: LinkState,
    /// Messages that the publisher holds: they wait, or have no confirm yet.
    pub held: u64,
    /// The bytes of the held messages.
    pub held_bytes: u64,
    /// Messages that the broker confirmed.
    pub confirmed: u64,
    /// Messages whose send failed after the publisher had taken them in.
    pub failed: u64,
    /// How often a message was sent again that may have been stored before, because before its confirm came,
    /// the link or the channel was lost, or the channel was left because of its refusals. Each such message
    /// may be on the broker twice, with the same message id.
    pub possible_duplicates: u64,
    /// Replies that came when no request waited for them any more, and were discarded.
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
