//! How many bytes the broker adds to the copies of a queue's messages.

use std::time::Duration;

use super::Queue;
use crate::death::{self, Death, deaths_len, return_counts_len};
use crate::entity::QueueKind;

impl Queue {
    /// The most bytes that the broker adds to the headers of a retry copy until it is handled or parked. The
    /// broker adds the lane with this delay, where the copy waited; on a quorum queue it also adds the number
    /// of returns and the death by the delivery limit.
    ///
    /// A copy is worth sending only if it fits into a frame together with these bytes: compare
    /// [`Properties::encoded_len`](crate::Properties::encoded_len) plus this number with the connection's
    /// `frame_max` less 8. The broker accepts a larger copy. But after its delay that copy comes in a frame
    /// that is larger than agreed, and many client libraries then lose their connection.
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
