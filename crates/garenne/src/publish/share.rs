//! A confirm channel's share of the messages in flight on its link.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use garenne_core::publishing::SharedLink;

use super::replies::Replies;
use crate::link::Link;

/// A channel's share of the messages in flight on its link.
pub(super) struct LinkShare {
    link: Arc<Link>,
    number: u64,
    /// How many of the link's messages in flight belong to this channel.
    in_flight: usize,
    /// The replies that can only come over this channel, if its messages are requests.
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
        // When the link is lost, its messages in flight stay counted: the other channels need to know which
        // was alone.
        if self.link.is_up() {
            self.link.solo.landed(self.in_flight);
        }
    }
}
