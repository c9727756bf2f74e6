//! The user's own messages.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::{ConfirmChannel, Job, Outgoing, PublishError, WhenBlocked};
use crate::link::LinkWatch;

/// Sends messages, each confirmed by the broker. Cheap to clone; all clones share one channel whose
/// confirms are pipelined, so sending concurrently costs a round trip in all, not one each.
///
/// ```no_run
/// # use garenne::prelude::*;
/// # async fn example(publisher: Publisher) -> Result<(), PublishError> {
/// publisher.send(Outgoing::to_queue("invoices", Text("no. 7".into()))).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Publisher {
    channel: ConfirmChannel,
    links: LinkWatch,
    /// Set when the system is built.
    patience: Arc<OnceLock<Duration>>,
    /// One receiver for each send that is under way.
    under_way: watch::Sender<()>,
}

/// How long a confirm is waited for unless the builder says otherwise, not counting time in which
/// the broker blocks publishers.
pub(crate) const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);

impl Publisher {
    pub(crate) fn new(channel: ConfirmChannel, links: LinkWatch) -> Self {
        Self {
            channel,
            links,
            patience: Arc::default(),
            under_way: watch::Sender::new(()),
        }
    }

    /// Returns when no send is under way.
    pub(crate) async fn idle(&self) {
        self.under_way.closed().await;
    }

    pub(crate) fn set_patience(&self, confirm_timeout: Duration) {
        // A system is built once.
        let _ = self.patience.set(confirm_timeout);
    }

    /// Publishes one message and returns when the broker has taken responsibility for it: it lies in
    /// every queue that it was routed to, on disk where queue and message are durable.
    ///
    /// It answers within a bounded time: a link that is down is an error at once; the confirm is
    /// waited for 10 s by default.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; [`PublishError::may_be_stored`] says whether the message may be on the
    /// broker nevertheless.
    ///
    /// # Cancel safety
    ///
    /// A message whose future is dropped before it was handed to the link is not sent; after that
    /// it may be stored.
    pub async fn send(&self, message: Outgoing) -> Result<(), PublishError> {
        let Outgoing {
            exchange,
            routing_key,
            properties,
            body,
            mandatory,
        } = message;
        let (mut job, answer) = Job::new(
            exchange,
            routing_key,
            properties,
            body?,
            WhenBlocked::GiveUp,
        );
        job.mandatory = mandatory;
        let _under_way = self.under_way.subscribe();
        let patience = *self.patience.get().unwrap_or(&CONFIRM_TIMEOUT);
        // With the window full, waiting for room is bounded like waiting for the confirm.
        if timeout(patience, self.channel.ready()).await.is_err() {
            let blocked = self
                .links
                .borrow()
                .as_ref()
                .and_then(|link| link.blocked().borrow().clone());
            return Err(match blocked {
                Some(reason) => PublishError::Blocked { reason },
                None => PublishError::Timeout { after: patience },
            });
        }
        self.channel.publish(job, answer).await
    }
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}
