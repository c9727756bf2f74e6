//! Why a message was not sent.

use std::fmt;
use std::time::Duration;

use garenne_core::publishing::Gate;
use garenne_core::{DelayError, compact};

/// Why a send failed. [`PublishError::may_be_stored`] says whether the message may be stored nevertheless.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// No queue would take the message: the broker returned it, or the exchange does not exist.
    Unroutable {
        /// The exchange it was published to.
        exchange: String,
        /// The routing key it was published with.
        routing_key: String,
        /// The broker's reason.
        reason: String,
    },
    /// The broker refused to store the message, for example because a queue is full. If refusals continue for
    /// 2 s, the publisher tries another channel, then less and less often (down to once in 30 s): in a
    /// cluster, a channel may go on refusing for a queue that takes messages again.
    Nacked,
    /// The broker did not confirm in time. The message may or may not be stored.
    Timeout {
        /// How long the send waited, without the time in which the broker blocked the connection.
        after: Duration,
    },
    /// The broker blocked publishers (memory or disk alarm) for longer than the message may wait.
    Blocked {
        /// The broker's reason, for example `low on memory`.
        reason: String,
        /// Whether the message was handed to the connection before. If so, it may be stored once the alarm is
        /// over.
        sent: bool,
    },
    /// There is no link to a broker, or the link was lost before the confirm came. In the second case the
    /// message may be stored.
    Disconnected {
        /// The known cause of the loss.
        reason: String,
        /// Whether the message was handed to the connection before.
        sent: bool,
    },
    /// The buffer of [`WhenDown::Buffer`](crate::WhenDown::Buffer) has no place for this message.
    BufferFull {
        /// How many messages the buffer may hold.
        max_messages: usize,
        /// How many bytes of messages the buffer may hold.
        max_bytes: usize,
        /// Why the buffer holds messages: the reason why the broker cannot take them.
        reason: String,
    },
    /// The message has waited in the buffer for its whole `max_age`.
    TooOld {
        /// The `max_age` of its buffer.
        after: Duration,
        /// Why the broker could not take the message.
        reason: String,
        /// Whether the message was handed to a connection that was lost before the confirm came.
        sent: bool,
    },
    /// The body exceeds the broker's message size limit, or the properties and headers do not fit into a
    /// frame.
    TooLarge {
        /// The part that is too large, its size, and the limit.
        what: String,
    },
    /// The payload could not be encoded.
    Encode(String),
    /// The message cannot be delayed as requested.
    Delay(DelayError),
    /// A reply was not sent: the request names a queue to which replies are not allowed. See
    /// [`SystemBuilder::allow_replies_to`](crate::SystemBuilder::allow_replies_to).
    ReplyRefused {
        /// The queue, in a readable form.
        reply_to: String,
    },
    /// No broker takes the message as it is, and sending it costs the link. Either a header is a float that
    /// is NaN or infinite, or the broker ended the link twice while no other message was in flight.
    Unsendable {
        /// The fault in the message, or the broker's reason.
        what: String,
    },
    /// The broker closed the channel over this message.
    Refused {
        /// The broker's reason.
        reason: String,
    },
}

impl PublishError {
    /// The error of a message that has waited this long for a broker that takes it.
    pub(super) fn not_taken(gate: &Gate, sent: bool, waited: Duration) -> Self {
        match gate {
            Gate::Open => Self::Timeout { after: waited },
            Gate::Down(reason) => Self::Disconnected {
                reason: reason.clone(),
                sent,
            },
            Gate::Blocked(reason) => Self::Blocked {
                reason: reason.clone(),
                sent,
            },
        }
    }

    /// Whether the broker may have stored the message although the send failed. Sending it again with the
    /// same message id is then right, and may make a duplicate.
    #[must_use]
    pub fn may_be_stored(&self) -> bool {
        matches!(
            self,
            Self::Timeout { .. }
                | Self::Blocked { sent: true, .. }
                | Self::Disconnected { sent: true, .. }
                | Self::TooOld { sent: true, .. }
        )
    }

    /// Whether sending the same message again can succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(
            self,
            Self::TooLarge { .. }
                | Self::Encode(_)
                | Self::Delay(_)
                | Self::ReplyRefused { .. }
                | Self::Unsendable { .. }
                | Self::Refused { .. }
        )
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unroutable {
                exchange,
                routing_key,
                reason,
            } => unroutable(f, exchange, routing_key, reason),
            Self::Nacked => f.write_str(
                "the broker refused the message (nack); a queue is full or cannot store",
            ),
            Self::Timeout { after } => {
                write!(
                    f,
                    "no confirm within {}; the message may be stored",
                    compact(*after)
                )
            }
            Self::Blocked { reason, sent } => {
                write!(
                    f,
                    "the broker blocks publishers ({reason}); free its memory or disk{}",
                    may_be_stored(*sent)
                )
            }
            Self::BufferFull {
                max_messages,
                max_bytes,
                reason,
            } => write!(
                f,
                "the buffer is full ({max_messages} messages or {max_bytes} bytes at most) while the broker takes nothing ({reason}); send less, or allow more"
            ),
            Self::TooOld {
                after,
                reason,
                sent,
            } => write!(
                f,
                "the message waited {} for a broker that takes it ({reason}){}",
                compact(*after),
                may_be_stored(*sent)
            ),
            Self::Disconnected {
                reason,
                sent: false,
            } => write!(f, "no link to a broker: {reason}"),
            Self::Disconnected { reason, sent: true } => {
                write!(
                    f,
                    "the link was lost before the confirm came ({reason}); the message may be stored"
                )
            }
            Self::TooLarge { what } => write!(f, "message too large: {what}"),
            Self::Unsendable { what } => write!(f, "no broker takes the message: {what}"),
            Self::Encode(why) => write!(f, "the payload cannot be encoded: {why}"),
            Self::Delay(error) => error.fmt(f),
            Self::ReplyRefused { reply_to } => write!(
                f,
                "a reply may not go to `{reply_to}`, the queue that the request names: only to an address that a broker has given (amq.rabbitmq.reply-to…, amq.gen-…), or to what `SystemBuilder::allow_replies_to` lets through"
            ),
            Self::Refused { reason } => write!(f, "the broker refused the message: {reason}"),
        }
    }
}

fn unroutable(
    f: &mut fmt::Formatter<'_>,
    exchange: &str,
    routing_key: &str,
    reason: &str,
) -> fmt::Result {
    let exchange = if exchange.is_empty() {
        "the default exchange"
    } else {
        exchange
    };
    write!(
        f,
        "nothing takes messages from {exchange} with routing key `{routing_key}` ({reason}); declare the queue \
         or its binding"
    )
}

fn may_be_stored(sent: bool) -> &'static str {
    if sent {
        "; the message may be stored"
    } else {
        ""
    }
}

impl std::error::Error for PublishError {}

impl From<DelayError> for PublishError {
    fn from(error: DelayError) -> Self {
        Self::Delay(error)
    }
}
