//! Contents: a method, a header, and as many bodies as the header promised.

use amq_protocol::protocol::basic;
use bytes::{Bytes, BytesMut};

use super::channel::expected_method;
use crate::exception::{Exception, unexpected_frame};
use crate::wire::{CONTENT_BODY, CONTENT_HEADER, METHOD};

/// Class and method of `basic.publish`, the only method with content that clients may send.
const PUBLISH: (u16, u16) = (60, 40);
/// Smaller bodies are copied, so that they do not keep the whole read buffer in memory.
const COPIED: usize = 8 * 1024;

/// A published message, not yet looked at.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) properties: Bytes,
    /// The size that was announced; more than `body` holds when it is over the limit.
    pub(crate) size: u64,
    pub(crate) body: Bytes,
}

/// The method that a content belongs to.
#[derive(Debug)]
pub(crate) enum Opener {
    Publish(basic::Publish),
    /// One that only brokers send. As RabbitMQ does, it is refused when its content is there.
    Foreign((u16, u16)),
}

impl Opener {
    /// Class and method.
    pub(super) fn ids(&self) -> (u16, u16) {
        match self {
            Self::Publish(_) => PUBLISH,
            Self::Foreign(ids) => *ids,
        }
    }
}

impl Default for Opener {
    fn default() -> Self {
        Self::Foreign((0, 0))
    }
}

/// What a channel waits for.
#[derive(Debug, Default)]
pub(crate) enum Assembly {
    #[default]
    Method,
    Header(Opener),
    Body {
        opener: Opener,
        content: Content,
        partial: BytesMut,
        /// `None` when more came than was announced: then nothing can make it whole any more, and
        /// whatever still comes is thrown away until the client gives up or says something else.
        missing: Option<u64>,
    },
}

impl Assembly {
    /// The method whose content is under way.
    pub(super) fn opener(&self) -> Option<&Opener> {
        match self {
            Self::Method => None,
            Self::Header(opener) | Self::Body { opener, .. } => Some(opener),
        }
    }

    /// Takes a frame. Returns the content when it is whole; a method while none is under way is
    /// left to the caller. A body over `max_size` is read and thrown away, because the client
    /// will not stop in the middle of it.
    pub(super) fn advance(
        &mut self,
        kind: u8,
        payload: &Bytes,
        max_size: u64,
    ) -> Result<Option<(Opener, Content)>, Exception> {
        match (&mut *self, kind) {
            (Self::Method, METHOD) => Ok(None),
            (Self::Method, _) => Err(expected_method()),
            (Self::Header(opener), CONTENT_HEADER) => {
                let content = parse_header(payload)?;
                let opener = std::mem::take(opener);
                if content.size == 0 {
                    *self = Self::Method;
                    return Ok(Some((opener, content)));
                }
                let missing = Some(content.size);
                *self = Self::Body {
                    opener,
                    content,
                    partial: BytesMut::new(),
                    missing,
                };
                Ok(None)
            }
            (Self::Header(_), _) => Err(unexpected_frame(
                "expected content header for class 60, got non content header frame instead",
            )),
            (
                Self::Body {
                    opener,
                    content,
                    partial,
                    missing,
                },
                CONTENT_BODY,
            ) => {
                let size = payload.len() as u64;
                *missing = missing.and_then(|missing| missing.checked_sub(size));
                let Some(left) = *missing else {
                    *partial = BytesMut::new();
                    return Ok(None);
                };
                if size == content.size && size <= max_size {
                    content.body = match payload.len() <= COPIED {
                        true => Bytes::copy_from_slice(payload),
                        false => payload.clone(),
                    };
                } else if content.size <= max_size {
                    partial.extend_from_slice(payload);
                }
                if left > 0 {
                    return Ok(None);
                }
                if !partial.is_empty() {
                    content.body = std::mem::take(partial).freeze();
                }
                let whole = (std::mem::take(opener), std::mem::take(content));
                *self = Self::Method;
                Ok(Some(whole))
            }
            (Self::Body { .. }, _) => Err(unexpected_frame(
                "expected content body, got non content body frame instead",
            )),
        }
    }
}

impl Default for Content {
    fn default() -> Self {
        Self {
            properties: Bytes::new(),
            size: 0,
            body: Bytes::new(),
        }
    }
}

/// Reads class, weight and size; the caller made sure that they are there.
fn parse_header(payload: &Bytes) -> Result<Content, Exception> {
    let expected = || {
        unexpected_frame(
            "expected content header for class 60, got non content header frame instead",
        )
    };
    let (Some(fixed), Some(properties)) = (payload.get(..12), payload.get(12..)) else {
        return Err(expected());
    };
    let class = u16::from_be_bytes([fixed[0], fixed[1]]);
    if class != 60 {
        return Err(unexpected_frame(format!(
            "expected content header for class 60, got one for class {class} instead"
        )));
    }
    if fixed[2..4] != [0, 0] {
        return Err(expected());
    }
    let size = fixed[4..12]
        .iter()
        .fold(0, |size, &byte| size << 8 | u64::from(byte));
    Ok(Content {
        properties: Bytes::copy_from_slice(properties),
        size,
        body: Bytes::new(),
    })
}
