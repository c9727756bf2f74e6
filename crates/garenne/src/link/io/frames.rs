//! The frames that garenne writes itself: messages, and the settlements of deliveries.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use garenne_core::reader::{FRAME_END, FRAME_HEAD};

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;

/// Bits of `basic.ack` and `basic.nack`.
const MULTIPLE: u8 = 0b01;
const REQUEUE: u8 = 0b10;

/// A part of a body that has at least this size is passed on without a copy.
const LARGE: usize = 16 * 1024;

/// Bytes to be written to the socket, in order.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Written before `rest`.
    whole: VecDeque<Bytes>,
    /// Small frames, in order.
    rest: BytesMut,
}

/// A message to be published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publish<'a> {
    pub(crate) exchange: &'a [u8],
    pub(crate) routing_key: &'a [u8],
    /// The broker returns the message if no queue takes it.
    pub(crate) mandatory: bool,
    /// The properties in wire format, beginning with the property flags.
    pub(crate) properties: &'a [u8],
    pub(crate) body: &'a Bytes,
}

impl Frames {
    /// Adds bytes that are whole frames, or parts of a frame that is completed later.
    pub(super) fn put(&mut self, frames: &[u8]) {
        self.rest.extend_from_slice(frames);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.rest.is_empty()
    }

    /// Takes out all bytes.
    pub(super) fn take(&mut self) -> VecDeque<Bytes> {
        self.seal();
        std::mem::take(&mut self.whole)
    }

    /// Puts back bytes that were not written, before all bytes that were added meanwhile.
    pub(super) fn put_back(&mut self, mut unwritten: VecDeque<Bytes>) {
        unwritten.append(&mut self.whole);
        self.whole = unwritten;
    }

    fn seal(&mut self) {
        if !self.rest.is_empty() {
            self.whole.push_back(self.rest.split().freeze());
        }
    }

    /// `basic.ack` (AMQP 0-9-1, class 60, method 80).
    pub(super) fn ack(&mut self, channel: u16, tag: u64, multiple: bool) {
        self.settlement(channel, 80, tag, if multiple { MULTIPLE } else { 0 });
    }

    /// `basic.nack` of a delivery, with requeue (RabbitMQ's class 60, method 120).
    pub(super) fn requeue(&mut self, channel: u16, tag: u64) {
        self.settlement(channel, 120, tag, REQUEUE);
    }

    /// `basic.nack` of all deliveries on the channel, with requeue. The tag 0 means all.
    pub(super) fn give_back_all(&mut self, channel: u16) {
        self.settlement(channel, 120, 0, REQUEUE | MULTIPLE);
    }

    fn settlement(&mut self, channel: u16, method: u8, tag: u64, bits: u8) {
        self.begin(METHOD, channel, 4 + 8 + 1);
        self.put(&[0, 60, 0, method]);
        self.put(&tag.to_be_bytes());
        self.put(&[bits, FRAME_END]);
    }

    /// `basic.publish`, with header and body. A body is cut into frames of the negotiated size.
    ///
    /// The caller has checked that exchange and routing key have at most 255 bytes, and that the
    /// properties fit into a frame.
    pub(super) fn publish(&mut self, channel: u16, message: Publish<'_>, frame_max: usize) {
        let Publish {
            exchange,
            routing_key,
            mandatory,
            properties,
            body,
        } = message;
        let size = 4 + 2 + 1 + exchange.len() + 1 + routing_key.len() + 1;
        self.begin(METHOD, channel, size);
        self.put(&[0, 60, 0, 40, 0, 0]);
        self.short(exchange);
        self.short(routing_key);
        self.put(&[u8::from(mandatory), FRAME_END]);

        self.begin(HEADER, channel, 2 + 2 + 8 + properties.len());
        self.put(&[0, 60, 0, 0]);
        self.put(&(body.len() as u64).to_be_bytes());
        self.put(properties);
        self.put(&[FRAME_END]);

        let part = frame_max.saturating_sub(FRAME_HEAD + 1).max(1);
        let mut left = body.clone();
        while !left.is_empty() {
            let next = left.split_to(part.min(left.len()));
            self.begin(BODY, channel, next.len());
            if next.len() < LARGE {
                self.put(&next);
            } else {
                self.seal();
                self.whole.push_back(next);
            }
            self.put(&[FRAME_END]);
        }
    }

    fn begin(&mut self, kind: u8, channel: u16, size: usize) {
        // A frame is never larger than the negotiated size, which has 32 bits.
        let size = u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes();
        let [c1, c0] = channel.to_be_bytes();
        self.put(&[kind, c1, c0, size[0], size[1], size[2], size[3]]);
    }

    fn short(&mut self, text: &[u8]) {
        let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
        self.put(&[length]);
        self.put(&text[..length.into()]);
    }
}

#[cfg(test)]
mod tests;
