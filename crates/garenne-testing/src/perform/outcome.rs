//! What came of a run.

use std::fmt;
use std::time::Duration;

use garenne::core::Outcome;
use garenne::{Failure, Undecodable};

/// What came of one run of a handler; from [`Perform::outcome`](super::Perform::outcome).
#[derive(Debug)]
#[non_exhaustive]
pub enum Performed {
    /// The handler returned this.
    Returned(Result<(), Failure>),
    /// It panicked, with this text; or it is an actor that stopped before it answered.
    Panicked(String),
    /// It was still running at this deadline.
    DeadlineExceeded(Duration),
    /// The body cannot be decoded, so that no handler would ever see this message.
    Undecodable(Undecodable),
}

impl fmt::Display for Performed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned(Ok(())) => f.write_str("it succeeded"),
            Self::Returned(Err(failure)) => write!(f, "it failed: {}", failure.error()),
            Self::Panicked(text) => write!(f, "it panicked: {text}"),
            Self::DeadlineExceeded(deadline) => {
                let deadline = humantime::format_duration(*deadline);
                write!(f, "no result within the deadline of {deadline}")
            }
            Self::Undecodable(why) => write!(f, "the body cannot be decoded: {}", why.as_str()),
        }
    }
}

impl Performed {
    /// The same in the words of the framework, which decides by them.
    pub(super) fn as_outcome(&self) -> Outcome {
        match self {
            Self::Returned(Ok(())) => Outcome::Done,
            Self::Returned(Err(failure)) => Outcome::Failed(failure.wish()),
            Self::Panicked(_) => Outcome::Panicked,
            Self::DeadlineExceeded(_) => Outcome::DeadlineExceeded,
            Self::Undecodable(_) => Outcome::Undecodable,
        }
    }
}
