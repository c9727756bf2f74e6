//! How a confirm channel begins and ends.

use lapin::options::{BasicConsumeOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;
use tracing::debug;

use super::replies::{REPLY_TO, Replies};
use crate::link::{Link, LinkError, call};

/// Opens a channel that confirms, and consumes the replies if its messages are requests.
pub(super) async fn open(
    link: &Link,
    replies: Option<Replies>,
) -> Result<lapin::Channel, LinkError> {
    let channel = link.open_channel().await?;
    call(
        "switching on confirms",
        channel.confirm_select(ConfirmSelectOptions::default()),
    )
    .await?;
    if let Some(replies) = replies {
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let arguments = FieldTable::default();
        let consuming = channel.basic_consume(REPLY_TO.into(), "".into(), options, arguments);
        let consumer = call("waiting for replies", consuming).await?;
        tokio::spawn(replies.hand_out(consumer));
    }
    Ok(channel)
}

/// Closes a channel that is left although it works: its consumer of replies would keep it. Nobody waits for its end: the
/// broker's side of it may hang with the queue that it publishes to.
pub(super) async fn close(channel: lapin::Channel) {
    let closing = call(
        "closing a confirm channel",
        channel.close(200, "opened anew".into()),
    );
    if let Err(error) = closing.await {
        debug!(%error, "a confirm channel that was left is not closed");
    }
}
