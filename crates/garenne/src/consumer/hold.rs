//! Holds a message until everything that must be stored before its ack is stored.

use std::time::{Duration, Instant};

use garenne_core::Backoff;
use tracing::warn;

use super::Hub;
use super::channel_alive::ChannelGone;
use super::life::Life;
use crate::publish::PublishError;

impl<A, B> Life<A, B> {
    /// Calls `store` until it succeeds, with back-off. The message stays in its worker's hands, so memory is
    /// bounded by the prefetch. It is never requeued meanwhile: a quorum queue's delivery limit would drop
    /// it.
    ///
    /// # Errors
    ///
    /// [`ChannelGone`] when the channel goes before anything is stored.
    pub(super) async fn hold<T, F>(
        &self,
        what: &str,
        mut store: impl FnMut() -> F,
    ) -> Result<T, ChannelGone>
    where
        F: Future<Output = Result<T, PublishError>>,
    {
        let mut backoff = Backoff::default();
        let mut since = None;
        loop {
            let stored = tokio::select! {
                biased;
                // A stored copy counts, even if the channel goes in the same moment.
                stored = store() => stored,
                gone = self.channel.gone() => return Err(gone),
            };
            let error = match stored {
                Ok(stored) => return Ok(stored),
                Err(error) => error,
            };
            let pause = backoff.next(fastrand::f64());
            let held_ms = ms(since.get_or_insert_with(Instant::now).elapsed());
            self.span.in_scope(|| {
                warn!(
                    event = "message_held",
                    %error,
                    held_ms,
                    retry_in_ms = ms(pause),
                    "the {what} is not stored yet; holding the message and trying again"
                );
            });
            // Boxed, because few messages reach it and otherwise every future would have room for it.
            let pause = pause_or_link(&self.worker.hub, &error, pause);
            Box::pin(self.channel.while_alive(pause)).await?;
        }
    }
}

/// While the publish link is down, waits for the link instead of the back-off.
async fn pause_or_link(hub: &Hub, error: &PublishError, pause: Duration) {
    let mut publish = hub.publish.clone();
    let is_down = publish.borrow_and_update().is_none();
    if is_down && matches!(error, PublishError::Disconnected { .. }) {
        let _ = tokio::time::timeout(pause.max(Duration::from_secs(30)), publish.changed()).await;
    } else {
        tokio::time::sleep(pause).await;
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
