//! Who is told when something goes wrong.

use std::time::Duration;

use super::SystemBuilder;
use crate::alert::AlertSetup;

/// How long an outage lasts before people are told: longer than a broker's restart takes, well below
/// the default window.
pub(super) const OUTAGE_ALERT_AFTER: Duration = Duration::from_secs(30);

impl SystemBuilder {
    /// Adds an alert: whoever it tells learns of messages that failed for good, of outages and their
    /// ends, of handlers and workers that died, and why the system stopped. Any number of them; each
    /// tells everything.
    ///
    /// It takes a factory of an actor that handles [`Alert`](crate::Alert), an [`AlertSetup`], or
    /// whatever becomes one, such as the `WebhookAlert` of `garenne-sinks`. The actor runs on a thread
    /// of its own; nothing waits for it. News about the same thing are counted and told together, no
    /// more often than its [`Pace`](garenne_core::alert::Pace) allows;
    /// [`Status::alerts`](crate::status::Status::alerts) counts what was told, and what could not be.
    ///
    /// An alert is not a store: what must not be lost goes to the [fail sink](Self::fail_sink).
    ///
    /// When the system stops, what is untold is told at once. That may delay the end by up to 5 s
    /// from the beginning of the stop, and by up to 2 s after handlers have finished; whatever is
    /// untold then is counted, logged and dropped. A configuration that [`build`](Self::build)
    /// refuses is told by nobody: nothing has been started, and whoever starts it sees the faults.
    pub fn alert(mut self, alert: impl Into<AlertSetup>) -> Self {
        self.alerts.push(alert.into());
        self
    }

    /// How long an outage lasts before the alerts tell of it: 30 s by default. Its end is told if its
    /// beginning was.
    ///
    /// Too short, and every restart of the broker is an alert; longer than the
    /// [window](Self::outage_window), and the first that is told of an outage is that the system gave
    /// up. It is looked at once a second.
    pub fn outage_alert_after(mut self, after: Duration) -> Self {
        self.outage_alert_after = after;
        self
    }
}
