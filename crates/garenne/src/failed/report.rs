//! The result of a replay.

use super::store::PassedOver;
use crate::publish::PublishError;

/// The result of a replay, or its progress so far.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReplayReport {
    /// How many messages are in their queues again and no longer in the store.
    pub replayed: u64,
    /// How many messages could not be sent; they are still in the store.
    pub failed: u64,
    /// The reasons, for the first 20 of these messages.
    pub failures: Vec<ReplayFailure>,
    /// Why the replay ended early: the broker is gone or takes no messages. Run the replay again later.
    pub interrupted: Option<PublishError>,
    /// Whether the replay was stopped on request before its end.
    pub stopped: bool,
    /// Messages that were left in the store, and that an operator should know of.
    pub passed_over: PassedOver,
    /// The text of the store's error for a message that was not selected, and that could not be kept in its
    /// parking queue as it should.
    pub not_put_back: Option<String>,
}

/// Why a message could not be sent again.
#[derive(Clone, Debug)]
pub struct ReplayFailure {
    /// The message's id.
    pub message_id: String,
    /// The queue that the message was to go to.
    pub queue: String,
    /// The error of the send.
    pub error: PublishError,
}

impl ReplayReport {
    /// Whether every selected message was sent again.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed == 0
            && self.passed_over.withheld == 0
            && self.interrupted.is_none()
            && !self.stopped
    }
}
