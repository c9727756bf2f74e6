//! Messages that are coming in, and messages that have come.

use super::method::{Fields, Kind};
use super::{BODY_MAX, ReadError};

/// How many bytes of a body are made room for before they have come.
const AHEAD: usize = 4 * 1024;
/// AMQP's number for everything about messages.
const BASIC: u16 = 60;

/// A message as the broker handed it out: nothing of it has been interpreted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The number that it is acked by. The messages of a channel are numbered from 1.
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
    /// The broker's words for it.
    pub text: String,
    envelope: Envelope,
}

/// Where a message was published to, and its properties, in one piece of memory.
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
        /// The exchange that it was published to. RabbitMQ lets names be any bytes.
        #[must_use]
        pub fn exchange(&self) -> &[u8] {
            self.envelope.exchange()
        }

        /// The routing key that it was published with. Any bytes, at most 255.
        #[must_use]
        pub fn routing_key(&self) -> &[u8] {
            self.envelope.routing_key()
        }

        /// Its properties as they lie on the wire: the property flags, and behind them the properties.
        #[must_use]
        pub fn properties(&self) -> &[u8] {
            self.envelope.properties()
        }
    };
}

impl Message {
    /// A message that did not come over a link: for tests.
    ///
    /// # Panics
    ///
    /// When exchange or routing key have more than 255 bytes.
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

/// A message that has come whole.
pub(super) enum Content {
    Delivered(Message),
    Got(Message),
    Returned(Returned),
}

/// The messages of which only a part has come: at most one for each channel, and nearly always one.
#[derive(Debug, Default)]
pub(super) struct Contents {
    open: Vec<Open>,
    /// The memory that held the last message's exchange and routing key, to be used again.
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
    /// Exchange and routing key until the header has come; then the properties too.
    bytes: Vec<u8>,
    exchange: u8,
    routing_key: u8,
    /// How long the body will be; `None` before the header.
    size: Option<u64>,
    body: Vec<u8>,
}

impl Contents {
    /// A method has come behind which a message follows.
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

    /// A body frame of this length may come now.
    pub(super) fn expects(&self, channel: u16, length: usize) -> Result<(), ReadError> {
        let missing = self.find(channel).and_then(Open::missing);
        match missing {
            Some(missing) if length as u64 <= missing => Ok(()),
            _ => Err(ReadError::OutOfTurn { channel }),
        }
    }

    /// A part of a body has come, which was expected.
    pub(super) fn body(&mut self, channel: u16, part: &[u8]) {
        if let Some(open) = self.open.iter_mut().find(|open| open.channel == channel) {
            open.add(part);
        }
    }

    /// The message of this channel, if it has come whole.
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
                // A channel of ours has one consumer at a time: its tag says nothing new.
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

    /// Makes room for this part, for as many bytes as have come, or for 4 KiB, whichever is most; but
    /// never for more than the body will have.
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
                // It was read as 16 bits.
                code: u16::try_from(self.number).unwrap_or_default(),
                text: self.text,
                envelope,
            }),
        }
    }
}
