//! How a consumer on a channel can end.

/// How the subscription of a channel ended.
#[derive(Debug)]
pub(super) enum End {
    /// The channel or its link is gone.
    Lost(String),
    /// The broker cancelled the consumer: the queue was deleted or moved. The channel lives.
    Cancelled,
    /// Nothing is left in its hands.
    Drained,
    /// The drain deadline passed before that.
    Abandoned,
}
