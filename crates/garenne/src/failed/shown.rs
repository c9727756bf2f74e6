//! Which messages of a parking queue are copies of messages that this reader has shown already.
//!
//! A copy goes to the end of its queue. Whoever reads on reaches it, and must not show it as another
//! message. A copy has nothing of its own that says so, because it is the message as it was. So it is
//! recognised by all that it consists of. Messages that are equal in all of that are counted and not told
//! apart: each of them is as good as the others.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use garenne_core::Properties;

use super::parked::DELIVERY_COUNT;

/// The copies that lie behind in their queues.
#[derive(Default)]
pub(super) struct Shown {
    /// With keys that no producer knows: none can make two messages that look the same here.
    hasher: RandomState,
    copies: HashMap<u64, u32>,
}

impl Shown {
    /// What a message in this parking queue is recognised by.
    pub(super) fn print(&self, parking: &str, properties: &Properties, body: &[u8]) -> u64 {
        let mut properties = properties.clone();
        // The broker writes it when the message comes back.
        properties.headers.remove(DELIVERY_COUNT);
        let mut bytes = Vec::new();
        properties.encode(&mut bytes);
        self.hasher.hash_one((parking, bytes, body))
    }

    /// A copy of a message that was shown is on its way.
    pub(super) fn add(&mut self, print: u64) {
        *self.copies.entry(print).or_default() += 1;
    }

    /// Whether such a copy was on its way; it is no longer.
    pub(super) fn take(&mut self, print: u64) -> bool {
        let Some(copies) = self.copies.get_mut(&print) else {
            return false;
        };
        *copies -= 1;
        if *copies == 0 {
            self.copies.remove(&print);
        }
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.copies.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use garenne_core::Headers;

    use super::*;

    #[test]
    fn equal_copies_are_counted_and_the_brokers_count_makes_no_difference() {
        let mut shown = Shown::default();
        let plain = Properties {
            message_id: Some("m".into()),
            ..Properties::default()
        };
        let counted = Properties {
            headers: Headers::from([(DELIVERY_COUNT.into(), 3.into())]),
            ..plain.clone()
        };
        let print = shown.print("q.failed", &plain, b"x");
        assert_eq!(print, shown.print("q.failed", &counted, b"x"));
        for other in [
            shown.print("p.failed", &plain, b"x"),
            shown.print("q.failed", &plain, b"y"),
            shown.print("q.failed", &Properties::default(), b"x"),
        ] {
            assert_ne!(print, other);
        }
        shown.add(print);
        shown.add(print);
        assert!(shown.take(print) && shown.take(print) && !shown.take(print));
        assert!(shown.is_empty());
    }
}
