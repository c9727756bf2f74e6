//! How much the broker writes on the copies of a queue's messages.

use std::time::Duration;

use super::Queue;
use crate::death::{self, Death, deaths_len, return_counts_len};
use crate::entity::QueueKind;

impl Queue {
    /// How many bytes the broker adds to the headers of a retry copy, at most, until it is handled
    /// or parked: where it waited, in the lane with this delay, and, on a quorum queue, how often it
    /// came back and that it died of that.
    ///
    /// A copy is worth sending only if it fits into one frame together with these: compare
    /// [`Properties::encoded_len`](crate::Properties::encoded_len) plus this with the connection's
    /// `frame_max` less 8. The broker accepts a larger one. But when it is due, it comes in a frame that
    /// is larger than was agreed, and many client libraries lose their connection over that.
    #[must_use]
    pub fn death_room(&self, delay: Duration) -> usize {
        let lane = self.lane_name(delay);
        let expired = Death {
            queue: &lane,
            exchange: "",
            routing_key: &lane,
            reason: death::EXPIRED,
        };
        let returned = Death {
            queue: self.name(),
            exchange: "",
            routing_key: self.name(),
            reason: death::DELIVERY_LIMIT,
        };
        match self.kind() {
            QueueKind::Quorum => deaths_len(&[expired, returned]) + return_counts_len(),
            QueueKind::Classic => deaths_len(&[expired]),
        }
    }
}
