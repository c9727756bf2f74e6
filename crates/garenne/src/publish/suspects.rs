//! Which messages may be what ended a link.
//!
//! RabbitMQ ends the whole connection over a message that it cannot read, and does not say which one it
//! was. So every message that was on its way then is a suspect. A suspect is published again with
//! nothing else in flight on the link. What ends a link in that state twice is sent no more.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::job::{AsItIs, Key};
use crate::link::Link;

/// How often a message may end a link with nothing else on its way.
const CHANCES: u8 = 2;
/// How many suspects of one channel are remembered. Further ones are published again like any other message.
const REMEMBERED: usize = 1024;
/// How long a suspect waits until nothing else is in flight on the link. After that it is published all the same; if the
/// link ends while others are in flight, that does not count against it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The suspects of one confirm channel, across all links.
#[derive(Default)]
pub(super) struct Suspects {
    /// How often each has ended a link alone.
    counts: HashMap<Key, u8, BuildHasherDefault<AsItIs>>,
}

impl Suspects {
    pub(super) fn contains(&self, key: Key) -> bool {
        !self.counts.is_empty() && self.counts.contains_key(&key)
    }

    pub(super) fn are_none(&self) -> bool {
        self.counts.is_empty()
    }

    /// The broker took it, or refused it without ending anything.
    pub(super) fn cleared(&mut self, key: Key) {
        if !self.counts.is_empty() {
            self.counts.remove(&key);
        }
    }

    /// A link ended with these in flight.
    pub(super) fn suspect(&mut self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            if self.counts.len() < REMEMBERED || self.counts.contains_key(&key) {
                self.counts.entry(key).or_default();
            }
        }
    }

    /// A link ended with nothing but this in flight. Whether that is enough.
    pub(super) fn convict(&mut self, key: Key) -> bool {
        self.suspect([key]);
        let Some(count) = self.counts.get_mut(&key) else {
            return false;
        };
        *count += 1;
        let enough = *count >= CHANCES;
        if enough {
            self.counts.remove(&key);
        }
        enough
    }
}

/// One channel's share of what is in flight on its link.
pub(super) struct Share {
    link: Arc<Link>,
    number: u64,
    /// How many of the link's messages in flight are this channel's.
    in_flight: usize,
    /// Since when the link is asked for.
    asked: Option<Instant>,
}

impl Share {
    pub(super) fn of(link: &Arc<Link>) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        Self {
            link: Arc::clone(link),
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            in_flight: 0,
            asked: None,
        }
    }

    pub(super) fn starts(&mut self) {
        self.in_flight += 1;
        self.link.solo.starts();
    }

    pub(super) fn landed(&mut self) {
        self.in_flight -= 1;
        self.link.solo.landed(1);
    }

    /// Whether anything but a suspect may be published: nobody has asked for the link.
    pub(super) fn is_free(&self) -> bool {
        self.asked.is_none() && self.link.solo.is_free_for(self.number)
    }

    /// Whether a suspect may be published now. Asks for the link, and gets it when nothing else is in
    /// flight any more.
    pub(super) fn may_try(&mut self, now: Instant) -> bool {
        if !self.link.solo.ask(self.number) {
            return false;
        }
        let since = *self.asked.get_or_insert(now);
        let is_late = now.saturating_duration_since(since) >= PATIENCE;
        self.in_flight == 0 && (self.link.solo.in_flight() == 0 || is_late)
    }

    /// No suspect is on its way or waits any more.
    pub(super) fn release(&mut self) {
        if self.asked.take().is_some() {
            self.link.solo.release(self.number);
        }
    }

    /// Whether there was one message in flight on the whole link, this channel's.
    pub(super) fn was_alone(&self) -> bool {
        self.in_flight == 1 && self.link.solo.in_flight() == 1
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.release();
        // With the link, what was in flight stays counted: others look at it to see who was alone.
        if self.link.is_up() {
            self.link.solo.landed(self.in_flight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_two_links_alone_is_convicted_and_then_forgotten() {
        let mut suspects = Suspects::default();
        suspects.suspect([1, 2]);
        assert!(suspects.contains(1) && suspects.contains(2));
        assert!(!suspects.convict(1));
        suspects.suspect([1]);
        assert!(suspects.convict(1) && !suspects.contains(1));
        suspects.cleared(2);
        assert!(suspects.are_none());
    }

    #[test]
    fn what_the_broker_takes_begins_anew() {
        let mut suspects = Suspects::default();
        assert!(!suspects.convict(1));
        suspects.cleared(1);
        assert!(!suspects.convict(1));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut suspects = Suspects::default();
        suspects.suspect(0..10_000);
        assert_eq!(suspects.counts.len(), REMEMBERED);
    }
}
