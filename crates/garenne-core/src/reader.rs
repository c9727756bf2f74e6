//! Reads the bytes that a broker sends over a link, and takes out the messages and confirms.
//!
//! A [`Reader`] gets the bytes of a connection as they come, cut anywhere. A message (a delivery, an answer
//! to `basic.get`, a returned message) becomes one [`Event`], and so does a confirm. Every other frame
//! becomes an [`Event::Frame`], whole and unchanged. That frame belongs to the AMQP client, which manages
//! connections, channels and declares.
//!
//! The order of the events is the order of the bytes. So all deliveries of a consumer come before
//! [`Event::ConsumerEnded`], and all events of a channel come before [`Event::ChannelClosed`].
//!
//! # The limits of a producer
//!
//! Here a message's properties are bytes. The reader does not look into them, so unreadable, too deep or too
//! long properties cannot harm it. The reader never allocates by a number that a peer wrote: for a message
//! that is coming it holds at most twice the bytes that it was given, and 4 KiB.
//!
//! | bound | value | why |
//! |---|---|---|
//! | a method frame | 64 KiB | AMQP's largest has three short strings and a table of the broker's own |
//! | a content header frame | 16 MiB ([`HEADER_MAX`]) | a broker hands out headers that are larger than the negotiated frame, once it has added `x-death` to them |
//! | a body | 512 MiB ([`BODY_MAX`]) | no RabbitMQ takes a larger message |
//!
//! Anything larger is a [`ReadError`].

mod content;
mod error;
mod event;
mod method;

use content::{Content, Contents};
pub use content::{Message, Returned};
pub use error::ReadError;
pub use event::Event;
use method::Method;

/// The most bytes of a content header frame.
pub const HEADER_MAX: usize = 16 * 1024 * 1024;
/// The most bytes of a message's body.
pub const BODY_MAX: u64 = 512 * 1024 * 1024;
/// The most bytes of a method frame.
const METHOD_MAX: usize = 64 * 1024;

/// The type, the channel and the size of a frame (AMQP 0-9-1, section 4.2.3).
pub const FRAME_HEAD: usize = 1 + 2 + 4;
/// The octet behind each frame.
pub const FRAME_END: u8 = 0xCE;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;

/// Cuts the bytes of a connection into events. See [the module](self).
#[derive(Debug, Default)]
pub struct Reader {
    /// The first frame was seen, and a broker may begin with it.
    has_begun: bool,
    /// The first part of an incomplete frame. Body frames are not collected here.
    partial: Vec<u8>,
    /// The body frame that is being read.
    body: Option<BodyFrame>,
    contents: Contents,
}

/// The part of a body frame that has not come yet.
#[derive(Clone, Copy, Debug)]
struct BodyFrame {
    channel: u16,
    left: usize,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
struct Head {
    kind: u8,
    channel: u16,
    /// The size of the payload, without the octet behind it.
    size: usize,
}

impl Reader {
    /// A reader at the first byte of a connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the bytes that came next. Events go to `sink` in the order of the bytes.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when the bytes are not AMQP, or exceed a bound. The connection is of no use then: it is
    /// unknown where the next frame begins.
    pub fn read(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        while !bytes.is_empty() {
            bytes = if let Some(frame) = self.body {
                self.read_body(frame, bytes, sink)?
            } else if self.partial.is_empty() {
                self.read_frame(bytes, sink)?
            } else {
                self.complete(bytes, sink)?
            };
        }
        Ok(())
    }

    /// Reads a frame from its first byte on. Returns the bytes behind it.
    fn read_frame<'b>(
        &mut self,
        bytes: &'b [u8],
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<&'b [u8], ReadError> {
        let Some((head, rest)) = bytes.split_first_chunk::<FRAME_HEAD>() else {
            self.look_at_the_first(bytes)?;
            self.partial.extend_from_slice(bytes);
            return Ok(&[]);
        };
        let head = self.head(*head).map_err(|error| error.beginning(bytes))?;
        if head.kind == BODY {
            self.begin_body(head)?;
            return Ok(rest);
        }
        let whole = FRAME_HEAD + head.size + 1;
        if let Some((frame, rest)) = bytes.split_at_checked(whole) {
            self.frame(head, frame, sink)?;
            return Ok(rest);
        }
        self.partial.extend_from_slice(bytes);
        Ok(&[])
    }

    /// Adds to an incomplete frame. Returns the bytes behind it.
    fn complete<'b>(
        &mut self,
        bytes: &'b [u8],
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<&'b [u8], ReadError> {
        let Some(head) = self.partial.first_chunk::<FRAME_HEAD>() else {
            let rest = self.add(bytes, FRAME_HEAD);
            self.look_at_the_first(&[])?;
            if let Some(head) = self.partial.first_chunk::<FRAME_HEAD>() {
                let head = self.head(*head)?;
                if head.kind == BODY {
                    self.partial.clear();
                    self.begin_body(head)?;
                }
            }
            return Ok(rest);
        };
        let head = self.head(*head)?;
        let whole = FRAME_HEAD + head.size + 1;
        let rest = self.add(bytes, whole);
        if self.partial.len() == whole {
            let mut frame = std::mem::take(&mut self.partial);
            self.frame(head, &frame, sink)?;
            // Keep the memory of a frame of usual size for the next frame.
            if frame.capacity() <= METHOD_MAX {
                frame.clear();
                self.partial = frame;
            }
        }
        Ok(rest)
    }

    /// Adds to the partial frame, up to a length. Returns the bytes that are left.
    fn add<'b>(&mut self, bytes: &'b [u8], length: usize) -> &'b [u8] {
        let missing = length.saturating_sub(self.partial.len());
        let (part, rest) = bytes.split_at(missing.min(bytes.len()));
        self.partial.extend_from_slice(part);
        rest
    }

    /// Looks at the first byte of a connection. A peer that is not a broker may send fewer bytes than a
    /// frame's head has, and then wait.
    fn look_at_the_first(&self, more: &[u8]) -> Result<(), ReadError> {
        match self.partial.first().or(more.first()) {
            Some(&METHOD) | None => Ok(()),
            _ if self.has_begun => Ok(()),
            Some(_) => Err(ReadError::not_amqp(&self.partial, more)),
        }
    }

    fn head(&self, head: [u8; FRAME_HEAD]) -> Result<Head, ReadError> {
        let [kind, c1, c0, s3, s2, s1, s0] = head;
        let channel = u16::from_be_bytes([c1, c0]);
        let size = u32::from_be_bytes([s3, s2, s1, s0]);
        if !self.has_begun && (kind != METHOD || channel != 0) {
            return Err(ReadError::not_amqp(&head, &[]));
        }
        let most = match kind {
            METHOD | HEARTBEAT => METHOD_MAX,
            HEADER => HEADER_MAX,
            // The bytes of a body frame are added to the body, which has a bound of its own.
            BODY => usize::MAX,
            _ => return Err(ReadError::UnknownFrame { kind, channel }),
        };
        match usize::try_from(size) {
            Ok(size) if size <= most => Ok(Head {
                kind,
                channel,
                size,
            }),
            _ if !self.has_begun => Err(ReadError::not_amqp(&head, &[])),
            _ => Err(ReadError::TooLarge {
                channel,
                what: if kind == HEADER { "header" } else { "method" },
                size: size.into(),
                most: most as u64,
            }),
        }
    }

    /// A whole frame, except a body frame.
    fn frame(
        &mut self,
        head: Head,
        frame: &[u8],
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let payload = &frame[FRAME_HEAD..FRAME_HEAD + head.size];
        let channel = head.channel;
        if !self.has_begun {
            if !method::is_first(payload) {
                return Err(ReadError::not_amqp(frame, &[]));
            }
            self.has_begun = true;
        }
        if frame.last() != Some(&FRAME_END) {
            return Err(ReadError::NoFrameEnd { channel });
        }
        match head.kind {
            HEADER => {
                if let Some(whole) = self.contents.header(channel, payload)? {
                    sink(event(channel, whole));
                }
            }
            METHOD => match Method::of(channel, payload)? {
                Method::Content(kind) => self.contents.begin(channel, kind, payload)?,
                Method::Confirm {
                    tag,
                    multiple,
                    taken,
                } => sink(Event::Confirmed {
                    channel,
                    tag,
                    multiple,
                    taken,
                }),
                method => {
                    self.notice(channel, method, sink)?;
                    sink(Event::Frame(frame));
                }
            },
            _ => sink(Event::Frame(frame)),
        }
        Ok(())
    }

    /// Reports a frame that the client gets too.
    fn notice(
        &mut self,
        channel: u16,
        method: Method,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        match method {
            Method::ConsumerEnded => {
                self.contents.none_is_open(channel)?;
                sink(Event::ConsumerEnded { channel });
            }
            // A message that was being sent when its channel closed never becomes complete.
            Method::ChannelClosed { code, text } => {
                self.contents.forget(channel);
                sink(Event::ChannelClosed {
                    channel,
                    code,
                    text,
                });
            }
            Method::ConnectionClosed { code, text } => {
                sink(Event::ConnectionClosed { code, text });
            }
            Method::ChannelCloseOk => self.contents.forget(channel),
            _ => self.contents.none_is_open(channel)?,
        }
        Ok(())
    }

    fn begin_body(&mut self, head: Head) -> Result<(), ReadError> {
        self.contents.expects(head.channel, head.size)?;
        self.body = Some(BodyFrame {
            channel: head.channel,
            left: head.size,
        });
        Ok(())
    }

    /// Reads the part of a body frame that has come. Returns the bytes behind it.
    fn read_body<'b>(
        &mut self,
        mut frame: BodyFrame,
        bytes: &'b [u8],
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<&'b [u8], ReadError> {
        let channel = frame.channel;
        let (part, rest) = bytes.split_at(frame.left.min(bytes.len()));
        self.contents.body(channel, part);
        frame.left -= part.len();
        self.body = Some(frame);
        if frame.left > 0 {
            return Ok(rest);
        }
        let Some((&end, rest)) = rest.split_first() else {
            return Ok(rest);
        };
        if end != FRAME_END {
            return Err(ReadError::NoFrameEnd { channel });
        }
        self.body = None;
        if let Some(whole) = self.contents.take_whole(channel) {
            sink(event(channel, whole));
        }
        Ok(rest)
    }
}

fn event(channel: u16, whole: Content) -> Event<'static> {
    match whole {
        Content::Delivered(message) => Event::Delivered { channel, message },
        Content::Got(message) => Event::Got { channel, message },
        Content::Returned(returned) => Event::Returned { channel, returned },
    }
}

#[cfg(test)]
mod tests;
