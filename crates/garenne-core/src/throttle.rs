//! What happens again and again is told now and then, with a count.

use std::time::Duration;

use crate::time::Moment;

/// How far apart events are told, once a burst is used up.
pub const EVERY: Duration = Duration::from_secs(1);

/// Thins out events of one kind: a burst of them is told as they come, then at most one a second.
///
/// Each event that is told carries how many were left out since the one that was told before it. A
/// second without an event gives one place of the burst back. So what happens now and then is told
/// in full, and a loop neither floods a log nor hides in it.
///
/// Too small a burst hides what belongs to an ordinary event (ten workers that subscribe after one
/// loss); too large a one fills the log before the thinning begins.
#[derive(Clone, Debug)]
pub struct Throttle {
    /// How long events may be ahead of one a second.
    ahead: Duration,
    /// When all that was told would have been told at one a second.
    caught_up: Moment,
    left_out: u64,
}

impl Throttle {
    /// Tells `burst` events as they come; 0 counts as 1.
    #[must_use]
    pub const fn new(burst: u32) -> Self {
        Self {
            ahead: EVERY.saturating_mul(burst.saturating_sub(1)),
            caught_up: Moment::from_origin(Duration::ZERO),
            left_out: 0,
        }
    }

    /// Something happened. `Some` if it is to be told, with the number of those that were left out
    /// since one was told.
    pub fn happened(&mut self, now: Moment) -> Option<u64> {
        let caught_up = self.caught_up.max(now);
        if caught_up.saturating_since(now) > self.ahead {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.caught_up = caught_up + EVERY;
        Some(std::mem::take(&mut self.left_out))
    }
}
