//! Why the system stopped, and the exit code for the process manager.

use std::fmt;

use crate::outage::GaveUp;
use crate::wire::readable;

/// Why the system stopped.
///
/// The exit codes are those of `sysexits.h`, which process managers can be configured for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// A stop was requested. Exit code 0.
    Requested,
    /// The outage window is over. Exit code 75: try again later.
    GaveUp(GaveUp),
    /// The configuration cannot work, on this side or on the broker's. Exit code 78: do not restart, correct
    /// it.
    Configuration(String),
    /// The framework itself cannot go on, for example when a child keeps dying. Exit code 70: restart, and
    /// report it.
    Internal(String),
}

impl StopReason {
    /// The exit code of the process.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Requested => 0,
            Self::Internal(_) => 70,
            Self::GaveUp(_) => 75,
            Self::Configuration(_) => 78,
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Requested => return f.write_str("stopped on request"),
            Self::GaveUp(gave_up) => gave_up.to_string(),
            Self::Configuration(fault) => format!("faulty configuration: {fault}"),
            Self::Internal(error) => format!("internal error: {error}"),
        };
        // The text quotes the broker, a panic or a variable, and `main` prints it.
        f.write_str(&readable(text.as_bytes()))
    }
}

impl std::error::Error for StopReason {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_requested_stop_is_a_success() {
        assert_eq!(StopReason::Requested.code(), 0);
        assert_eq!(StopReason::Configuration("no such vhost".into()).code(), 78);
        assert_eq!(
            StopReason::Internal("a child keeps dying".into()).code(),
            70
        );
    }

    #[test]
    fn people_are_told_why() {
        let reason = StopReason::Configuration("AMQP_URL is empty".into());
        assert_eq!(
            reason.to_string(),
            "faulty configuration: AMQP_URL is empty"
        );
    }
}
