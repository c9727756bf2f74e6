//! Copies that a reader has put at the end of its parking queue, and recognises when it comes to them.
//!
//! A reader that reads on reaches the copies. It must not take the copy of a message that was handed out for
//! another message, and must not miss the copy of a message that was not handed out. Nothing in a copy marks
//! it, because it is the message unchanged. So the reader recognises a copy by its whole content. Messages
//! with equal content are counted and not told apart: they are interchangeable.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use garenne_core::Properties;

use super::parked::{DELIVERY_COUNT, Parked};

/// The message that a copy replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CopyOf {
    /// A message that was handed out.
    Seen,
    /// A message that was not handed out; the reader is to hand its copy out.
    Unseen,
}

/// The copies at the end of the queue.
#[derive(Default)]
pub(super) struct Copies {
    /// Its keys are random, so no producer can make two messages with the same hash.
    hasher: RandomState,
    of_seen: HashMap<u64, u32>,
    of_unseen: HashMap<u64, u32>,
    unseen: usize,
}

impl Copies {
    /// The hash that identifies a message in this parking queue.
    pub(super) fn print(&self, parking: &str, properties: &Properties, body: &[u8]) -> u64 {
        let mut properties = properties.clone();
        // The broker writes this header when the message comes back.
        properties.headers.remove(DELIVERY_COUNT);
        let mut bytes = Vec::new();
        properties.encode(&mut bytes);
        self.hasher.hash_one((parking, bytes, body))
    }

    /// Counts a copy in flight.
    pub(super) fn add(&mut self, of: CopyOf, print: u64) {
        self.unseen += usize::from(of == CopyOf::Unseen);
        *self.map(of).entry(print).or_default() += 1;
    }

    /// Removes a copy with this hash; `false`: none was counted.
    pub(super) fn take(&mut self, of: CopyOf, print: u64) -> bool {
        let Some(copies) = self.map(of).get_mut(&print) else {
            return false;
        };
        *copies -= 1;
        if *copies == 0 {
            self.map(of).remove(&print);
        }
        self.unseen -= usize::from(of == CopyOf::Unseen);
        true
    }

    /// Whether a message that the reader comes to is a counted copy. Each copy is recognised once.
    ///
    /// A copy that no other reader has read was never handed out. So among the first messages of the queue, a
    /// message that was handed out before is never taken for a copy, even if they are equal. After these, it
    /// may be the copy of a message that was not handed out here, and that another reader held meanwhile.
    pub(super) fn meet(
        &mut self,
        parking: &str,
        parked: &Parked,
        is_first: bool,
    ) -> Option<CopyOf> {
        if self.is_empty() || (parked.is_redelivered && is_first) {
            return None;
        }
        let print = parked.print(parking, self);
        if self.take(CopyOf::Unseen, print) {
            return Some(CopyOf::Unseen);
        }
        let is_fresh = !parked.is_redelivered;
        (is_fresh && self.take(CopyOf::Seen, print)).then_some(CopyOf::Seen)
    }

    /// How many copies are to be handed out.
    pub(super) fn unseen(&self) -> usize {
        self.unseen
    }

    /// Stops waiting for copies of messages that were not handed out.
    pub(super) fn forget_unseen(&mut self) {
        self.of_unseen.clear();
        self.unseen = 0;
    }

    fn is_empty(&self) -> bool {
        self.of_seen.is_empty() && self.of_unseen.is_empty()
    }

    fn map(&mut self, of: CopyOf) -> &mut HashMap<u64, u32> {
        match of {
            CopyOf::Seen => &mut self.of_seen,
            CopyOf::Unseen => &mut self.of_unseen,
        }
    }
}

#[cfg(test)]
mod tests {
    use garenne_core::Headers;

    use super::*;

    #[test]
    fn equal_copies_are_counted_and_the_brokers_count_makes_no_difference() {
        let mut copies = Copies::default();
        let plain = Properties {
            message_id: Some("m".into()),
            ..Properties::default()
        };
        let counted = Properties {
            headers: Headers::from([(DELIVERY_COUNT.into(), 3.into())]),
            ..plain.clone()
        };
        let print = copies.print("q.failed", &plain, b"x");
        assert_eq!(print, copies.print("q.failed", &counted, b"x"));
        for other in [
            copies.print("p.failed", &plain, b"x"),
            copies.print("q.failed", &plain, b"y"),
            copies.print("q.failed", &Properties::default(), b"x"),
        ] {
            assert_ne!(print, other);
        }
        for of in [CopyOf::Seen, CopyOf::Unseen] {
            copies.add(of, print);
            copies.add(of, print);
            assert!(copies.take(of, print) && copies.take(of, print) && !copies.take(of, print));
            assert!(copies.is_empty() && copies.unseen() == 0);
        }
        copies.add(CopyOf::Unseen, print);
        assert_eq!(copies.unseen(), 1);
        copies.forget_unseen();
        assert!(copies.is_empty() && copies.unseen() == 0);
    }
}
