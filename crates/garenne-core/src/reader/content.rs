//! Messages, incomplete and complete.

use super::method::{Fields, Kind};
use super::{BODY_MAX, ReadError};

/// How many bytes are reserved for a body before they have come.
const AHEAD: usize = 4 * 1024;
/// AMQP's class of the methods for messages, `basic`.
const BASIC: u16 = 60;

/// A message as the broker handed it out: none of it has been interpreted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The tag to ack it by. The messages of a channel are numbered from 1.
    pub tag: u64,
    /// Whether the broker has handed it out before.
    pub redelivered: bool,
    envelope: Envelope,
    /// The body.
    pub body: Vec<u8>,
}

/// A mandatory message that no queue took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// AMQP's reply code: 312 when there is no route.
    pub code: u16,
    /// The broker's text.
    pub text: String,
    envelope: Envelope,
}

/// The exchange and routing key of a message, and its properties, in one allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Envelope {
    bytes: Box<[u8]>,
    exchange: u8,
    routing_key: u8,
}

impl Envelope {
    fn exchange(&self) -> &[u8] {
        &self.bytes[..self.exchange.into()]
    }

    fn routing_key(&self) -> &[u8] {
        let from = usize::from(self.exchange);
        &self.bytes[from..from + usize::from(self.routing_key)]
    }

    fn properties(&self) -> &[u8] {
        &self.bytes[usize::from(self.exchange) + usize::from(self.routing_key)..]
    }
}

macro_rules! envelope {
    () => {
        /// The exchange of the message. RabbitMQ lets names be any bytes.
        #[must_use]
        pub fn exchange(&self) -> &[u8] {
            self.envelope.exchange()
        }

        /// The routing key of the message. Any bytes, at most 255.
        #[must_use]
        pub fn routing_key(&self) -> &[u8] {
            self.envelope.routing_key()
        }

        /// Its properties as on the wire: the property flags, and behind them the properties.
        #[must_use]
        pub fn properties(&self) -> &[u8] {
            self.envelope.properties()
        }
    };
}

impl Message {
    /// Makes a message that did not come over a link, for tests.
    ///
    /// # Panics
    ///
    /// When the exchange or the routing key has more than 255 bytes.
    #[must_use]
    pub fn fabricated(exchange: &[u8], routing_key: &[u8], properties: &[u8], body: &[u8]) -> Self {
        let length = |name: &[u8]| u8::try_from(name.len()).expect("at most 255 bytes");
        Self {
            tag: 1,
            redelivered: false,
            envelope: Envelope {
                exchange: length(exchange),
                routing_key: length(routing_key),
                bytes: [exchange, routing_key, properties].concat().into(),
            },
            body: body.to_vec(),
        }
    }

    envelope!();
}

impl Returned {
    envelope!();
}

/// A complete message.
pub(super) enum Content {
    Delivered(Message),
    Got(Message),
    Returned(Returned),
}

/// The incomplete messages: at most one for each channel, and nearly always a single one.
#[derive(Debug, Default)]
pub(super) struct Contents {
    open: Vec<Open>,
    /// The memory that held the last message's exchange and routing key, for reuse.
    spare: Vec<u8>,
}

/// A message that has begun.
#[derive(Debug)]
struct Open {
    channel: u16,
    kind: Kind,
    /// A tag, or a reply code.
    number: u64,
    redelivered: bool,
    text: String,
    /// The exchange and the routing key; once the header has come, the properties too.
    bytes: Vec<u8>,
    exchange: u8,
    routing_key: u8,
    /// The length of the body; `None` before the header.
    size: Option<u64>,
    body: Vec<u8>,
}

impl Contents {
    /// A method has come that a message follows.
    pub(super) fn begin(
        &mut self,
        channel: u16,
        kind: Kind,
        payload: &[u8],
    ) -> Result<(), ReadError> {
        self.none_is_open(channel)?;
        let bytes = std::mem::take(&mut self.spare);
        let open = Open::read(channel, kind, payload, bytes);
        self.open
            .push(open.ok_or(ReadError::BrokenMethod { channel })?);
        Ok(())
    }

    /// A header has come. The message is whole if it has no body.
    pub(super) fn header(
        &mut self,
        channel: u16,
        payload: &[u8],
    ) -> Result<Option<Content>, ReadError> {
        let open = self.open.iter_mut().find(|open| open.channel == channel);
        let open = open
            .filter(|open| open.size.is_none())
            .ok_or(ReadError::OutOfTurn { channel })?;
        let mut fields = Fields(payload);
        let size = match (fields.u16(), fields.u16(), fields.u64()) {
            (Some(BASIC), Some(_weight), Some(size)) => size,
            _ => return Err(ReadError::BrokenMethod { channel }),
        };
        if size > BODY_MAX {
            return Err(ReadError::TooLarge {
                channel,
                what: "body",
                size,
                most: BODY_MAX,
            });
        }
        open.size = Some(size);
        let addresses = open.bytes.len();
        let mut bytes = Vec::with_capacity(addresses + fields.0.len());
        bytes.extend_from_slice(&open.bytes);
        bytes.extend_from_slice(fields.0);
        self.spare = std::mem::replace(&mut open.bytes, bytes);
        self.spare.clear();
        Ok(self.take_whole(channel))
    }

    /// Whether a body frame of this length may come now.
    pub(super) fn expects(&self, channel: u16, length: usize) -> Result<(), ReadError> {
        let missing = self.find(channel).and_then(Open::missing);
        match missing {
            Some(missing) if length as u64 <= missing => Ok(()),
            _ => Err(ReadError::OutOfTurn { channel }),
        }
    }

    /// An expected part of a body has come.
    pub(super) fn body(&mut self, channel: u16, part: &[u8]) {
        if let Some(open) = self.open.iter_mut().find(|open| open.channel == channel) {
            open.add(part);
        }
    }

    /// The message of this channel, if it is complete.
    pub(super) fn take_whole(&mut self, channel: u16) -> Option<Content> {
        let is_whole = |open: &Open| open.channel == channel && open.missing() == Some(0);
        let index = self.open.iter().position(is_whole)?;
        Some(self.open.swap_remove(index).whole())
    }

    pub(super) fn none_is_open(&self, channel: u16) -> Result<(), ReadError> {
        match self.find(channel) {
            None => Ok(()),
            Some(_) => Err(ReadError::OutOfTurn { channel }),
        }
    }

    pub(super) fn forget(&mut self, channel: u16) {
        self.open.retain(|open| open.channel != channel);
    }

    /// How much memory it holds, in bytes.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let open = self.open.iter();
        let held = open.map(|open| {
            size_of::<Open>() + open.bytes.capacity() + open.text.capacity() + open.body.capacity()
        });
        self.spare.capacity() + held.sum::<usize>()
    }

    fn find(&self, channel: u16) -> Option<&Open> {
        self.open.iter().find(|open| open.channel == channel)
    }
}

impl Open {
    fn read(channel: u16, kind: Kind, payload: &[u8], mut bytes: Vec<u8>) -> Option<Self> {
        const CLASS_AND_METHOD: usize = 4;
        let mut fields = Fields(payload.get(CLASS_AND_METHOD..)?);
        let (mut text, mut redelivered) = (String::new(), false);
        let number = if kind == Kind::Return {
            let code = fields.u16()?;
            text = String::from_utf8_lossy(fields.short()?).into_owned();
            code.into()
        } else {
            if kind == Kind::Deliver {
                // A channel of garenne's has a single consumer at a time, so its tag adds nothing.
                let _consumer_tag = fields.short()?;
            }
            let tag = fields.u64()?;
            redelivered = fields.u8()? & 1 == 1;
            tag
        };
        let (exchange, routing_key) = (fields.short()?, fields.short()?);
        bytes.extend_from_slice(exchange);
        bytes.extend_from_slice(routing_key);
        Some(Self {
            channel,
            kind,
            number,
            redelivered,
            text,
            bytes,
            exchange: u8::try_from(exchange.len()).ok()?,
            routing_key: u8::try_from(routing_key.len()).ok()?,
            size: None,
            body: Vec::new(),
        })
    }

    /// How many bytes of the body are missing. `None` before the header has come.
    fn missing(&self) -> Option<u64> {
        Some(self.size? - self.body.len() as u64)
    }

    /// Makes room for this part, for as many bytes as have come, or for 4 KiB, whichever is most; but never
    /// for more than the whole body.
    fn add(&mut self, part: &[u8]) {
        if self.body.capacity() - self.body.len() < part.len() {
            let missing = usize::try_from(self.missing().unwrap_or(0)).unwrap_or(usize::MAX);
            let wanted = part.len().max(self.body.len()).max(AHEAD);
            self.body.reserve_exact(wanted.min(missing));
        }
        self.body.extend_from_slice(part);
    }

    fn whole(self) -> Content {
        let envelope = Envelope {
            bytes: self.bytes.into_boxed_slice(),
            exchange: self.exchange,
            routing_key: self.routing_key,
        };
        let message = |envelope| Message {
            tag: self.number,
            redelivered: self.redelivered,
            envelope,
            body: self.body,
        };
        match self.kind {
            Kind::Deliver => Content::Delivered(message(envelope)),
            Kind::GetOk => Content::Got(message(envelope)),
            Kind::Return => Content::Returned(Returned {
                // The number was read as 16 bits.
                code: u16::try_from(self.number).unwrap_or_default(),
                text: self.text,
                envelope,
            }),
        }
    }
}
