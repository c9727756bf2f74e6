//! One confirm channel's share of what is in flight on its link.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use garenne_core::publishing::SharedLink;

use super::replies::Replies;
use crate::link::Link;

/// One channel's share of what is in flight on its link.
pub(super) struct LinkShare {
    link: Arc<Link>,
    number: u64,
    /// How many of the link's messages in flight are this channel's.
    in_flight: usize,
    /// What comes over this channel and would come over no other, if its messages are requests.
    replies: Option<Replies>,
}

impl LinkShare {
    pub(super) fn of(link: &Arc<Link>, replies: Option<Replies>) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        Self {
            link: Arc::clone(link),
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            in_flight: 0,
            replies,
        }
    }
}

impl SharedLink for LinkShare {
    fn starts(&mut self) {
        self.in_flight += 1;
        self.link.solo.starts();
    }

    fn ends(&mut self) {
        self.in_flight -= 1;
        self.link.solo.landed(1);
    }

    fn in_flight(&self) -> usize {
        self.link.solo.in_flight()
    }

    fn ask(&mut self) -> bool {
        self.link.solo.ask(self.number)
    }

    fn release(&mut self) {
        self.link.solo.release(self.number);
    }

    fn is_free(&self) -> bool {
        self.link.solo.is_free_for(self.number)
    }

    fn awaits_replies(&self) -> bool {
        self.replies.as_ref().is_some_and(Replies::are_awaited)
    }
}

impl Drop for LinkShare {
    fn drop(&mut self) {
        self.release();
        // With the link, what was in flight stays counted: others look at it to see who was alone.
        if self.link.is_up() {
            self.link.solo.landed(self.in_flight);
        }
    }
}
