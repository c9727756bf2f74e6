//! The methods that the reader looks at.

use super::ReadError;

/// The content of a method frame, as far as the reader must know it.
#[derive(Debug)]
pub(super) enum Method {
    /// A message follows.
    Content(Kind),
    Confirm {
        tag: u64,
        multiple: bool,
        taken: bool,
    },
    ConsumerEnded,
    ChannelClosed {
        code: u16,
        text: String,
    },
    ChannelCloseOk,
    ConnectionClosed {
        code: u16,
        text: String,
    },
    Other,
}

/// Which method carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Deliver,
    GetOk,
    Return,
}

/// The class and the method, as in a method frame (AMQP 0-9-1, section 4.2.4).
const fn id(class: u16, method: u16) -> u32 {
    ((class as u32) << 16) | method as u32
}

const CONNECTION_START: u32 = id(10, 10);
const CONNECTION_CLOSE: u32 = id(10, 50);
const CHANNEL_CLOSE: u32 = id(20, 40);
const CHANNEL_CLOSE_OK: u32 = id(20, 41);
const BASIC_CANCEL: u32 = id(60, 30);
const BASIC_CANCEL_OK: u32 = id(60, 31);
const BASIC_RETURN: u32 = id(60, 50);
const BASIC_DELIVER: u32 = id(60, 60);
const BASIC_GET_OK: u32 = id(60, 71);
const BASIC_ACK: u32 = id(60, 80);
const BASIC_NACK: u32 = id(60, 120);

/// Whether a broker may begin with this method: it introduces itself, or says at once why it does not.
pub(super) fn is_first(payload: &[u8]) -> bool {
    let first = payload.first_chunk().copied().map(u32::from_be_bytes);
    matches!(first, Some(CONNECTION_START | CONNECTION_CLOSE))
}

impl Method {
    pub(super) fn of(channel: u16, payload: &[u8]) -> Result<Self, ReadError> {
        let broken = ReadError::BrokenMethod { channel };
        let mut fields = Fields(payload);
        let method = fields.u32().ok_or(broken.clone())?;
        let method = match method {
            BASIC_DELIVER => Some(Self::Content(Kind::Deliver)),
            BASIC_GET_OK => Some(Self::Content(Kind::GetOk)),
            BASIC_RETURN => Some(Self::Content(Kind::Return)),
            BASIC_ACK => fields.confirm(true),
            BASIC_NACK => fields.confirm(false),
            BASIC_CANCEL | BASIC_CANCEL_OK => Some(Self::ConsumerEnded),
            CHANNEL_CLOSE => fields
                .reason()
                .map(|(code, text)| Self::ChannelClosed { code, text }),
            CHANNEL_CLOSE_OK => Some(Self::ChannelCloseOk),
            CONNECTION_CLOSE => fields
                .reason()
                .map(|(code, text)| Self::ConnectionClosed { code, text }),
            _ => Some(Self::Other),
        };
        method.ok_or(broken)
    }
}

/// The arguments of a method, read in order. A read gives `None` when no argument is left.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A short string, which has at most 255 bytes of any kind.
    pub(super) fn short(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        let (text, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        Some(text)
    }

    fn confirm(&mut self, taken: bool) -> Option<Method> {
        let tag = self.u64()?;
        let bits = self.u8()?;
        Some(Method::Confirm {
            tag,
            multiple: bits & 1 == 1,
            taken,
        })
    }

    fn reason(&mut self) -> Option<(u16, String)> {
        let code = self.u16()?;
        let text = String::from_utf8_lossy(self.short()?).into_owned();
        Some((code, text))
    }
}
