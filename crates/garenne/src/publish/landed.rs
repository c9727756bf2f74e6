//! Confirms that have come and are not believed yet.

use std::cmp::Reverse;

use super::flight::{FlightId, Verdict};

/// What has landed, before and after the mark that is under way.
#[derive(Default)]
pub(super) struct Landed {
    /// Once in order: the last one first.
    before_mark: Vec<(FlightId, Verdict)>,
    after_mark: Vec<(FlightId, Verdict)>,
    mark_under_way: bool,
}

impl Landed {
    pub(super) fn add(&mut self, id: FlightId, verdict: Verdict) {
        self.after_mark.push((id, verdict));
    }

    /// Whether a mark is to be set, behind all that has landed.
    pub(super) fn wants_mark(&mut self) -> bool {
        if self.mark_under_way || self.after_mark.is_empty() {
            return false;
        }
        self.before_mark.append(&mut self.after_mark);
        self.mark_under_way = true;
        true
    }

    /// The mark has come up: what landed before it can be believed.
    pub(super) fn mark_came_up(&mut self) {
        self.mark_under_way = false;
        self.put_in_order();
    }

    /// Nothing is in flight any more: all can be believed.
    pub(super) fn all_have_landed(&mut self) {
        self.before_mark.append(&mut self.after_mark);
        self.put_in_order();
    }

    /// lapin completes the confirms of one ack in the order of a hash table, and whoever acks originals
    /// when their copies are confirmed can ack them together if in order.
    fn put_in_order(&mut self) {
        self.before_mark
            .sort_unstable_by_key(|(id, _)| Reverse(*id));
    }

    /// Takes the next one that can be believed, in the order of starting.
    pub(super) fn pop(&mut self) -> Option<(FlightId, Verdict)> {
        self.before_mark.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(landed: &mut Landed) -> Vec<u64> {
        let popped = std::iter::from_fn(|| landed.pop());
        popped.map(|(id, _)| id.number).collect()
    }

    fn id(number: u64) -> FlightId {
        FlightId { number, place: 0 }
    }

    #[test]
    fn what_lands_in_any_order_is_believed_behind_a_mark_in_the_order_of_starting() {
        let mut landed = Landed::default();
        assert!(!landed.wants_mark(), "for nothing");
        for number in [5, 3, 4] {
            landed.add(id(number), Verdict::Ack);
        }
        assert!(landed.wants_mark());
        landed.add(id(2), Verdict::Nack);
        assert!(!landed.wants_mark(), "one at a time");
        landed.mark_came_up();
        assert_eq!(numbers(&mut landed), [3, 4, 5]);
        assert!(landed.wants_mark());
        landed.add(id(1), Verdict::Ack);
        landed.all_have_landed();
        assert_eq!(numbers(&mut landed), [1, 2]);
    }
}
