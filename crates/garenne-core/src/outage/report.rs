//! The reports of an outage.

use std::fmt;
use std::time::Duration;

use crate::duration::readable;
use crate::time::Moment;
use crate::window::OutageWindow;

/// The state of consumption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Consuming, and no outage.
    Stable,
    /// Consuming, but the outage is not over yet.
    Provisional {
        /// When consumption began.
        since: Moment,
    },
    /// Not consuming.
    Down {
        /// When the outage began: the first loss in it, not the latest.
        since: Moment,
    },
}

/// The next step after an attempt to reconnect has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// Try again after this pause. It never ends past the deadline.
    RetryAfter(Duration),
    /// The window is over.
    GiveUp(GaveUp),
}

/// An outage that is over; returned once, for the event that reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// From the first loss until consumption was stable.
    pub lasted: Duration,
    /// How many attempts to reconnect had failed.
    pub attempts: u32,
    /// How many times consumption was lost; 0 for a start that went well.
    pub losses: u32,
}

/// The current outage, for a status page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// When it began.
    pub since: Moment,
    /// How many attempts to reconnect have failed.
    pub attempts: u32,
    /// How many times consumption was lost.
    pub losses: u32,
    /// The last error; `None` at a start without any error yet.
    pub last_error: Option<String>,
}

/// Why the system stopped waiting for the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaveUp {
    /// The window that was over.
    pub window: OutageWindow,
    /// How long the outage had lasted.
    pub lasted: Duration,
    /// How many attempts to reconnect had failed.
    pub attempts: u32,
    /// How many times consumption was lost during the outage.
    pub losses: u32,
    /// The last error.
    pub last_error: String,
}

/// A fragment that fits behind "stopped: ": the cause, the duration, the attempts, the last error, and the
/// advice.
impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            window,
            lasted,
            attempts,
            losses,
            last_error,
        } = self;
        let lasted = readable(*lasted);
        write!(
            f,
            "gave up on the broker after {lasted} without stable consumption "
        )?;
        write!(
            f,
            "(outage window {window}, failed attempts {attempts}, losses {losses}); "
        )?;
        write!(f, "last error: {last_error}; ")?;
        f.write_str("if that takes longer to mend, allow a longer outage window")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn giving_up_says_what_happened_and_what_to_do() {
        let gave_up = GaveUp {
            window: OutageWindow::default(),
            lasted: Duration::from_micros(120_000_900),
            attempts: 9,
            losses: 1,
            last_error: "connection refused (127.0.0.1:5672)".into(),
        };
        insta::assert_snapshot!(gave_up, @"gave up on the broker after 2m without stable consumption (outage window 2m, failed attempts 9, losses 1); last error: connection refused (127.0.0.1:5672); if that takes longer to mend, allow a longer outage window");
    }
}
