//! Repeated events are reported at intervals, with a count.

use std::time::Duration;

use crate::time::Moment;

/// The interval between reported events, once a burst is used up.
pub const EVERY: Duration = Duration::from_secs(1);

/// Thins out events of one kind: a burst of events is reported as they come, then at most one event a second.
///
/// Each reported event carries the number of events that were left out since the last report. A second
/// without an event gives one place of the burst back. So rare events are reported in full, and a loop
/// neither floods a log nor stays hidden in it.
///
/// When the burst is too small, it hides parts of an ordinary event (ten workers that subscribe after a
/// loss). When it is too large, it fills the log before the thinning begins.
#[derive(Clone, Debug)]
pub struct Throttle {
    /// How far reports may run ahead of one event a second.
    ahead: Duration,
    /// The time up to which the reported events would last at one a second.
    caught_up: Moment,
    left_out: u64,
}

impl Throttle {
    /// Reports `burst` events as they come; 0 counts as 1.
    #[must_use]
    pub const fn new(burst: u32) -> Self {
        Self {
            ahead: EVERY.saturating_mul(burst.saturating_sub(1)),
            caught_up: Moment::from_origin(Duration::ZERO),
            left_out: 0,
        }
    }

    /// An event happened. `Some` if it is to be reported, with the number of events that were left out since
    /// the last report.
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
