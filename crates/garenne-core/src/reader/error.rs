//! Why a connection cannot be read any further.

use std::fmt;

/// Why a connection cannot be read any further: it is unknown where its next frame begins, or a bound on
/// memory is exceeded.
///
/// No message that RabbitMQ takes from a producer leads to such an error, whatever it contains.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// The peer is not an AMQP 0-9-1 broker.
    NotAmqp {
        /// The peer's first bytes, at most 16.
        begins: Vec<u8>,
    },
    /// AMQP has no frames of this type.
    UnknownFrame {
        /// The type.
        kind: u8,
        /// The channel that it came on.
        channel: u16,
    },
    /// A frame or a message exceeds a bound.
    TooLarge {
        /// The channel that it came on.
        channel: u16,
        /// The part that is too large: a frame with a message's header, a method, or a body.
        what: &'static str,
        /// How large it is, in bytes.
        size: u64,
        /// How large it may be, in bytes.
        most: u64,
    },
    /// A frame does not end with the octet that ends all frames.
    NoFrameEnd {
        /// The channel that it came on.
        channel: u16,
    },
    /// A method lacks some of its arguments.
    BrokenMethod {
        /// The channel that it came on.
        channel: u16,
    },
    /// A part of a message came out of order: a header without a method, a body without a header, a longer
    /// body than announced, or another frame in between.
    OutOfTurn {
        /// The channel that it came on.
        channel: u16,
    },
}

impl ReadError {
    pub(super) fn not_amqp(begin: &[u8], more: &[u8]) -> Self {
        const SHOWN: usize = 16;
        Self::NotAmqp {
            begins: begin.iter().chain(more).take(SHOWN).copied().collect(),
        }
    }

    /// Adds the first bytes of a peer that does not speak AMQP.
    pub(super) fn beginning(self, bytes: &[u8]) -> Self {
        match self {
            Self::NotAmqp { .. } => Self::not_amqp(bytes, &[]),
            other => other,
        }
    }

    /// The channel of the error, if it concerns a channel.
    #[must_use]
    pub const fn channel(&self) -> Option<u16> {
        match *self {
            Self::NotAmqp { .. } => None,
            Self::UnknownFrame { channel, .. }
            | Self::TooLarge { channel, .. }
            | Self::NoFrameEnd { channel }
            | Self::BrokenMethod { channel }
            | Self::OutOfTurn { channel } => Some(channel),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAmqp { begins } if begins.starts_with(b"AMQP") => f.write_str(
                "what answers there speaks another version of AMQP than 0-9-1; check the port",
            ),
            Self::NotAmqp { begins } => write!(
                f,
                "what answers there does not speak AMQP 0-9-1 (it begins with `{}`); check the port, and whether it is \
                 a TLS port (`amqps://`)",
                begins.escape_ascii()
            ),
            Self::UnknownFrame { kind, channel } => write!(
                f,
                "the broker sent a frame of the unknown type {kind} on channel {channel}; see what stands between it \
                 and this program"
            ),
            Self::TooLarge {
                channel,
                what,
                size,
                most,
            } => write!(
                f,
                "the broker sent a {what} of {size} bytes on channel {channel}, at most {most} are taken; take it \
                 out of its queue with another client, see which producer sends such messages, and lower `frame_max` or \
                 `max_message_size` on the broker"
            ),
            Self::NoFrameEnd { channel } => write!(
                f,
                "a frame on channel {channel} does not end where it should; see what stands between the broker and this \
                 program"
            ),
            Self::BrokenMethod { channel } => write!(
                f,
                "the broker sent a method without all its arguments on channel {channel}; see what stands between it and \
                 this program"
            ),
            Self::OutOfTurn { channel } => write!(
                f,
                "the broker sent a part of a message out of its turn on channel {channel}; see what stands between it and \
                 this program"
            ),
        }
    }
}

impl std::error::Error for ReadError {}
