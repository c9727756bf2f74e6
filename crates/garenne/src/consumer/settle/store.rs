//! Settles a message that has failed permanently: the fail sink stores it.

use std::sync::Arc;
use std::time::SystemTime;

use garenne_core::{FailReason, FailedMessage as Record, original};
use tracing::error;

use super::actor_gone;
use crate::consumer::attempt_result::AttemptResult;
use crate::consumer::channel_alive::ChannelGone;
use crate::consumer::life::Life;
use crate::sink::{FailedMessage, Store, Stored};

impl<A, B> Life<A, B> {
    /// Hands the message to the fail sink.
    pub(super) async fn store(
        &self,
        result: &AttemptResult,
        reason: FailReason,
    ) -> Result<(), ChannelGone> {
        let Self { worker, .. } = self;
        let ran_ms = self.stage.ran_ms();
        let failed = FailedMessage::from(self.record(result, reason));
        let stored = self
            .hold("failed message", || {
                let stored = worker.hub.sink.send(Store {
                    queue: Arc::clone(&worker.queue),
                    failed: failed.clone(),
                });
                async { stored.await.unwrap_or_else(|_| Err(actor_gone("FailSink"))) }
            })
            .await?;
        let place = match stored {
            Stored::InSink => "the fail sink".to_owned(),
            Stored::InParkingQueue => format!("`{}`", worker.queue.parking_name()),
        };
        worker.counters.on_failed();
        worker.hub.desk.failed(&failed.queue, reason, &failed.error);
        self.span.in_scope(|| {
            error!(
                event = "message_failed",
                reason = %reason,
                attempts = failed.attempts,
                error = %failed.error,
                causes = result.causes(),
                ran_ms,
                "the message failed for good and was stored in {place}"
            );
        });
        Ok(())
    }

    fn record(&self, result: &AttemptResult, reason: FailReason) -> Record {
        let Self { worker, meta, .. } = self;
        let now = SystemTime::now();
        let original = original(meta.properties(), meta.origin());
        Record {
            message_id: self.message_id(),
            queue: worker.queue.name().to_owned(),
            exchange: original.exchange,
            routing_key: original.routing_key,
            body: Arc::from(&meta.bytes[..]),
            properties: original.properties,
            attempts: meta.attempt.number(),
            first_failed_at: original.first_failed_at.unwrap_or(now),
            last_failed_at: now,
            reason,
            error: result.error.clone(),
            error_chain: result.causes.clone(),
            host: worker.hub.identity.host.clone(),
            service: worker.hub.identity.service.clone(),
            version: worker.hub.identity.version.clone(),
        }
    }
}
