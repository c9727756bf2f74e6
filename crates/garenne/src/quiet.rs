//! Limits the log of repeated events: they are logged from time to time, with a count.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use garenne_core::{Moment, Throttle};

/// This many events of one kind are logged as they come, and two more for each of the workers behind them.
/// That covers all events of a start, and a loss soon after it.
const BURST: u32 = 5;

/// Events of one kind about the same subject: a link, a queue.
#[derive(Debug)]
pub(crate) struct Quiet {
    began: Instant,
    throttle: Mutex<Throttle>,
}

impl Quiet {
    /// For events that `many` workers (of a queue) cause together.
    pub(crate) fn of(many: u16) -> Self {
        Self {
            began: Instant::now(),
            throttle: Mutex::new(Throttle::new(BURST + 2 * u32::from(many))),
        }
    }

    /// Something happened. Calls `log` unless it happens too often. `log` gets the number of the events
    /// that were left out since the last logged event, if there are any: the event's field `repeated`.
    pub(crate) fn log(&self, log: impl FnOnce(Option<u64>)) {
        let now = Moment::from_origin(self.began.elapsed());
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        let told = throttle.happened(now);
        drop(throttle);
        if let Some(left_out) = told {
            log(Some(left_out).filter(|left_out| *left_out > 0));
        }
    }
}

impl Default for Quiet {
    fn default() -> Self {
        Self::of(1)
    }
}

/// A duration as events have it.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The limits for the log of a queue's subscriptions, shared by all of its workers.
#[derive(Debug)]
pub(crate) struct QueueLog {
    pub(crate) consuming: Quiet,
    pub(crate) cut_off: Quiet,
    pub(crate) cancelled: Quiet,
    pub(crate) lost: Quiet,
    pub(crate) refused: Quiet,
}

impl QueueLog {
    pub(crate) fn new(workers: u16) -> Self {
        let quiet = || Quiet::of(workers);
        Self {
            consuming: quiet(),
            cut_off: quiet(),
            cancelled: quiet(),
            lost: quiet(),
            refused: quiet(),
        }
    }
}
