//! The events of a reader.

use super::{FRAME_END, FRAME_HEAD, METHOD, Message, Returned};

/// An event on a link.
#[derive(Debug)]
pub enum Event<'a> {
    /// A frame for the AMQP client, from its first byte to its last.
    Frame(&'a [u8]),
    /// A message for a consumer.
    Delivered {
        /// The channel that the consumer is on.
        channel: u16,
        /// The message.
        message: Message,
    },
    /// The answer to a `basic.get`. The AMQP client does not see it and still waits for an answer: give it
    /// [`Event::get_empty`].
    Got {
        /// The channel that asked.
        channel: u16,
        /// The message.
        message: Message,
    },
    /// A mandatory message that no queue took. Its confirm follows.
    Returned {
        /// The channel that it was published on.
        channel: u16,
        /// The message that came back.
        returned: Returned,
    },
    /// The broker has taken messages, or refused to take them.
    Confirmed {
        /// The channel that they were published on.
        channel: u16,
        /// The number of the message among the messages published on the channel, from 1.
        tag: u64,
        /// Whether all messages up to this tag are meant.
        multiple: bool,
        /// Whether they were taken.
        taken: bool,
    },
    /// No further delivery comes for the consumer: the broker has cancelled it, or has confirmed its
    /// cancellation. The client gets the frame too.
    ConsumerEnded {
        /// The channel that the consumer was on.
        channel: u16,
    },
    /// The broker has closed a channel. The client gets the frame too.
    ChannelClosed {
        /// The channel.
        channel: u16,
        /// AMQP's reply code.
        code: u16,
        /// The broker's text.
        text: String,
    },
    /// The broker has closed the connection. The client gets the frame too.
    ConnectionClosed {
        /// AMQP's reply code.
        code: u16,
        /// The broker's text.
        text: String,
    },
}

impl Event<'_> {
    /// The frame that answers a `basic.get` on a channel with “there is no message”.
    #[must_use]
    pub const fn get_empty(channel: u16) -> [u8; FRAME_HEAD + 5 + 1] {
        let [high, low] = channel.to_be_bytes();
        [METHOD, high, low, 0, 0, 0, 5, 0, 60, 0, 72, 0, FRAME_END]
    }
}
