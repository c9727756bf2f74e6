//! A consumer on a channel: how it begins, and how it can end.

use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};

use crate::link::{LinkError, call};
use crate::wire::short;

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

/// Consumes from the queue with this prefetch: `basic.qos` holds for consumers that begin after it.
pub(super) async fn subscribe(
    channel: &Channel,
    queue: &str,
    prefetch: u16,
) -> Result<Consumer, LinkError> {
    call(
        "setting the prefetch",
        channel.basic_qos(prefetch, BasicQosOptions::default()),
    )
    .await?;
    // The broker names the consumer: two incarnations on one channel must not share a tag.
    let consuming = channel.basic_consume(
        short(queue),
        "".into(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    call(&format!("consuming from queue `{queue}`"), consuming).await
}
