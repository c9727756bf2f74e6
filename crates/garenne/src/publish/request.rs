//! A request: a message and its reply.

use std::fmt;
use std::time::Duration;

use tokio::time::timeout;

use super::entrance::Entrance;
use super::replies::{REPLY_TO, Replies, Reply};
use super::{Outgoing, PublishError, new_message_id};
use crate::body::{Body, Undecodable};

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The request could not be sent, for example because no queue takes it
    /// ([`PublishError::Unroutable`]).
    Publish(PublishError),
    /// No reply came in time. The request may still be handled, now or later. A later reply is discarded and
    /// counted.
    Deadline {
        /// The deadline that was given.
        after: Duration,
    },
    /// The link or channel was lost after the request was sent, and the reply address with it. The request
    /// may have been handled, or may still be handled.
    LinkLost {
        /// The known cause of the loss.
        reason: String,
    },
    /// The reply cannot be decoded.
    Undecodable {
        /// The fault in the reply.
        reason: String,
    },
}

impl RequestError {
    /// Whether a handler may have got the request although there is no reply.
    #[must_use]
    pub fn may_be_handled(&self) -> bool {
        match self {
            Self::Publish(error) => error.may_be_stored(),
            Self::Deadline { .. } | Self::LinkLost { .. } | Self::Undecodable { .. } => true,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish(_) => f.write_str("the request was not sent"),
            Self::Deadline { after } => write!(
                f,
                "no reply within {}; see whether the handlers are up and fast enough",
                garenne_core::compact(*after)
            ),
            Self::LinkLost { reason } => write!(
                f,
                "the way back for the reply is gone ({reason}); the request may have been handled"
            ),
            Self::Undecodable { reason } => write!(f, "the reply cannot be decoded: {reason}"),
        }
    }
}

impl std::error::Error for RequestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Publish(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Undecodable> for RequestError {
    fn from(why: Undecodable) -> Self {
        Self::Undecodable {
            reason: why.as_str().to_owned(),
        }
    }
}

/// Where requests enter and their replies return.
pub(super) struct Desk {
    pub(super) entrance: Entrance,
    pub(super) replies: Replies,
}

impl Desk {
    pub(super) async fn ask<T: Body>(
        &self,
        mut message: Outgoing,
        deadline: Duration,
    ) -> Result<T, RequestError> {
        let correlation_id = new_message_id();
        message.properties.correlation_id = Some(correlation_id.clone());
        message.properties.reply_to = Some(REPLY_TO.to_owned());
        let reply = timeout(deadline, self.reply(message, correlation_id)).await;
        let reply = reply.map_err(|_| RequestError::Deadline { after: deadline })??;
        Ok(T::decode(&reply.body, reply.content_type.as_deref())?)
    }

    async fn reply(
        &self,
        message: Outgoing,
        correlation_id: String,
    ) -> Result<Reply, RequestError> {
        let (expecting, mut expected) = self.replies.expect(correlation_id);
        let ticket = self.entrance.enter(message, expecting).await;
        let mut ticket = ticket.map_err(RequestError::of)?;
        let confirmed = tokio::select! {
            biased;
            confirmed = &mut ticket => confirmed,
            // The reply may come before the confirm.
            reply = &mut expected.reply => match reply {
                Ok(reply) => return Ok(reply),
                // No reply can come; the send's own result says why.
                Err(_) => return Err(ticket.await.map_or_else(RequestError::of, |()| lost())),
            },
        };
        match confirmed {
            Ok(()) => (&mut expected.reply).await.map_err(|_| lost()),
            // A reply says more than a missing confirm.
            Err(error) => expected
                .reply
                .try_recv()
                .map_err(|_| RequestError::of(error)),
        }
    }
}

fn lost() -> RequestError {
    RequestError::LinkLost {
        reason: "the channel was lost".to_owned(),
    }
}

impl RequestError {
    fn of(error: PublishError) -> Self {
        match error {
            PublishError::Disconnected { reason, sent: true } => Self::LinkLost { reason },
            other => Self::Publish(other),
        }
    }
}
