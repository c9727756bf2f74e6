//! Time that passes only while the broker does not block publishers.

use std::time::Duration;

use crate::time::Moment;

/// Measures time while the broker does not block publishers. The wait for a confirm counts in this time: a
/// broker in alarm confirms no message, and that is not the message's fault.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OpenTime {
    /// The time that had passed when it was last started.
    passed: Duration,
    /// When it was last started; `None` while it is stopped.
    since: Option<Moment>,
}

impl OpenTime {
    pub(super) fn at(&self, now: Moment) -> Duration {
        let running = self.since.map(|since| now.saturating_since(since));
        self.passed.saturating_add(running.unwrap_or_default())
    }

    pub(super) fn set_running(&mut self, runs: bool, now: Moment) {
        self.passed = self.at(now);
        self.since = runs.then_some(now);
    }
}
