//! *settled*, the last step in the life of a delivery: what must be true before the message may be acked.

mod retry;
mod store;

use garenne_core::{Outcome, Settlement};
use tracing::{debug, info};

use super::attempt_result::AttemptResult;
use super::channel_alive::ChannelGone;
use super::life::Life;
use crate::publish::{PublishError, new_message_id};

/// What the channel's task is to tell the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// The message is done with, or its copy is confirmed in its new place.
    Ack,
    /// No handler has begun with the message: nack with requeue, which is not an attempt.
    Requeue,
    /// The channel is gone; the broker redelivers the message.
    Nothing,
}

impl<A, B> Life<A, B> {
    /// *settled*: carries out the decision, in this order: make the copy, wait for its confirm, then allow
    /// the ack.
    pub(super) async fn settled(
        &self,
        mut result: AttemptResult,
        settlement: Settlement,
    ) -> Settled {
        if !self.channel.is_alive() {
            return self.leave(result);
        }
        let counters = &self.worker.counters;
        if result.is_attempt() && !result.counted {
            counters.on_ran(result.outcome == Outcome::Done);
            result.counted = true;
        }
        let stored = match settlement {
            Settlement::Ack => {
                self.log_handled();
                return Settled::Ack;
            }
            Settlement::Discard => {
                counters.on_discarded();
                self.log_discarded(&result);
                return Settled::Ack;
            }
            Settlement::Requeue => {
                counters.on_requeued();
                return Settled::Requeue;
            }
            // These are boxed, because few messages need them, and otherwise every future would have room
            // for them.
            Settlement::Retry(delay) => Box::pin(self.retry(&result, delay)).await,
            Settlement::Fail(reason) => Box::pin(self.store(&result, reason)).await,
        };
        match stored {
            Ok(()) => Settled::Ack,
            Err(ChannelGone) => self.leave(result),
        }
    }

    /// The channel is gone before the message could be settled. The broker redelivers it. The result of the
    /// attempt is remembered, so that its handler need not run again.
    fn leave(&self, result: AttemptResult) -> Settled {
        let recall = &self.worker.recall;
        if result.is_attempt() {
            recall.ended(&self.meta, result);
        } else {
            recall.requeued(&self.meta);
        }
        Settled::Nothing
    }

    /// The id for copies of the message: its own id, if it has one.
    fn message_id(&self) -> String {
        let own = self.meta.message_id();
        own.map_or_else(new_message_id, str::to_owned)
    }

    fn log_handled(&self) {
        self.span.in_scope(|| {
            debug!(
                event = "message_handled",
                ran_ms = self.stage.ran_ms(),
                "handled"
            );
        });
    }

    fn log_discarded(&self, result: &AttemptResult) {
        self.span.in_scope(|| {
            info!(
                event = "message_discarded",
                error = %result.error,
                causes = result.causes(),
                ran_ms = self.stage.ran_ms(),
                "the handler wants this message discarded"
            );
        });
    }
}

fn actor_gone(name: &str) -> PublishError {
    PublishError::Disconnected {
        reason: format!("the {name} actor lost the call"),
        sent: true,
    }
}
