//! What came of a replay.

use super::store::PassedOver;
use crate::publish::PublishError;

/// What came of a replay, or has come of it so far.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReplayReport {
    /// How many messages are in their queues again and no longer in the store.
    pub replayed: u64,
    /// How many could not be sent; they are still in the store.
    pub failed: u64,
    /// Why, for the first twenty of them.
    pub failures: Vec<ReplayFailure>,
    /// What ended the replay early: the broker is gone or takes nothing. Run it again later.
    pub interrupted: Option<PublishError>,
    /// Whether it was asked to stop before it was done.
    pub stopped: bool,
    /// What was left where it is, and should be known of.
    pub passed_over: PassedOver,
    /// A message that was not meant, and could not be kept in its parking queue in the way that it should:
    /// the text of the store's error.
    pub not_put_back: Option<String>,
}

/// Why one message could not be sent again.
#[derive(Clone, Debug)]
pub struct ReplayFailure {
    /// The message's id.
    pub message_id: String,
    /// The queue that it was to go to.
    pub queue: String,
    /// What happened.
    pub error: PublishError,
}

impl ReplayReport {
    /// Whether everything that was meant has been sent again.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed == 0
            && self.passed_over.withheld == 0
            && self.interrupted.is_none()
            && !self.stopped
    }
}
