//! Alerts: the part of the builder.

use std::time::Duration;

use super::SystemBuilder;
use crate::alert::AlertSetup;

/// How long an outage lasts before the alerts tell of it: longer than a broker's restart, well below the
/// default window.
pub(super) const OUTAGE_ALERT_AFTER: Duration = Duration::from_secs(30);

impl SystemBuilder {
    /// Adds an alert. It tells people of messages that failed permanently, of outages and their ends, of
    /// handlers and workers that died, and why the system stopped. You may add any number of alerts; each
    /// tells everything.
    ///
    /// It takes the factory of an actor that handles [`Alert`](crate::Alert), an [`AlertSetup`], or any
    /// type that becomes an `AlertSetup`, for example the `WebhookAlert` of `garenne-sinks`. The actor runs
    /// on a thread of its own; nothing waits for it. News about the same subject is counted and told
    /// together, no more often than the alert's [`Pace`](garenne_core::alert::Pace) allows.
    /// [`Status::alerts`](crate::status::Status::alerts) counts the news that was told, and the news that
    /// could not be told.
    ///
    /// An alert is not a store: data that must not be lost goes to the [fail sink](Self::fail_sink).
    ///
    /// When the system stops, untold news is told at once. That may delay the end by up to 5 s from the
    /// beginning of the stop, and by up to 2 s after handlers have finished; news that is still untold then
    /// is counted, logged and dropped. Alerts do not tell of a configuration that [`build`](Self::build)
    /// refuses: nothing has been started, and the person who starts the service sees the faults.
    pub fn alert(mut self, alert: impl Into<AlertSetup>) -> Self {
        self.alerts.push(alert.into());
        self
    }

    /// How long an outage lasts before the alerts tell of it: 30 s by default. Its end is told if its
    /// beginning was.
    ///
    /// Too short: every restart of the broker is an alert. Longer than the [window](Self::outage_window):
    /// the first news of an outage is that the system gave up. The outage is checked once a second.
    pub fn outage_alert_after(mut self, after: Duration) -> Self {
        self.outage_alert_after = after;
        self
    }
}
