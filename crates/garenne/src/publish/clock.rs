//! The clock of a publisher's task.

use std::future::pending;
use std::pin::Pin;
use std::time::{Duration, Instant};

use garenne_core::Moment;
use garenne_core::publishing::OutageWait;
use tokio::time::{Sleep, sleep_until};

use super::Patience;

/// Converts between the monotonic clock's instants and the task's moments.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    origin: Instant,
}

/// Wakes a task at given moments, in turn.
pub(super) struct Timer {
    clock: Clock,
    at: Moment,
    sleep: Pin<Box<Sleep>>,
}

impl Clock {
    /// A clock whose first moment is now.
    pub(super) fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    pub(super) fn now(self) -> Moment {
        self.moment(Instant::now())
    }

    pub(super) fn moment(self, at: Instant) -> Moment {
        Moment::from_origin(at.saturating_duration_since(self.origin))
    }

    /// The instant of this moment; a time that the clock cannot represent becomes a year.
    pub(super) fn instant(self, at: Moment) -> Instant {
        super::when_down::after(self.origin, at.saturating_since(Moment::default()))
    }

    pub(super) fn outage_wait(self, patience: Patience) -> OutageWait {
        match patience {
            Patience::Copy => OutageWait::Copy,
            Patience::FailFast => OutageWait::FailFast,
            Patience::Until(until) | Patience::Buffered { until, .. } => {
                OutageWait::Until(self.moment(until))
            }
        }
    }
}

impl Timer {
    pub(super) fn new(clock: Clock) -> Self {
        let at = Moment::from_origin(Duration::ZERO);
        let sleep = Box::pin(sleep_until(clock.instant(at).into()));
        Self { clock, at, sleep }
    }

    /// Waits until this moment; without a moment, for ever.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn until(&mut self, at: Option<Moment>) {
        let Some(at) = at else {
            return pending().await;
        };
        if at != self.at {
            self.at = at;
            self.sleep.as_mut().reset(self.clock.instant(at).into());
        }
        self.sleep.as_mut().await;
    }
}
