//! The parking queue: `<queue>.failed` on the same broker.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use garenne_core::{Properties, Queue};
use tokio::time::timeout;
use tracing::warn;

use super::FailedMessage;
use crate::link::{LinkWatch, restore};
use crate::publish::{ConfirmChannel, Job, Patience, PublishError};

/// The bytes of a frame that the properties of a parked message may take besides the record's headers.
const FRAME_RESERVE: usize = 512;

/// The longest pause before a message whose link is gone is sent again.
const PAUSE: Duration = Duration::from_millis(500);

/// Puts failed messages into their parking queues.
#[derive(Clone)]
pub(crate) struct Parking {
    channel: ConfirmChannel,
    publish: LinkWatch,
    consume: LinkWatch,
}

impl Parking {
    pub(crate) fn new(channel: ConfirmChannel, publish: LinkWatch, consume: LinkWatch) -> Self {
        Self {
            channel,
            publish,
            consume,
        }
    }

    /// Parks a message and returns when the broker has confirmed it.
    pub(crate) async fn park(
        &self,
        queue: &Queue,
        failed: &FailedMessage,
    ) -> Result<(), PublishError> {
        match self.publish(queue, failed).await {
            // The queue was never there, or it was deleted: make it, once, and park again.
            Err(PublishError::Unroutable { .. }) => {
                let parking = queue.parking_name();
                warn!(event = "parking_queue_missing", queue = %parking, "the parking queue is not there; declaring it");
                let link = self.consume.borrow().clone();
                let down = |reason: String| PublishError::Disconnected {
                    reason,
                    sent: false,
                };
                let link = link.ok_or_else(|| down("the consume link is down".to_owned()))?;
                restore(&link, queue)
                    .await
                    .map_err(|e| down(e.to_string()))?;
                self.publish(queue, failed).await
            }
            result => result,
        }
    }

    async fn publish(&self, queue: &Queue, failed: &FailedMessage) -> Result<(), PublishError> {
        let frame_max = self
            .publish
            .borrow()
            .as_ref()
            .map_or(4096, |link| link.frame_max());
        let max = frame_max.saturating_sub(FRAME_RESERVE);
        let body = Bytes::from_owner(Arc::clone(&failed.body));
        let properties = failed.parking_properties(max);
        let parked = self.send(queue, properties, body.clone()).await;
        match parked {
            // Some part of the message ends links. garenne's own headers and the body can be stored.
            Err(PublishError::Unsendable { what }) => {
                warn!(event = "parked_without_headers", queue = %failed.queue, message_id = %failed.message_id, %what, "no broker takes this failed message with its headers; parking it without them");
                let properties = failed.bare_parking_properties(max);
                self.send_until_it_was_sent(queue, properties, body).await
            }
            parked => parked,
        }
    }

    /// Waits for the link that the message has just ended. A new try from the beginning would end the next
    /// link too.
    async fn send_until_it_was_sent(
        &self,
        queue: &Queue,
        properties: Properties,
        body: Bytes,
    ) -> Result<(), PublishError> {
        let mut link = self.publish.clone();
        loop {
            match self.send(queue, properties.clone(), body.clone()).await {
                // The link may be up without a channel yet; then no change comes.
                Err(PublishError::Disconnected { .. }) => {
                    let _ = timeout(PAUSE, link.changed()).await;
                }
                sent => return sent,
            }
        }
    }

    async fn send(
        &self,
        queue: &Queue,
        properties: Properties,
        body: Bytes,
    ) -> Result<(), PublishError> {
        let (job, answer) =
            Job::new("", queue.parking_name(), properties, body, Patience::Copy).awaited();
        self.channel.publish(job, answer).await
    }
}
