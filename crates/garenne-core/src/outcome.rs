//! The outcome of an attempt, and the decision about the message that follows from it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::attempt::Attempt;
use crate::lane::lane_for;
use crate::retry::Retry;
use crate::secret::quoted;

/// The next step that a failed handler asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Try again, as the queue's policy says.
    Retry,
    /// Try again after this delay. It counts as an attempt, and the policy's number of retries holds.
    /// [`lane_for`] rounds the delay.
    RetryAfter(Duration),
    /// No further attempt can succeed.
    Permanent,
    /// Drop the message: it is not needed.
    Discard,
}

/// The outcome of an attempt.
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
    /// The body could not be decoded; the handler was not called.
    Undecodable,
    /// No attempt was made: the system stopped, or the handler was lost, before a handler began.
    Requeued,
}

/// The final treatment of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Ack: the work is done.
    Ack,
    /// Publish a copy to the lane with this delay, and ack once it is confirmed.
    Retry(Duration),
    /// Give the message to the fail sink, and ack it once it is stored.
    Fail(FailReason),
    /// Requeue the message: nack it, so that the broker hands it out again. This is not an attempt.
    Requeue,
    /// Ack the message and count it: it was not wanted.
    Discard,
}

/// Why a message ended in the fail sink.
///
/// The header `fail-reason` carries its text (`exhausted`, `permanent`, `undecodable`, `panic`, `deadline`,
/// `delivery-limit`, `unrepeatable`, `expired`, `maxlen`, `rejected`, `unknown`). The text never changes.
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
    /// The broker gave up on the message: it came back unsettled too many times. A message that kills its
    /// process ends like this.
    DeliveryLimit,
    /// The attempt failed, and no faithful copy of the message can be made for another attempt. Its headers,
    /// with those that the broker will add, do not fit into a frame, or it has parts that no broker would
    /// take again.
    Unrepeatable,
    /// The broker moved the message out of its queue: it expired before it was handled.
    Expired,
    /// The broker moved the message out of its queue because the queue was full.
    MaxLength,
    /// The broker moved the message out of its queue because a consumer rejected it for good.
    Rejected,
    /// The message lies among failed messages; neither garenne nor the broker says why.
    Unknown,
}

/// Decides what happens to a message after an attempt. The decision is defined for every combination; the
/// tests keep a snapshot of all of them.
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
        // Waiting does not change the bytes: another attempt would read the same bytes.
        Outcome::Undecodable => Settlement::Fail(FailReason::Undecodable),
        Outcome::Requeued => Settlement::Requeue,
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

    /// Whether garenne did not give the message up: the broker did, or the reason is unknown.
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
