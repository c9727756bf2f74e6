//! The lane in which a message waits for a requested delay.

use std::time::Duration;

use crate::duration::round_up_to_millis;
use crate::retry::Retry;

/// The shortest delay of a lane: a broker's TTL counts whole milliseconds.
pub const MIN_DELAY: Duration = Duration::from_millis(1);

/// The longest delay of a lane, 49 days: RabbitMQ refuses an `x-message-ttl` of 2^32 ms or more.
pub const MAX_DELAY: Duration = Duration::from_millis(u32::MAX as u64);

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The delays that a requested delay is rounded up to, in milliseconds.
const LADDER: [u64; 27] = [
    100,
    200,
    500,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    20 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    4 * HOUR,
    8 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    4 * DAY,
    7 * DAY,
    14 * DAY,
    24 * DAY,
];

/// The delay of the lane that a message waits in when its handler asked for `wanted`.
///
/// A delay of the policy is taken as it is. Any other delay is rounded up to the ladder 100, 200, 500 ms; 1,
/// 2, 5, 10, 15, 20, 30 s; 1, 2, 5, 10, 15, 30 min; 1, 2, 4, 8, 12, 24 h; 2, 4, 7, 14, 24 days. A delay past
/// the top becomes the top. Every delay is a queue on the broker, and handlers compute delays, so without the
/// ladder the number of queues would have no bound.
#[must_use]
pub fn lane_for(wanted: Duration, policy: &Retry) -> Duration {
    let wanted = round_up_to_millis(wanted);
    if policy.lanes().contains(&wanted) {
        return wanted;
    }
    let top = LADDER[LADDER.len() - 1];
    let step = LADDER
        .into_iter()
        .find(|&step| Duration::from_millis(step) >= wanted);
    Duration::from_millis(step.unwrap_or(top))
}

/// The longest delay that [`lane_for`] gives outside the policy.
pub(crate) const LADDER_TOP: Duration = Duration::from_millis(24 * DAY);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::DurationExt;

    #[test]
    fn a_delay_of_the_policy_is_taken_as_it_is() {
        let policy = Retry::delays([3.secs(), 7.secs()]);
        assert_eq!(lane_for(3.secs(), &policy), 3.secs());
        assert_eq!(lane_for(7.secs(), &policy), 7.secs());
    }

    #[test]
    fn any_other_delay_is_rounded_up_to_the_ladder() {
        let policy = Retry::every(3.secs());
        let cases = [
            (Duration::ZERO, 100.millis()),
            (101.millis(), 200.millis()),
            (1.secs(), 1.secs()),
            (1001.millis(), 2.secs()),
            (2500.millis(), 5.secs()),
            (25.hours(), 48.hours()),
        ];
        for (wanted, expected) in cases {
            assert_eq!(lane_for(wanted, &policy), expected, "{wanted:?}");
        }
    }

    #[test]
    fn past_the_top_of_the_ladder_the_top_is_taken() {
        assert_eq!(lane_for(Duration::MAX, &Retry::none()), LADDER_TOP);
    }

    #[test]
    fn the_ladder_only_rises_and_stays_within_what_a_lane_can_be() {
        assert!(LADDER.is_sorted_by(|a, b| a < b));
        assert!(LADDER.len() <= 30);
        assert_eq!(Duration::from_millis(LADDER[LADDER.len() - 1]), LADDER_TOP);
        assert!(MIN_DELAY <= Duration::from_millis(LADDER[0]) && LADDER_TOP <= MAX_DELAY);
    }
}
