//! Copies that a look has put behind in its parking queue, recognised when the look comes to them.
//!
//! A copy goes to the end of its queue, and the look reads on until it reaches the copy. The copy of a message
//! that was handed out must not be taken for another message. The copy of a message that was not handed out
//! must not be missed. So each copy carries a header with the look's own random number and with the kind of
//! the copy. Content cannot identify a copy: other messages may be equal to it, and a broker may stamp the
//! messages that it accepts.

use garenne_core::{Properties, Value};

use crate::publish::new_message_id;

/// The header that a copy carries. It means nothing outside of the look, and no record shows it.
const MARK: &str = "x-garenne-look";

/// The message that a copy replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CopyOf {
    /// Of a message that was handed out.
    Seen,
    /// Of a message that was not handed out. The look is to hand the copy out.
    Unseen,
}

/// The copies of one look that lie behind.
pub(super) struct Copies {
    /// The values of the header, which no producer can know.
    seen_mark: String,
    unseen_mark: String,
    seen: u64,
    unseen: usize,
}

impl Copies {
    pub(super) fn new() -> Self {
        let look = new_message_id();
        Self {
            seen_mark: format!("{look}/seen"),
            unseen_mark: format!("{look}/unseen"),
            seen: 0,
            unseen: 0,
        }
    }

    /// Marks a copy.
    pub(super) fn mark(&self, of: CopyOf, properties: &mut Properties) {
        let mark = match of {
            CopyOf::Seen => &self.seen_mark,
            CopyOf::Unseen => &self.unseen_mark,
        };
        let headers = &mut properties.headers;
        headers.insert(MARK.to_owned(), mark.as_str().into());
    }

    /// A copy is on its way.
    pub(super) fn add(&mut self, of: CopyOf) {
        match of {
            CopyOf::Seen => self.seen += 1,
            CopyOf::Unseen => self.unseen += 1,
        }
    }

    /// A copy is not in the queue, or the look has reached it.
    pub(super) fn take(&mut self, of: CopyOf) {
        match of {
            CopyOf::Seen => self.seen = self.seen.saturating_sub(1),
            CopyOf::Unseen => self.unseen = self.unseen.saturating_sub(1),
        }
    }

    /// Whether a message with this mark is a copy of this look. Each copy is met once.
    pub(super) fn meet(&mut self, mark: Option<&str>) -> Option<CopyOf> {
        let of = match mark? {
            mark if mark == self.seen_mark => CopyOf::Seen,
            mark if mark == self.unseen_mark => CopyOf::Unseen,
            _ => return None,
        };
        self.take(of);
        Some(of)
    }

    /// How many copies are to be handed out.
    pub(super) fn unseen(&self) -> usize {
        self.unseen
    }

    /// Ends the reading of a queue. Returns the number of copies that the look has not reached.
    pub(super) fn leave(&mut self) -> u64 {
        self.unseen = 0;
        std::mem::take(&mut self.seen)
    }
}

/// Removes the mark from a message, also that of another look.
pub(super) fn unmarked(properties: &mut Properties) -> Option<String> {
    match properties.headers.remove(MARK)? {
        Value::Text(mark) => Some(mark),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_known_by_its_mark_and_to_its_own_look_only() {
        let (mut one, mut other) = (Copies::new(), Copies::new());
        for of in [CopyOf::Seen, CopyOf::Unseen] {
            let mut copy = Properties::default();
            one.mark(of, &mut copy);
            one.add(of);
            let mark = unmarked(&mut copy);
            assert_eq!(copy, Properties::default());
            assert_eq!(other.meet(mark.as_deref()), None);
            assert_eq!(one.meet(mark.as_deref()), Some(of));
        }
        assert_eq!((one.unseen(), one.leave()), (0, 0));
        let mut forged = Properties::default();
        forged.headers.insert(MARK.to_owned(), 7.into());
        assert_eq!(unmarked(&mut forged), None);
        assert_eq!(forged, Properties::default());
        assert_eq!(one.meet(None), None);
    }

    #[test]
    fn a_look_that_leaves_waits_for_no_copy() {
        let mut copies = Copies::new();
        copies.add(CopyOf::Seen);
        copies.add(CopyOf::Unseen);
        assert_eq!(copies.unseen(), 1);
        assert_eq!(copies.leave(), 1);
        assert_eq!(copies.unseen(), 0);
    }
}
