//! The messages that may have ended a link.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::in_flight::AsItIs;
use super::message::MessageKey;

/// How often a message may end a link on which no other message is in flight.
const CHANCES: u8 = 2;

/// The most suspects that are remembered. Further suspects are published again like any other message.
const REMEMBERED: usize = 1024;

/// The messages that may have ended a link, across all channels.
///
/// RabbitMQ ends the whole connection because of a message that it cannot read, and does not name the
/// message. So every message that was in flight then is a suspect. A suspect is published again with no other
/// message in flight on the link. A message that ends a link in that state twice is not sent again.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// How often each message has ended a link alone.
    counts: HashMap<MessageKey, u8, BuildHasherDefault<AsItIs>>,
}

impl Suspects {
    pub(super) fn contains(&self, key: MessageKey) -> bool {
        !self.counts.is_empty() && self.counts.contains_key(&key)
    }

    pub(super) fn are_none(&self) -> bool {
        self.counts.is_empty()
    }

    /// The broker took the message, or refused it without ending the link.
    pub(super) fn clear(&mut self, key: MessageKey) {
        if !self.counts.is_empty() {
            self.counts.remove(&key);
        }
    }

    /// A link ended with this message in flight.
    pub(super) fn accuse(&mut self, key: MessageKey) {
        if self.counts.len() < REMEMBERED || self.counts.contains_key(&key) {
            self.counts.entry(key).or_default();
        }
    }

    /// A link ended with only this message in flight. Returns whether that is enough.
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

/// Whether a link that ended with this code may have ended because of a message: the broker closed it over
/// the bytes that it read, or failed over them. Codes for an operator, a shutdown or the network accuse no
/// message.
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
