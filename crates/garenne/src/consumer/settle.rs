//! *settled*, the last step in the life of a delivery: what must be true before the message may be
//! acked.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use garenne_core::reader::FRAME_HEAD;
use garenne_core::{
    FailReason, FailedMessage as Record, Outcome, Properties, Settlement, original, retry_copy,
};
use tokio::sync::oneshot;
use tracing::{Span, debug, error, info, warn};

use super::Worker;
use super::hold::{Held, hold};
use super::life::Ran;
use super::line::Line;
use crate::delivery::Meta;
use crate::publish::{PublishError, RetryCopy, new_message_id};
use crate::sink::{FailedMessage, Store, Stored};

/// What a frame has besides its payload: its head, and the octet behind it.
const FRAME_OVERHEAD: usize = FRAME_HEAD + 1;

/// More than the broker adds to a copy's headers in a lane.
const DEATHS_MAX: usize = 8 * 1024;

/// What the channel's task shall tell the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// The message is done with, or its copy is confirmed by whoever stores it.
    Ack,
    /// It was not begun with: nack with requeue, which is not an attempt.
    GiveBack,
    /// The channel is gone; the broker hands the message out again.
    Nothing,
}

/// Does what was decided, in this order: make the copy, see it confirmed, then allow the ack.
pub(super) async fn settle<A, B>(
    worker: &Worker<A, B>,
    line: &Line,
    meta: &Arc<Meta>,
    ran: Ran,
    settlement: Settlement,
    span: &Span,
) -> Settled {
    if !line.is_alive() {
        if ran.outcome == Outcome::NotBegun {
            worker.recall.forget(meta);
        } else {
            worker.recall.ended(meta, ran);
        }
        return Settled::Nothing;
    }
    if ran.outcome != Outcome::NotBegun && !ran.counted {
        worker.counters.on_ran(ran.outcome == Outcome::Done);
    }
    let failed = Failed {
        worker,
        line,
        meta,
        ran,
        span,
    };
    match settlement {
        Settlement::Ack => {
            failed.span.in_scope(|| {
                debug!(
                    event = "message_handled",
                    ran_ms = meta.running_ms(),
                    "handled"
                );
            });
            Settled::Ack
        }
        Settlement::Discard => {
            worker.counters.on_discarded();
            span.in_scope(|| {
                info!(
                    event = "message_discarded",
                    error = %failed.ran.error,
                    causes = failed.causes(),
                    ran_ms = meta.running_ms(),
                    "the handler wants this message discarded"
                );
            });
            Settled::Ack
        }
        Settlement::Requeue => {
            worker.counters.on_requeued();
            Settled::GiveBack
        }
        Settlement::Retry(delay) => Box::pin(failed.retry(delay)).await,
        Settlement::Fail(reason) => Box::pin(failed.store(reason)).await,
    }
}

/// A message whose attempt failed, held until somebody else has it.
struct Failed<'a, A, B> {
    worker: &'a Worker<A, B>,
    line: &'a Line,
    meta: &'a Arc<Meta>,
    ran: Ran,
    span: &'a Span,
}

impl<A, B> Failed<'_, A, B> {
    /// Puts a copy with the next attempt's number into the lane of this delay.
    async fn retry(self, delay: Duration) -> Settled {
        let Self { worker, meta, .. } = self;
        let attempt = meta.attempt;
        let delivered = meta.properties();
        if let Some(part) = delivered.unread.iter().find(|part| !part.can_be_sent()) {
            let why = format!("AMQP has no way to send this part of it again: {part}");
            return self.give_up(&why).await;
        }
        if let Some(name) = delivered.fatal_header() {
            let why = format!("RabbitMQ cannot read its header `{name}`");
            return self.give_up(&why).await;
        }
        self.span.in_scope(|| {
            warn!(
                event = "message_retried",
                error = %self.ran.error,
                causes = self.causes(),
                ran_ms = meta.running_ms(),
                delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                attempts = worker.queue.retry.retries() + 1,
                "attempt {attempt} failed; the next one follows after the delay"
            );
        });
        let properties = retry_copy(
            delivered,
            meta.origin(),
            attempt.next(),
            &self.message_id(),
            SystemTime::now(),
        );
        let properties = Arc::new(properties);
        let store = || self.publish(delay, &properties);
        let held = self.hold("retry copy", store).await;
        match held {
            Held::Taken(Ok(())) => {
                worker.counters.on_retried();
                Settled::Ack
            }
            Held::LineGone => self.leave(),
            // The record, whose headers are cut to fit, can be stored.
            Held::Taken(Err(why)) => self.give_up(&why).await,
        }
    }

    /// Stores a message of which no faithful copy can be made for a lane. Held, it would stand in the way
    /// of others.
    async fn give_up(mut self, why: &dyn fmt::Display) -> Settled {
        self.ran.error = format!("{} (and cannot be retried: {why})", self.ran.error);
        Box::pin(self.store(FailReason::Unrepeatable)).await
    }

    /// Whether the copy fits into one frame when it comes out of its lane: the broker writes into its
    /// headers where it has been, and not every client takes a header that is larger than a frame.
    fn fits(&self, delay: Duration, properties: &Properties) -> Result<(), PublishError> {
        let Some(link) = self.worker.hub.publish.borrow().clone() else {
            // Nothing is sent without a link. Each further try looks again.
            return Ok(());
        };
        let header = properties.encoded_len() + FRAME_OVERHEAD;
        // What the broker adds is names of at most 255 bytes, a dozen of them: few messages come so close.
        if header + DEATHS_MAX <= link.frame_max() {
            return Ok(());
        }
        let header = header + self.worker.queue.death_room(delay);
        if header <= link.frame_max() {
            return Ok(());
        }
        Err(PublishError::TooLarge {
            what: format!(
                "its properties and headers, with what the broker adds to them in a lane, have up to {header} bytes, one \
                 frame takes {}",
                link.frame_max()
            ),
        })
    }

    /// Publishes the copy. Should its lane not be there, it is made, once.
    async fn publish(
        &self,
        delay: Duration,
        properties: &Arc<Properties>,
    ) -> Result<Result<(), PublishError>, PublishError> {
        if let Err(too_large) = self.fits(delay, properties) {
            return Ok(Err(too_large));
        }
        let mut result = self.send(delay, properties, false).await;
        if matches!(result, Err(PublishError::Unroutable { .. })) {
            result = self.send(delay, properties, true).await;
        }
        match result {
            // Trying again cannot help. So this is an answer, and no reason to hold the message.
            Err(error @ (PublishError::TooLarge { .. } | PublishError::Unsendable { .. })) => {
                Ok(Err(error))
            }
            result => result.map(Ok),
        }
    }

    async fn send(
        &self,
        delay: Duration,
        properties: &Arc<Properties>,
        lane_is_missing: bool,
    ) -> Result<(), PublishError> {
        let (reply, answer) = oneshot::channel();
        self.worker.hub.retry.do_send(RetryCopy {
            queue: Arc::clone(&self.worker.queue),
            delay,
            properties: Arc::clone(properties),
            body: self.meta.bytes.clone(),
            lane_is_missing,
            reply,
        });
        answer
            .await
            .unwrap_or_else(|_| Err(actor_gone("RetryPublisher")))
    }

    /// Hands the message to the fail sink.
    async fn store(self, reason: FailReason) -> Settled {
        let Self { worker, meta, .. } = self;
        let ran_ms = meta.running_ms();
        let failed = FailedMessage::from(self.record(reason));
        let held = self
            .hold("failed message", || {
                let store = Store {
                    queue: Arc::clone(&worker.queue),
                    failed: failed.clone(),
                };
                async {
                    worker
                        .hub
                        .sink
                        .send(store)
                        .await
                        .unwrap_or_else(|_| Err(actor_gone("FailSink")))
                }
            })
            .await;
        match held {
            Held::Taken(stored) => {
                worker.counters.on_failed();
                let error = &failed.error;
                worker.hub.desk.failed(&failed.queue, reason, error);
                self.span.in_scope(|| {
                    let place = match stored {
                        Stored::InSink => "the fail sink".to_owned(),
                        Stored::InParkingQueue => format!("`{}`", worker.queue.parking_name()),
                    };
                    error!(
                        event = "message_failed",
                        reason = %reason,
                        attempts = failed.attempts,
                        error = %failed.error,
                        causes = self.causes(),
                        ran_ms,
                        "the message failed for good and was stored in {place}"
                    );
                });
                Settled::Ack
            }
            Held::LineGone => self.leave(),
        }
    }

    /// See [`hold`].
    async fn hold<T, F>(&self, what: &str, store: impl FnMut() -> F) -> Held<T>
    where
        F: Future<Output = Result<T, PublishError>>,
    {
        hold(&self.worker.hub, self.line, self.span, what, store).await
    }

    /// The link is gone before the copy was stored. The broker hands the message out again; what the
    /// handler said is remembered, so that it need not run again.
    fn leave(self) -> Settled {
        let ran = Ran {
            counted: true,
            ..self.ran
        };
        self.worker.recall.ended(self.meta, ran);
        Settled::Nothing
    }

    /// The error's sources, for the log.
    fn causes(&self) -> Option<String> {
        let causes = &self.ran.chain;
        (!causes.is_empty()).then(|| causes.join(": "))
    }

    fn message_id(&self) -> String {
        self.meta
            .message_id()
            .map_or_else(new_message_id, str::to_owned)
    }

    fn record(&self, reason: FailReason) -> Record {
        let Self {
            worker, meta, ran, ..
        } = self;
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
            error: ran.error.clone(),
            error_chain: ran.chain.clone(),
            host: worker.hub.identity.host.clone(),
            service: worker.hub.identity.service.clone(),
            version: worker.hub.identity.version.clone(),
        }
    }
}

fn actor_gone(name: &str) -> PublishError {
    PublishError::Disconnected {
        reason: format!("the {name} actor lost the call"),
        sent: true,
    }
}
