//! The result of an attempt on a message.

use std::time::Duration;

use garenne_core::Outcome;

use crate::body::Undecodable;
use crate::delivery::Parcel;
use crate::failure::Failure;

/// The result of an attempt on a message: its outcome, its text, and the messages to send.
#[derive(Clone, Debug)]
pub(super) struct AttemptResult {
    pub(super) outcome: Outcome,
    pub(super) error: String,
    /// The texts of the error's sources, outermost first.
    pub(super) causes: Vec<String>,
    /// The messages that the handler wants sent if it has succeeded.
    pub(super) outgoing: Vec<Parcel>,
    /// It is part of the counters already.
    pub(super) counted: bool,
}

impl AttemptResult {
    fn of(outcome: Outcome, error: String) -> Self {
        Self {
            outcome,
            error,
            causes: Vec::new(),
            outgoing: Vec::new(),
            counted: false,
        }
    }

    /// The handler has returned.
    pub(super) fn returned(result: Result<(), Failure>) -> Self {
        match result {
            Ok(()) => Self::of(Outcome::Done, String::new()),
            Err(failure) => Self {
                causes: failure.chain().to_vec(),
                ..Self::of(Outcome::Failed(failure.wish()), failure.error().to_owned())
            },
        }
    }

    /// The handler has panicked, with this text.
    pub(super) fn panicked(text: impl Into<String>) -> Self {
        Self::of(Outcome::Panicked, text.into())
    }

    /// The handler was still running at its deadline.
    pub(super) fn deadline_exceeded(deadline: Duration) -> Self {
        let deadline = humantime::format_duration(deadline);
        let error = format!("no result within the handler's deadline of {deadline}");
        Self::of(Outcome::DeadlineExceeded, error)
    }

    /// The body cannot be decoded, so no handler was asked.
    pub(super) fn undecodable(why: &Undecodable) -> Self {
        Self::of(Outcome::Undecodable, why.as_str().to_owned())
    }

    /// There was no attempt: no handler has begun with the message.
    pub(super) fn requeued() -> Self {
        Self::of(Outcome::Requeued, String::new())
    }

    /// The message was settled before: only its ack is left to do.
    pub(super) fn settled() -> Self {
        Self {
            counted: true,
            ..Self::of(Outcome::Done, String::new())
        }
    }

    /// Whether there was an attempt.
    pub(super) fn is_attempt(&self) -> bool {
        self.outcome != Outcome::Requeued
    }

    /// The error's sources in one line, for the log.
    pub(super) fn causes(&self) -> Option<String> {
        (!self.causes.is_empty()).then(|| self.causes.join(": "))
    }
}
