//! Confirms that have come and are not believed yet.

use super::flight::{FlightId, Verdict};

/// What has landed, before and after the marker that is under way.
#[derive(Default)]
pub(super) struct Landed {
    before_marker: Vec<(FlightId, Verdict)>,
    after_marker: Vec<(FlightId, Verdict)>,
    marker_under_way: bool,
}

impl Landed {
    pub(super) fn add(&mut self, id: FlightId, verdict: Verdict) {
        self.after_marker.push((id, verdict));
    }

    /// Whether a marker is to be sent, behind all that has landed.
    pub(super) fn wants_marker(&mut self) -> bool {
        if self.marker_under_way || self.after_marker.is_empty() {
            return false;
        }
        self.before_marker.append(&mut self.after_marker);
        self.marker_under_way = true;
        true
    }

    /// The marker has arrived: what landed before it can be believed.
    pub(super) fn marker_arrived(&mut self) {
        self.marker_under_way = false;
    }

    /// Takes what landed before the marker, in the order of starting: lapin completes the confirms of
    /// one ack in the order of a hash table, and whoever acks originals when their copies are
    /// confirmed can ack them together if in order.
    pub(super) fn take_before_marker(&mut self) -> Vec<(FlightId, Verdict)> {
        let mut landed = std::mem::take(&mut self.before_marker);
        landed.sort_unstable_by_key(|(id, _)| *id);
        landed
    }

    /// Takes all that has landed, likewise.
    pub(super) fn take_all(&mut self) -> Vec<(FlightId, Verdict)> {
        self.before_marker.append(&mut self.after_marker);
        self.take_before_marker()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(landed: Vec<(FlightId, Verdict)>) -> Vec<FlightId> {
        landed.into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn what_lands_in_any_order_is_believed_behind_a_marker_in_the_order_of_starting() {
        let mut landed = Landed::default();
        assert!(!landed.wants_marker(), "for nothing");
        for id in [5, 3, 4] {
            landed.add(id, Verdict::Ack);
        }
        assert!(landed.wants_marker());
        landed.add(2, Verdict::Nack);
        assert!(!landed.wants_marker(), "one at a time");
        landed.marker_arrived();
        assert_eq!(ids(landed.take_before_marker()), [3, 4, 5]);
        assert!(landed.wants_marker());
        landed.add(1, Verdict::Ack);
        assert_eq!(ids(landed.take_all()), [1, 2]);
    }
}
