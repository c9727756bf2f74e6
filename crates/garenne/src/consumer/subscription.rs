//! The ways in which a start of a worker can end.

use crate::link::LinkError;

/// How a start of a worker has ended, with its subscription or without a subscription.
#[derive(Debug)]
pub(super) enum End {
    /// There was no subscription: a channel could not be opened, or the queue not be consumed.
    Refused(LinkError),
    /// The channel or its link is gone.
    Lost(String),
    /// The broker cancelled the consumer: the queue was deleted or moved. The channel lives.
    Cancelled,
    /// The system stops, and nothing is left in its hands.
    Drained,
    /// The drain deadline passed before that.
    Abandoned,
}
