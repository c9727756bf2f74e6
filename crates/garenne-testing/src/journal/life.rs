//! What happened to a message, as far as the system has said.

use std::fmt;
use std::time::Duration;

/// What happened to one message of one queue, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) queue: String,
    pub(crate) moments: Vec<Moment>,
}

/// Something that happened to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) attempt: u32,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// It was delivered.
    Began,
    /// The attempt succeeded.
    Handled,
    /// The attempt failed, and the next one follows.
    Retried { delay: Duration, error: String },
    /// The attempt failed for good.
    Failed {
        reason: String,
        error: String,
        in_sink: bool,
    },
    /// Its handler did not want it.
    Discarded { error: String },
}

impl Life {
    /// How it ended, as far as it is known.
    pub(crate) fn last(&self) -> Option<&Moment> {
        self.moments.last()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempt, what } = self;
        write!(f, "attempt {attempt} ")?;
        match what {
            What::Began => f.write_str("began"),
            What::Handled => f.write_str("succeeded"),
            What::Retried { delay, error } => {
                let delay = humantime::format_duration(*delay);
                write!(f, "failed, to be retried after {delay}: {error}")
            }
            What::Failed {
                reason,
                error,
                in_sink,
            } => {
                let place = if *in_sink {
                    "stored by the fail sink"
                } else {
                    "parked"
                };
                write!(f, "failed for good ({reason}), {place}: {error}")
            }
            What::Discarded { error } => write!(f, "discarded the message: {error}"),
        }
    }
}
