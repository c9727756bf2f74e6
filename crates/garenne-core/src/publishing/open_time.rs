//! Time that passes only while the broker does not block publishers.

use std::time::Duration;

use crate::time::Moment;

/// Measures time while the broker does not block publishers. Confirms are waited for in this time: a broker
/// in alarm confirms nothing, and that is no fault of a message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OpenTime {
    /// What has passed before it was last started.
    passed: Duration,
    /// Since when it runs; `None` while it stands still.
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
