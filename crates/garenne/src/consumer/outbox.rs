//! What a handler that succeeded wants sent: it is sent before its message is acked.

use std::mem;

use futures_util::future::join_all;
use garenne_core::wire::readable;
use garenne_core::{Outcome, Wish};
use tracing::Span;

use super::hold::{Held, hold};
use super::life::Ran;
use super::line::Line;
use super::{Hub, Worker};
use crate::delivery::{Parcel, Way};
use crate::publish::PublishError;

/// *sent*: what a handler that succeeded wants sent is confirmed, or it has not succeeded.
///
/// If the line is gone before, what is not confirmed yet stays in the result.
pub(super) async fn sent<A, B>(
    worker: &Worker<A, B>,
    line: &Line,
    mut ran: Ran,
    span: &Span,
) -> Ran {
    let parcels = mem::take(&mut ran.outgoing);
    // Of a run that has failed meanwhile, the rest is left.
    if parcels.is_empty() || ran.outcome != Outcome::Done {
        return ran;
    }
    let sends = parcels.into_iter().map(async |parcel| {
        let end = hold(&worker.hub, line, span, "outgoing message", || {
            parcel.send(&worker.hub)
        })
        .await;
        (parcel, end)
    });
    for (parcel, end) in join_all(sends).await {
        match end {
            Held::Taken(Ok(())) => {}
            Held::Taken(Err(error)) => ran.fail(&parcel, &error),
            Held::LineGone => ran.outgoing.push(parcel),
        }
    }
    ran
}

impl Parcel {
    /// Sends it. An error inside is an answer: trying again by itself cannot help.
    async fn send(&self, hub: &Hub) -> Result<Result<(), PublishError>, PublishError> {
        let message = self.message.clone();
        let sent = match &self.way {
            Way::Reply(queue) if !hub.replies.may_go_to(queue) => {
                let reply_to = readable(queue.as_bytes()).into_owned();
                return Ok(Err(PublishError::ReplyRefused { reply_to }));
            }
            Way::After(delay) => hub.publisher.send_after(message, *delay).await,
            Way::Now | Way::Reply(_) => hub.publisher.send(message).await,
        };
        match sent {
            Err(error) if !error.is_transient() || is_unroutable(&error) => Ok(Err(error)),
            result => result.map(Ok),
        }
    }
}

fn is_unroutable(error: &PublishError) -> bool {
    matches!(error, PublishError::Unroutable { .. })
}

impl Ran {
    /// What the handler wanted sent cannot be, so it has failed: for good, unless somebody may yet
    /// make a queue for it.
    fn fail(&mut self, parcel: &Parcel, error: &PublishError) {
        if self.outcome == Outcome::Failed(Wish::Permanent) {
            return;
        }
        let wish = if is_unroutable(error) {
            Wish::Retry
        } else {
            Wish::Permanent
        };
        self.outcome = Outcome::Failed(wish);
        self.error = format!(
            "message {} that the handler wants sent cannot be: {error}",
            parcel.message.id()
        );
    }
}
