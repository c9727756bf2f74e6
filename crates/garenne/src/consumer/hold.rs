//! Holding a message until somebody else has what must be stored before it may be acked.

use std::time::{Duration, Instant};

use garenne_core::Backoff;
use tracing::{Span, warn};

use super::Hub;
use super::line::Line;
use crate::publish::PublishError;

/// How holding ended.
pub(super) enum Held<T> {
    Taken(T),
    LineGone,
}

/// Tries until it is stored, with back-off: the message stays in its worker's hands, so memory is
/// bounded by the prefetch. It is never requeued meanwhile: a quorum queue's delivery limit would
/// drop it.
pub(super) async fn hold<T, F>(
    hub: &Hub,
    line: &Line,
    span: &Span,
    what: &str,
    mut store: impl FnMut() -> F,
) -> Held<T>
where
    F: Future<Output = Result<T, PublishError>>,
{
    let mut backoff = Backoff::default();
    let mut since = None;
    loop {
        let result = tokio::select! {
            biased;
            // What is stored is stored, though the line be gone in the same moment.
            result = store() => result,
            () = line.gone() => return Held::LineGone,
        };
        let error = match result {
            Ok(taken) => return Held::Taken(taken),
            Err(error) => error,
        };
        let pause = backoff.next(fastrand::f64());
        let held_ms = ms(since.get_or_insert_with(Instant::now).elapsed());
        span.in_scope(|| {
            warn!(
                event = "message_held",
                %error,
                held_ms,
                retry_in_ms = ms(pause),
                "the {what} is not stored yet; holding the message and trying again"
            );
        });
        // Boxed, because few messages come to it and each has room for it.
        let paused = Box::pin(line.while_alive(pause_or_link(hub, &error, pause)));
        if paused.await.is_none() {
            return Held::LineGone;
        }
    }
}

/// With the publish link down, waiting for it beats any back-off.
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
