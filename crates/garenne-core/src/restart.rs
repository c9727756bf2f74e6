//! How many restarts are too many.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Moment;

/// Allows a limited number of restarts in a stretch of time; the default is 5 in 10 s.
///
/// Another restart does not help a child that dies faster than that: the system stops, and its process
/// manager decides. When the number is too low, a single bad message at a bad time stops the service. When it
/// is too high, the service uses a whole core for restarts and does not report the trouble.
#[derive(Clone, Debug)]
pub struct RestartLimit {
    times: usize,
    within: Duration,
    recent: VecDeque<Moment>,
}

impl RestartLimit {
    /// Allows `times` restarts in any stretch of time of length `within`; 0 allows none.
    #[must_use]
    pub const fn new(times: usize, within: Duration) -> Self {
        Self {
            times,
            within,
            recent: VecDeque::new(),
        }
    }

    /// Whether another restart is allowed now; if so, it is counted.
    pub fn allow(&mut self, now: Moment) -> bool {
        while self
            .recent
            .front()
            .is_some_and(|&past| now.saturating_since(past) >= self.within)
        {
            self.recent.pop_front();
        }
        let allowed = self.recent.len() < self.times;
        if allowed {
            self.recent.push_back(now);
        }
        allowed
    }
}

impl Default for RestartLimit {
    fn default() -> Self {
        Self::new(5, Duration::from_secs(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::DurationExt;

    #[test]
    fn the_sixth_restart_within_ten_seconds_is_one_too_many() {
        let mut limit = RestartLimit::default();
        let start = Moment::default();
        assert!((0..5).all(|second| limit.allow(start + second.secs())));
        assert!(!limit.allow(start + 9.secs()));
    }

    #[test]
    fn restarts_that_are_far_enough_apart_are_never_too_many() {
        let mut limit = RestartLimit::default();
        assert!((0..1000_u64).all(|n| limit.allow(Moment::default() + (2 * n).secs())));
    }

    #[test]
    fn a_refused_restart_is_not_counted() {
        let mut limit = RestartLimit::new(1, 10.secs());
        let start = Moment::default();
        assert!(limit.allow(start));
        assert!(!limit.allow(start + 9.secs()));
        assert!(limit.allow(start + 10.secs()));
    }

    #[test]
    fn a_limit_of_zero_allows_nothing() {
        assert!(!RestartLimit::new(0, 10.secs()).allow(Moment::default()));
    }
}
