//! The broker's clock: real time, plus what a test added.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// A thousand years: nobody waits longer, and every sum of two times still fits.
const FARTHEST: Duration = Duration::from_secs(1000 * 365 * 24 * 3600);

/// Runs with real time and can be pushed forward, never back.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    ahead: Cell<Duration>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            ahead: Cell::new(Duration::ZERO),
        }
    }

    /// The time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed().saturating_add(self.ahead.get())
    }

    /// Pushes the clock, but not beyond what numbers can hold.
    pub(crate) fn advance(&self, by: Duration) {
        self.ahead
            .set(self.ahead.get().saturating_add(by).min(FARTHEST));
    }

    /// How long until a moment comes by itself.
    pub(crate) fn until(&self, due: Duration) -> Duration {
        due.saturating_sub(self.now())
    }
}
