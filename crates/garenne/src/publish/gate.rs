//! Whether the broker takes messages right now, as the senders see it.

use std::time::Duration;

use super::PublishError;

/// Whether the broker takes messages right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// It does, as far as is known; also before the first attempt to reach it.
    Open,
    /// There is no link, and why.
    Down(String),
    /// There is a link, and the broker blocks it, and why.
    Blocked(String),
}

impl Gate {
    pub(super) fn is_closed(&self) -> bool {
        *self != Self::Open
    }

    /// What a message is told that has waited long enough.
    pub(super) fn refusal(&self, sent: bool, waited: Duration) -> PublishError {
        match self {
            Self::Open => PublishError::Timeout { after: waited },
            Self::Down(reason) => PublishError::Disconnected {
                reason: reason.clone(),
                sent,
            },
            Self::Blocked(reason) => PublishError::Blocked {
                reason: reason.clone(),
                sent,
            },
        }
    }

    pub(super) fn reason(&self) -> String {
        match self {
            Self::Open => "no confirm came".to_owned(),
            Self::Down(reason) => reason.clone(),
            Self::Blocked(reason) => format!("the broker blocks publishers: {reason}"),
        }
    }
}
