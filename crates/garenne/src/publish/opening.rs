//! Opens a confirm channel, and closes it when the publisher leaves it.

use tracing::debug;

use super::replies::REPLY_TO;
use crate::link::{Link, LinkError, Port, Subscription};

/// A channel that confirms, and the consumer of replies if its messages are requests.
pub(super) struct Opened {
    pub(super) port: Port,
    _replies: Option<Subscription>,
}

/// Opens a channel that confirms, and consumes the replies if its messages are requests.
pub(super) async fn open(link: &Link, is_for_requests: bool) -> Result<Opened, LinkError> {
    let port = link.open_port("a confirm channel").await?;
    port.confirm().await?;
    let replies = if is_for_requests {
        Some(port.consume_replies(REPLY_TO).await?)
    } else {
        None
    };
    Ok(Opened {
        port,
        _replies: replies,
    })
}

/// Closes a channel that is left although it works. No task waits for the end of the close: the broker's side
/// of the channel may hang with the queue that it publishes to.
pub(super) async fn close(opened: Opened) {
    if let Err(error) = opened.port.close().await {
        debug!(%error, "a confirm channel that was left is not closed");
    }
}
