//! What came of an attempt, and what happens to the message then.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::attempt::Attempt;
use crate::lane::lane_for;
use crate::retry::Retry;
use crate::secret::quoted;

/// What a handler that failed asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Try again, as the queue's policy says.
    Retry,
    /// Try again after this long. It counts as an attempt like any other, and the policy's number
    /// of retries holds; the delay is rounded by [`lane_for`].
    RetryAfter(Duration),
    /// No further attempt can succeed.
    Permanent,
    /// Nobody needs this message.
    Discard,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The handler succeeded.
    Done,
    /// The handler returned a failure.
    Failed(Wish),
    /// The handler panicked.
    Panicked,
    /// The handler was still running at its deadline.
    DeadlineExceeded,
    /// The body could not be decoded; the handler was never asked.
    Undecodable,
    /// The handler was lost, or the system stopped, before it began.
    NotBegun,
}

/// What finally happens to a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Ack: the work is done.
    Ack,
    /// Publish a copy to the lane with this delay, and ack once it is confirmed.
    Retry(Duration),
    /// Give it to the fail sink, and ack once it is stored.
    Fail(FailReason),
    /// Give it back to the broker. It has not been an attempt.
    Requeue,
    /// Ack, and count it: it was not wanted.
    Discard,
}

/// Why a message ended in the fail sink.
///
/// Its text (`exhausted`, `permanent`, `undecodable`, `panic`, `deadline`, `delivery-limit`,
/// `unrepeatable`, `expired`, `maxlen`, `rejected`, `unknown`) is what `fail-reason` carries; it never
/// changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailReason {
    /// The last attempt failed.
    Exhausted,
    /// The handler said that no further attempt can succeed.
    Permanent,
    /// The body could not be decoded.
    Undecodable,
    /// The last attempt panicked.
    Panic,
    /// The last attempt was still running at its deadline.
    Deadline,
    /// The broker gave up on it: it came back without being settled too many times, as a message
    /// does that kills its process.
    DeliveryLimit,
    /// The attempt failed, and no faithful copy of the message can be made for another one: its
    /// headers, with what the broker will add to them, do not fit into one frame, or there are parts
    /// that no broker would take again.
    Unrepeatable,
    /// The broker moved it out of its queue: its time was over before anybody handled it.
    Expired,
    /// The broker moved it out of its queue, which was full.
    MaxLength,
    /// The broker moved it out of its queue: a consumer rejected it for good.
    Rejected,
    /// It lies among failed messages, and neither garenne nor the broker says why.
    Unknown,
}

/// Decides what happens to a message after an attempt. It is defined for every combination; a
/// snapshot of all of them is kept with the tests.
#[must_use]
pub fn decide(outcome: &Outcome, attempt: Attempt, policy: &Retry) -> Settlement {
    let retry_or = |exhausted| match policy.delay_after(attempt) {
        Some(delay) => Settlement::Retry(delay),
        None => Settlement::Fail(exhausted),
    };
    match outcome {
        Outcome::Done => Settlement::Ack,
        Outcome::Failed(Wish::Retry) => retry_or(FailReason::Exhausted),
        Outcome::Failed(Wish::RetryAfter(wanted)) => match retry_or(FailReason::Exhausted) {
            Settlement::Retry(_) => Settlement::Retry(lane_for(*wanted, policy)),
            exhausted => exhausted,
        },
        Outcome::Failed(Wish::Permanent) => Settlement::Fail(FailReason::Permanent),
        Outcome::Failed(Wish::Discard) => Settlement::Discard,
        Outcome::Panicked => retry_or(FailReason::Panic),
        Outcome::DeadlineExceeded => retry_or(FailReason::Deadline),
        // Bytes do not change by waiting: another attempt would read the same ones.
        Outcome::Undecodable => Settlement::Fail(FailReason::Undecodable),
        Outcome::NotBegun => Settlement::Requeue,
    }
}

impl FailReason {
    const ALL: [Self; 11] = [
        Self::Exhausted,
        Self::Permanent,
        Self::Undecodable,
        Self::Panic,
        Self::Deadline,
        Self::DeliveryLimit,
        Self::Unrepeatable,
        Self::Expired,
        Self::MaxLength,
        Self::Rejected,
        Self::Unknown,
    ];

    /// The text of the reason, as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Permanent => "permanent",
            Self::Undecodable => "undecodable",
            Self::Panic => "panic",
            Self::Deadline => "deadline",
            Self::DeliveryLimit => "delivery-limit",
            Self::Unrepeatable => "unrepeatable",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }

    /// Whether no program of garenne's gave it up: the broker did, or nobody knows who.
    #[must_use]
    pub const fn is_not_ours(self) -> bool {
        matches!(
            self,
            Self::DeliveryLimit | Self::Expired | Self::MaxLength | Self::Rejected | Self::Unknown
        )
    }
}

impl fmt::Display for FailReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for FailReason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        let known = Self::ALL.into_iter().find(|reason| reason.as_str() == text);
        known.ok_or_else(|| UnknownReason(quoted(text)))
    }
}

/// A text that is not a [`FailReason`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownReason(String);

impl fmt::Display for UnknownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = FailReason::ALL.map(FailReason::as_str).join(", ");
        write!(f, "{} is not a reason for failure; known: {known}", self.0)
    }
}

impl std::error::Error for UnknownReason {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_as_it_is_stored() {
        for reason in FailReason::ALL {
            assert_eq!(reason.to_string().parse(), Ok(reason));
        }
    }

    #[test]
    fn an_unknown_reason_is_named_beside_the_known_ones() {
        let error = "bad luck".parse::<FailReason>().unwrap_err().to_string();
        assert!(
            error.contains("`bad luck`") && error.contains("delivery-limit"),
            "{error}"
        );
    }
}
