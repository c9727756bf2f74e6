//! The names of the queues that belong to a queue. Every name is made here and nowhere else.

use std::time::Duration;

use crate::duration::compact;
use crate::lane::LADDER_TOP;
use crate::retry::Retry;

/// The most bytes that a name may have: AMQP sends it as a short string.
pub(crate) const NAME_MAX: usize = 255;

pub(crate) fn parking(queue: &str) -> String {
    format!("{queue}.failed")
}

pub(crate) fn lane(queue: &str, delay: Duration) -> String {
    format!("{queue}.retry.{}", compact(delay))
}

/// Whether `name` is the name of a lane of the queue.
pub(crate) fn is_lane_of(queue: &str, name: &str) -> bool {
    let rest = name.strip_prefix(queue);
    rest.is_some_and(|rest| rest.starts_with(".retry."))
}

/// The retry queue in the wire contract of `golang-rabbitmq`, and the routing key it is bound with.
pub(crate) fn golang_retry(name: &str) -> String {
    format!("{name}_retry_3")
}

/// A delay queue in that contract.
pub(crate) fn golang_delay(queue: &str, seconds: u64) -> String {
    format!("{queue}_delay_{seconds}")
}

/// The most bytes that follow the queue's own name, under this policy.
pub(crate) fn longest_suffix(policy: &Retry) -> usize {
    let delays = policy.lanes().into_iter().chain([LADDER_TOP]);
    let lanes = delays.map(|delay| lane("", delay).len());
    lanes.chain([parking("").len()]).max().unwrap_or_default()
}
