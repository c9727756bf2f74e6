//! The rate of a replay.

use std::time::Duration;

use tokio::time::Instant;

/// Spreads sends evenly. After a pause it catches up on at most one second.
pub(super) struct Pace {
    every: Option<Duration>,
    due: Instant,
}

const CATCH_UP: Duration = Duration::from_secs(1);

impl Pace {
    /// At most this many sends a second; `None` is as fast as possible.
    pub(super) fn new(rate: Option<u32>) -> Self {
        let every = rate.map(|rate| Duration::from_secs(1) / rate.max(1));
        Self {
            every,
            due: Instant::now(),
        }
    }

    /// When the next send may begin.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Records that a send begins.
    pub(super) fn begun(&mut self) {
        if let Some(every) = self.every {
            let now = Instant::now();
            let oldest = now.checked_sub(CATCH_UP).unwrap_or(now);
            self.due = self.due.max(oldest) + every;
        }
    }
}
