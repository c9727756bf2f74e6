//! *sent*: the messages that a successful handler wants sent are confirmed before its own message is acked.

use std::mem;

use futures_util::future::join_all;
use garenne_core::wire::readable;
use garenne_core::{Outcome, Wish};

use super::Hub;
use super::attempt_result::AttemptResult;
use super::channel_alive::ChannelGone;
use super::life::Life;
use crate::delivery::{Parcel, Way};
use crate::publish::PublishError;

impl<A, B> Life<A, B> {
    /// *sent*: waits until the messages of a successful handler are confirmed. If any cannot be sent, the
    /// handler has failed.
    ///
    /// If the channel goes first, the unconfirmed messages stay in the result.
    pub(super) async fn sent(&self, mut result: AttemptResult) -> AttemptResult {
        let parcels = mem::take(&mut result.outgoing);
        // If the attempt has failed meanwhile, its remaining messages are not sent.
        if parcels.is_empty() || result.outcome != Outcome::Done {
            return result;
        }
        let hub = &self.worker.hub;
        let sends = parcels.into_iter().map(async |parcel| {
            let sent = self.hold("outgoing message", || parcel.send(hub)).await;
            (parcel, sent)
        });
        for (parcel, sent) in join_all(sends).await {
            match sent {
                Ok(Ok(())) => {}
                Ok(Err(error)) => result.fail_to_send(&parcel, &error),
                Err(ChannelGone) => result.outgoing.push(parcel),
            }
        }
        result
    }
}

impl Parcel {
    /// Sends it. An inner error is final: trying again by itself cannot help.
    async fn send(&self, hub: &Hub) -> Result<Result<(), PublishError>, PublishError> {
        let message = self.message.clone();
        let sent = match &self.way {
            Way::Reply(queue) if !hub.replies.may_go_to(queue) => {
                let reply_to = readable(queue.as_bytes()).into_owned();
                return Ok(Err(PublishError::ReplyRefused { reply_to }));
            }
            Way::Reply(address) => match hub.direct_replies.may_go_to(address).await {
                Ok(true) => hub.publisher.send(message).await,
                Ok(false) => {
                    let what = format!(
                        "`{}` is no address for replies, and the broker ends the connection of whoever sends \
                         one there",
                        readable(address.as_bytes())
                    );
                    return Ok(Err(PublishError::Unsendable { what }));
                }
                Err(error) => Err(PublishError::Disconnected {
                    reason: format!("the address for the reply cannot be tried: {error}"),
                    sent: false,
                }),
            },
            Way::After(delay) => hub.publisher.send_after(message, *delay).await,
            Way::Now => hub.publisher.send(message).await,
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

impl AttemptResult {
    /// A message of the handler cannot be sent, so the attempt has failed: permanently, unless a queue for
    /// the message may still be made.
    fn fail_to_send(&mut self, parcel: &Parcel, error: &PublishError) {
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
