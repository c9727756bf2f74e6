//! Settles a message whose attempt failed and that is to be tried again: its copy waits in a lane.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use garenne_core::reader::FRAME_HEAD;
use garenne_core::{FailReason, Properties, retry_copy};
use tokio::sync::oneshot;
use tracing::warn;

use super::actor_gone;
use crate::consumer::attempt_result::AttemptResult;
use crate::consumer::channel_alive::ChannelGone;
use crate::consumer::life::Life;
use crate::publish::{PublishError, RetryCopy};

/// The bytes of a frame besides its payload: its head, and the octet behind the payload.
const FRAME_OVERHEAD: usize = FRAME_HEAD + 1;

/// More bytes than the broker adds to a copy's headers in a lane.
const DEATHS_MAX: usize = 8 * 1024;

impl<A, B> Life<A, B> {
    /// Puts a copy with the next attempt's number into the lane of this delay.
    pub(super) async fn retry(
        &self,
        result: &AttemptResult,
        delay: Duration,
    ) -> Result<(), ChannelGone> {
        let delivered = self.meta.properties();
        if let Some(why) = unrepeatable(&delivered) {
            return self.give_up(result, &why).await;
        }
        self.log_retried(result, delay);
        let copy = Arc::new(retry_copy(
            delivered,
            self.meta.origin(),
            self.meta.attempt.next(),
            &self.message_id(),
            SystemTime::now(),
        ));
        let publish = || self.publish(delay, &copy);
        // The failure record can be stored, because its headers are cut to fit.
        if let Err(why) = self.hold("retry copy", publish).await? {
            return self.give_up(result, &why).await;
        }
        self.worker.counters.on_retried();
        Ok(())
    }

    /// Stores a message of which a lane can take no faithful copy. If it were held, it would block other
    /// messages.
    async fn give_up(
        &self,
        result: &AttemptResult,
        why: &dyn fmt::Display,
    ) -> Result<(), ChannelGone> {
        let result = AttemptResult {
            error: format!("{} (and cannot be retried: {why})", result.error),
            ..result.clone()
        };
        Box::pin(self.store(&result, FailReason::Unrepeatable)).await
    }

    /// Publishes the copy. If its lane is missing, the lane is made, once. An inner error is final: trying
    /// again cannot help.
    async fn publish(
        &self,
        delay: Duration,
        copy: &Arc<Properties>,
    ) -> Result<Result<(), PublishError>, PublishError> {
        if let Err(too_large) = self.fits(delay, copy) {
            return Ok(Err(too_large));
        }
        let mut sent = self.send(delay, copy, false).await;
        if matches!(sent, Err(PublishError::Unroutable { .. })) {
            sent = self.send(delay, copy, true).await;
        }
        match sent {
            Err(error @ (PublishError::TooLarge { .. } | PublishError::Unsendable { .. })) => {
                Ok(Err(error))
            }
            sent => sent.map(Ok),
        }
    }

    async fn send(
        &self,
        delay: Duration,
        copy: &Arc<Properties>,
        lane_is_missing: bool,
    ) -> Result<(), PublishError> {
        let (reply, answer) = oneshot::channel();
        self.worker.hub.retry.do_send(RetryCopy {
            queue: Arc::clone(&self.worker.queue),
            delay,
            properties: Arc::clone(copy),
            body: self.meta.bytes.clone(),
            lane_is_missing,
            reply,
        });
        let answer = answer.await;
        answer.unwrap_or_else(|_| Err(actor_gone("RetryPublisher")))
    }

    /// Whether the copy fits into a single frame when it comes out of its lane: the broker adds the copy's
    /// path to its headers, and some clients refuse a header that is larger than a frame.
    fn fits(&self, delay: Duration, copy: &Properties) -> Result<(), PublishError> {
        let Some(link) = self.worker.hub.publish.borrow().clone() else {
            // Without a link nothing is sent. Each further try checks again.
            return Ok(());
        };
        let header = copy.encoded_len() + FRAME_OVERHEAD;
        // The broker adds at most a dozen names of at most 255 bytes: few messages come so close to the
        // limit.
        if header + DEATHS_MAX <= link.frame_max() {
            return Ok(());
        }
        let header = header + self.worker.queue.death_room(delay);
        if header <= link.frame_max() {
            return Ok(());
        }
        Err(PublishError::TooLarge {
            what: format!(
                "its properties and headers, with what the broker adds to them in a lane, have up to \
                 {header} bytes, one frame takes {}",
                link.frame_max()
            ),
        })
    }

    fn log_retried(&self, result: &AttemptResult, delay: Duration) {
        let attempt = self.meta.attempt;
        self.span.in_scope(|| {
            warn!(
                event = "message_retried",
                error = %result.error,
                causes = result.causes(),
                ran_ms = self.stage.ran_ms(),
                delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                attempts = self.worker.queue.retry.retries() + 1,
                "attempt {attempt} failed; the next one follows after the delay"
            );
        });
    }
}

/// The reason why a message with these properties cannot be copied faithfully, if there is a reason.
fn unrepeatable(delivered: &Properties) -> Option<String> {
    if let Some(part) = delivered.unread.iter().find(|part| !part.can_be_sent()) {
        return Some(format!(
            "AMQP has no way to send this part of it again: {part}"
        ));
    }
    let name = delivered.fatal_header()?;
    Some(format!("RabbitMQ cannot read its header `{name}`"))
}
