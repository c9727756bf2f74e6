//! Which messages may be what ended a link.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::in_flight::AsItIs;
use super::message::MessageKey;

/// How often a message may end a link with nothing else on its way.
const CHANCES: u8 = 2;

/// How many suspects of one channel are remembered. Further ones are published again like any other
/// message.
const REMEMBERED: usize = 1024;

/// The messages that may have ended a link, across all channels.
///
/// RabbitMQ ends the whole connection over a message that it cannot read, and does not say which one it
/// was. So every message that was on its way then is a suspect. A suspect is published again with nothing
/// else in flight on the link. What ends a link in that state twice is sent no more.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// How often each has ended a link alone.
    counts: HashMap<MessageKey, u8, BuildHasherDefault<AsItIs>>,
}

impl Suspects {
    pub(super) fn contains(&self, key: MessageKey) -> bool {
        !self.counts.is_empty() && self.counts.contains_key(&key)
    }

    pub(super) fn are_none(&self) -> bool {
        self.counts.is_empty()
    }

    /// The broker took it, or refused it without ending anything.
    pub(super) fn clear(&mut self, key: MessageKey) {
        if !self.counts.is_empty() {
            self.counts.remove(&key);
        }
    }

    /// A link ended with this in flight.
    pub(super) fn accuse(&mut self, key: MessageKey) {
        if self.counts.len() < REMEMBERED || self.counts.contains_key(&key) {
            self.counts.entry(key).or_default();
        }
    }

    /// A link ended with nothing but this in flight. Returns whether that is enough.
    pub(super) fn convict(&mut self, key: MessageKey) -> bool {
        self.accuse(key);
        let Some(count) = self.counts.get_mut(&key) else {
            return false;
        };
        *count += 1;
        let is_enough = *count >= CHANCES;
        if is_enough {
            self.counts.remove(&key);
        }
        is_enough
    }
}

/// Whether a link that ended with this code may have ended over a message: the broker has closed it
/// because of what it read, or failed over it. That operators, a shutdown or the network ended a link says
/// nothing about messages.
#[must_use]
pub const fn accuses(code: u16) -> bool {
    matches!(code, 501..=506 | 540 | 541)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_two_links_alone_is_convicted_and_then_forgotten() {
        let mut suspects = Suspects::default();
        suspects.accuse(1);
        suspects.accuse(2);
        assert!(suspects.contains(1) && suspects.contains(2));
        assert!(!suspects.convict(1));
        suspects.accuse(1);
        assert!(suspects.convict(1) && !suspects.contains(1));
        suspects.clear(2);
        assert!(suspects.are_none());
    }

    #[test]
    fn what_the_broker_takes_begins_anew() {
        let mut suspects = Suspects::default();
        assert!(!suspects.convict(1));
        suspects.clear(1);
        assert!(!suspects.convict(1));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut suspects = Suspects::default();
        for key in 0..10_000 {
            suspects.accuse(key);
        }
        assert_eq!(suspects.counts.len(), REMEMBERED);
    }
}
