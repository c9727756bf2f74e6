//! How many calls the receiver of alerts takes.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Moment;

/// At most `calls` calls in any stretch of time of length `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimit {
    /// How many calls; from 1 to 10,000.
    pub calls: u32,
    /// The length of the stretch of time; above zero.
    pub per: Duration,
}

/// The calls that still count against a limit.
///
/// A call arrives at some moment between its beginning and its end. It counts from its end, so that the
/// receiver, which counts arrivals, never sees more than the limit.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    limit: CallLimit,
    recent: VecDeque<Moment>,
}

impl Calls {
    pub(super) const fn new(limit: CallLimit) -> Self {
        Self {
            limit,
            recent: VecDeque::new(),
        }
    }

    /// When the next call may begin, with `reserve` calls kept back; `now`, if it may begin at once.
    pub(super) fn next(&mut self, now: Moment, reserve: u32) -> Moment {
        while self
            .recent
            .front()
            .is_some_and(|&call| now >= call + self.limit.per)
        {
            self.recent.pop_front();
        }
        let allowed = self.limit.calls.saturating_sub(reserve).max(1) as usize;
        match self.recent.len().checked_sub(allowed) {
            None => now,
            Some(over) => self.recent[over] + self.limit.per,
        }
    }

    pub(super) fn begin(&mut self, now: Moment) {
        self.recent.push_back(now);
    }

    pub(super) fn end(&mut self, now: Moment) {
        if let Some(last) = self.recent.back_mut() {
            *last = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::DurationExt;

    fn at(second: u64) -> Moment {
        Moment::default() + second.secs()
    }

    #[test]
    fn a_call_counts_from_its_end() {
        let mut calls = Calls::new(CallLimit {
            calls: 2,
            per: 60.secs(),
        });
        calls.begin(at(0));
        calls.end(at(5));
        assert_eq!(calls.next(at(5), 0), at(5));
        calls.begin(at(6));
        assert_eq!(calls.next(at(6), 0), at(65));
        assert_eq!(calls.next(at(65), 0), at(65));
    }

    #[test]
    fn a_reserve_is_kept_unless_it_would_leave_nothing() {
        let mut calls = Calls::new(CallLimit {
            calls: 2,
            per: 60.secs(),
        });
        calls.begin(at(0));
        assert_eq!(calls.next(at(1), 1), at(60));
        assert_eq!(calls.next(at(1), 0), at(1));
        assert_eq!(calls.next(at(60), 9), at(60));
    }
}
