//! The frame reader: it owns the bytes that were read and not yet understood.

use bytes::{Buf, Bytes, BytesMut};

use crate::exception::{Exception, erlang_binary, frame_error};

/// Type octet, channel, size: what comes before a payload.
const HEADER: usize = 7;
/// The octet that ends every frame.
pub(crate) const FRAME_END: u8 = 0xCE;
/// Header and end marker: a frame's cost beside its payload.
pub(crate) const OVERHEAD: usize = HEADER + 1;

pub(crate) const METHOD: u8 = 1;
pub(crate) const CONTENT_HEADER: u8 = 2;
pub(crate) const CONTENT_BODY: u8 = 3;
pub(crate) const HEARTBEAT: u8 = 8;

/// A frame whose payload has not been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) channel: u16,
    pub(crate) payload: Bytes,
}

/// What a peer can send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The eight bytes that open a conversation.
    Header([u8; 8]),
    /// Everything after them.
    Frame(Frame),
}

/// Cuts a stream of bytes into frames; holds at most one frame and what was read beyond it.
#[derive(Debug)]
pub(crate) struct FrameReader {
    buffer: BytesMut,
    frame_max: usize,
    greeted: bool,
}

impl FrameReader {
    pub(crate) fn new(frame_max: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            frame_max,
            greeted: false,
        }
    }

    /// The buffer to read into.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Sets the largest frame that is accepted from now on; 0 is no limit but that of a body.
    pub(crate) fn set_frame_max(&mut self, frame_max: usize) {
        self.frame_max = frame_max;
    }

    /// The next whole input, `None` when more bytes are needed.
    pub(crate) fn next(&mut self) -> Result<Option<Input>, Exception> {
        if !self.greeted {
            return Ok(self.next_header());
        }
        if self.buffer.len() < HEADER {
            return Ok(None);
        }
        let kind = self.buffer[0];
        let channel = u16::from_be_bytes([self.buffer[1], self.buffer[2]]);
        let size = &self.buffer[3..HEADER];
        let size = u32::from_be_bytes([size[0], size[1], size[2], size[3]]) as usize;
        // Quite a few clients are off by the size of an empty frame; RabbitMQ forgives them.
        if size > self.frame_max {
            let allowed = self.frame_max.saturating_sub(OVERHEAD);
            let error = format!("{{frame_too_large,{size},{allowed}}}");
            return Err(broken(kind, &[], &error));
        }
        if self.buffer.len() < size + OVERHEAD {
            return Ok(None);
        }
        let end = self.buffer[HEADER + size];
        if end != FRAME_END {
            let payload = &self.buffer[HEADER..HEADER + size];
            return Err(broken(
                kind,
                payload,
                &format!("{{invalid_frame_end_marker,{end}}}"),
            ));
        }
        self.buffer.advance(HEADER);
        let payload = self.buffer.split_to(size).freeze();
        self.buffer.advance(1);
        Ok(Some(Input::Frame(Frame {
            kind,
            channel,
            payload,
        })))
    }

    fn next_header(&mut self) -> Option<Input> {
        let header: [u8; 8] = self.buffer.get(..8)?.try_into().ok()?;
        self.buffer.advance(8);
        self.greeted = true;
        Some(Input::Header(header))
    }
}

/// The error that RabbitMQ sends about a frame it cannot accept.
pub(crate) fn broken(kind: u8, payload: &[u8], error: &str) -> Exception {
    frame_error(format!("{}: {error}", describe(kind, payload)))
}

/// How RabbitMQ quotes a frame.
pub(crate) fn describe(kind: u8, payload: &[u8]) -> String {
    let (which, snippet) = match payload.get(..16) {
        Some(first) if payload.len() > 16 => ("first 16", first),
        _ => ("all", payload),
    };
    format!("type {kind}, {which} octets = {}", erlang_binary(snippet))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &[u8]) -> FrameReader {
        let mut reader = FrameReader::new(4096);
        reader.buffer().extend_from_slice(b"AMQP\0\0\x09\x01");
        reader.buffer().extend_from_slice(bytes);
        assert!(matches!(reader.next(), Ok(Some(Input::Header(_)))));
        reader
    }

    #[test]
    fn a_frame_is_read_when_its_last_byte_is_there() {
        let mut reader = reader(&[8, 0, 0, 0, 0, 0, 0]);
        assert_eq!(reader.next(), Ok(None));
        reader.buffer().extend_from_slice(&[FRAME_END]);
        let frame = Frame {
            kind: HEARTBEAT,
            channel: 0,
            payload: Bytes::new(),
        };
        assert_eq!(reader.next(), Ok(Some(Input::Frame(frame))));
        assert_eq!(reader.next(), Ok(None));
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_before_it_is_read() {
        let error = reader(&[3, 0, 1, 0, 16, 0, 0]).next().unwrap_err();
        assert_eq!(
            error.reply_text(),
            "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,1048576,4088}"
        );
    }

    #[test]
    fn a_wrong_end_marker_is_named() {
        let error = reader(&[1, 0, 1, 0, 0, 0, 2, 0, 20, 7]).next().unwrap_err();
        assert_eq!(
            error.reply_text(),
            "FRAME_ERROR - type 1, all octets = <<0,20>>: {invalid_frame_end_marker,7}"
        );
    }
}
