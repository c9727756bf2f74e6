//! What the broker sends, and how it becomes bytes.

use std::sync::Arc;

use amq_protocol::frame::WriteContext;
use amq_protocol::protocol::{AMQPClass, gen_class};
use bytes::Bytes;

use super::field::put_short;
use super::frame::{CONTENT_BODY, CONTENT_HEADER, FRAME_END, METHOD, OVERHEAD};
use crate::engine::{Message, Name};

/// Something to send on one connection.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// The protocol header that answers a header we do not speak.
    Header,
    /// A method without content.
    Method(u16, AMQPClass),
    /// A method with content that is not a delivery: `basic.return`, `basic.get-ok`.
    Content {
        channel: u16,
        method: AMQPClass,
        properties: Bytes,
        message: Arc<Message>,
    },
    /// `basic.deliver`, apart from the others because it is the one that must be fast.
    Deliver {
        channel: u16,
        consumer_tag: Name,
        delivery_tag: u64,
        redelivered: bool,
        properties: Bytes,
        message: Arc<Message>,
    },
}

impl Output {
    /// About how many bytes this will be on the wire.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Header | Self::Method(..) => 32,
            Self::Content {
                properties,
                message,
                ..
            }
            | Self::Deliver {
                properties,
                message,
                ..
            } => message.body.len() + properties.len() + 64,
        }
    }

    /// Class and method, for faults that wait for a method.
    pub(crate) fn method_id(&self) -> (u16, u16) {
        match self {
            Self::Header => (0, 0),
            Self::Method(_, class) | Self::Content { method: class, .. } => {
                (class.get_amqp_class_id(), class.get_amqp_method_id())
            }
            Self::Deliver { .. } => (60, 60),
        }
    }

    /// The body of what is delivered to a consumer, for faults that wait for a message.
    pub(crate) fn delivered_body(&self) -> Option<&[u8]> {
        match self {
            Self::Deliver { message, .. } => Some(&message.body),
            _ => None,
        }
    }
}

/// Appends the bytes of `output` to `buffer`; bodies are cut to `frame_max` (0: not cut).
pub(crate) fn encode(output: &Output, frame_max: usize, buffer: &mut Vec<u8>) {
    match output {
        Output::Header => buffer.extend_from_slice(b"AMQP\x00\x00\x09\x01"),
        Output::Method(channel, method) => encode_method(*channel, method, buffer),
        Output::Content {
            channel,
            method,
            properties,
            message,
        } => {
            encode_method(*channel, method, buffer);
            encode_content(*channel, properties, &message.body, frame_max, buffer);
        }
        Output::Deliver {
            channel,
            consumer_tag,
            delivery_tag,
            redelivered,
            properties,
            message,
        } => {
            let start = begin(METHOD, *channel, buffer);
            buffer.extend_from_slice(&[0, 60, 0, 60]);
            put_short(consumer_tag.as_bytes(), buffer);
            buffer.extend_from_slice(&delivery_tag.to_be_bytes());
            buffer.push(u8::from(*redelivered));
            put_short(message.exchange.as_bytes(), buffer);
            put_short(message.key.as_bytes(), buffer);
            finish(start, buffer);
            encode_content(*channel, properties, &message.body, frame_max, buffer);
        }
    }
}

/// Properties as a client with the codec sends them.
#[cfg(test)]
pub(crate) fn encode_properties(properties: &amq_protocol::protocol::BasicProperties) -> Bytes {
    use amq_protocol::protocol::basic::gen_properties;
    let context = gen_properties(properties)(WriteContext::from(Vec::new()));
    Bytes::from(context.expect("a vector takes all").into_inner().0)
}

fn encode_method(channel: u16, method: &AMQPClass, buffer: &mut Vec<u8>) {
    let start = begin(METHOD, channel, buffer);
    let context = WriteContext::from(std::mem::take(buffer));
    if let Ok(context) = gen_class(method)(context) {
        *buffer = context.into_inner().0;
    }
    debug_assert!(buffer.len() > start, "a vector takes any number of bytes");
    finish(start, buffer);
}

fn encode_content(
    channel: u16,
    properties: &[u8],
    body: &[u8],
    frame_max: usize,
    buffer: &mut Vec<u8>,
) {
    let start = begin(CONTENT_HEADER, channel, buffer);
    buffer.extend_from_slice(&[0, 60, 0, 0]);
    buffer.extend_from_slice(&(body.len() as u64).to_be_bytes());
    buffer.extend_from_slice(properties);
    finish(start, buffer);
    let chunk = if frame_max == 0 {
        usize::MAX
    } else {
        frame_max.saturating_sub(OVERHEAD).max(1)
    };
    for part in body.chunks(chunk) {
        let start = begin(CONTENT_BODY, channel, buffer);
        buffer.extend_from_slice(part);
        finish(start, buffer);
    }
}

/// Writes a frame's header with a hole for its size, and returns where the payload begins.
fn begin(kind: u8, channel: u16, buffer: &mut Vec<u8>) -> usize {
    buffer.push(kind);
    buffer.extend_from_slice(&channel.to_be_bytes());
    buffer.extend_from_slice(&[0; 4]);
    buffer.len()
}

fn finish(start: usize, buffer: &mut Vec<u8>) {
    let size = u32::try_from(buffer.len() - start).unwrap_or(u32::MAX);
    buffer[start - 4..start].copy_from_slice(&size.to_be_bytes());
    buffer.push(FRAME_END);
}
