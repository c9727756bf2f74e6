//! What may happen again and again is logged now and then, with a count.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use garenne_core::{Moment, Throttle};

/// So many events of one kind are logged as they come, and two more for each of those whom the thing has:
/// all of what a start makes, and a loss soon after it.
const BURST: u32 = 5;

/// Events of one kind about one thing: a link, a queue.
#[derive(Debug)]
pub(crate) struct Quiet {
    began: Instant,
    throttle: Mutex<Throttle>,
}

impl Quiet {
    /// For events that so many make together (the workers of a queue).
    pub(crate) fn of(many: u16) -> Self {
        Self {
            began: Instant::now(),
            throttle: Mutex::new(Throttle::new(BURST + 2 * u32::from(many))),
        }
    }

    /// Something happened. `log` is called unless it happens too often, with the number of those that
    /// were left out since the last one was logged, if any were: the event's field `repeated`.
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

/// What is logged of a queue's subscriptions, by all of its workers together.
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
