//! Copies that a reader has put behind in its parking queue, recognised when it comes to them.
//!
//! A copy goes to the end of its queue. Whoever reads on reaches it. The copy of a message that was handed
//! out must not be taken for another message; the copy of a message that nobody has seen must not be missed.
//! A copy has nothing of its own that says so, because it is the message as it was. So it is recognised by
//! all that it consists of. Messages that are equal in all of that are counted and not told apart: each of
//! them is as good as the others.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use garenne_core::Properties;

use super::parked::{DELIVERY_COUNT, Parked};

/// Of which message a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CopyOf {
    /// Of one that was handed out.
    Seen,
    /// Of one that nobody has seen. The reader is to hand the copy out.
    Unseen,
}

/// The copies that lie behind.
#[derive(Default)]
pub(super) struct Copies {
    /// With keys that no producer knows: none can make two messages that look the same here.
    hasher: RandomState,
    of_seen: HashMap<u64, u32>,
    of_unseen: HashMap<u64, u32>,
    unseen: usize,
}

impl Copies {
    /// What a message in this parking queue is recognised by.
    pub(super) fn print(&self, parking: &str, properties: &Properties, body: &[u8]) -> u64 {
        let mut properties = properties.clone();
        // The broker writes it when the message comes back.
        properties.headers.remove(DELIVERY_COUNT);
        let mut bytes = Vec::new();
        properties.encode(&mut bytes);
        self.hasher.hash_one((parking, bytes, body))
    }

    /// A copy is on its way.
    pub(super) fn add(&mut self, of: CopyOf, print: u64) {
        self.unseen += usize::from(of == CopyOf::Unseen);
        *self.map(of).entry(print).or_default() += 1;
    }

    /// Whether such a copy was on its way; it is no longer.
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

    /// Whether a message that the reader comes to is such a copy. Each copy is recognised once.
    ///
    /// A copy that nobody else has read was never handed out. So a message that was handed out before is no
    /// copy, however like one it is. Once all messages have come that were in the queue at first, it may be
    /// the copy of a message that nobody has seen, which was in another reader's hands.
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

    /// No further copy of a message that nobody has seen is waited for.
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
