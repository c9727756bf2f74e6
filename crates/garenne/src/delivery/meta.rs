//! The data of a message besides its decoded body.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use garenne_core::delay::arrived;
use garenne_core::header::{ORIG_EXCHANGE, ORIG_ROUTING_KEY};
use garenne_core::reader::Message;
use garenne_core::wire::{PropertyList, readable};
use garenne_core::{Attempt, Origin, Properties, Queue, is_copy};

use super::Outbox;

/// The data of a message besides its decoded body.
pub(crate) struct Meta {
    pub(crate) queue: Arc<Source>,
    pub(crate) redelivered: bool,
    pub(crate) attempt: Attempt,
    /// The message as it came, without its body.
    received: Message,
    pub(crate) bytes: Bytes,
    /// Its texts in a readable form, once a text that is not UTF-8 was asked for.
    shown: OnceLock<Box<Shown>>,
    /// The messages that its handler wants sent.
    pub(crate) outbox: Outbox,
}

/// The queue that messages come out of, by its name.
pub(crate) struct Source {
    name: Arc<str>,
    /// See [`Origin::shared_lane`].
    shared_lane: Option<Box<str>>,
}

impl Source {
    pub(crate) fn of(queue: &Queue) -> Self {
        let contract = queue.golang_rabbitmq.as_ref();
        Self {
            name: queue.name().into(),
            shared_lane: contract.map(|contract| contract.retry_queue_name().into()),
        }
    }

    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }
}

impl Deref for Source {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Texts of a message, readably.
struct Shown {
    message_id: String,
    exchange: String,
    routing_key: String,
}

impl Meta {
    pub(crate) fn new(queue: Arc<Source>, mut message: Message) -> Self {
        Self {
            queue,
            redelivered: message.redelivered,
            attempt: PropertyList::new(message.properties()).attempt(),
            bytes: Bytes::from(std::mem::take(&mut message.body)),
            received: message,
            shown: OnceLock::new(),
            outbox: Outbox::default(),
        }
    }

    /// The broker's number of the delivery on its channel.
    pub(crate) fn tag(&self) -> u64 {
        self.received.tag
    }

    /// The properties, to look up a single property.
    pub(crate) fn list(&self) -> PropertyList<'_> {
        PropertyList::new(self.received.properties())
    }

    /// All properties.
    pub(crate) fn properties(&self) -> Properties {
        Properties::decode(self.received.properties())
    }

    pub(crate) fn message_id(&self) -> Option<&str> {
        let id = self.list().message_id()?;
        Some(text(id).unwrap_or_else(|| &self.shown().message_id))
    }

    /// The message id for a log: escaped, so that it cannot steer a terminal.
    pub(crate) fn id_to_show(&self) -> Cow<'_, str> {
        readable(self.list().message_id().unwrap_or_default())
    }

    pub(crate) fn content_type(&self) -> Option<&str> {
        text(self.list().content_type()?)
    }

    /// Exchange and routing key of the delivery; for a delayed message, those of its destination.
    fn address(&self) -> (&str, &str) {
        let Origin {
            exchange,
            routing_key,
            ..
        } = self.origin();
        arrived(exchange, routing_key).unwrap_or((exchange, routing_key))
    }

    /// Where the delivery came from, according to the broker.
    pub(crate) fn origin(&self) -> Origin<'_> {
        let exchange = text(self.received.exchange());
        let routing_key = text(self.received.routing_key());
        Origin {
            queue: &self.queue,
            exchange: exchange.unwrap_or_else(|| &self.shown().exchange),
            routing_key: routing_key.unwrap_or_else(|| &self.shown().routing_key),
            shared_lane: self.queue.shared_lane.as_deref(),
        }
    }

    /// The exchange that the original of this message was published to.
    pub(super) fn exchange(&self) -> &str {
        self.of_original(ORIG_EXCHANGE)
            .unwrap_or_else(|| self.address().0)
    }

    /// The routing key that the original of this message was published with.
    pub(super) fn routing_key(&self) -> &str {
        self.of_original(ORIG_ROUTING_KEY)
            .unwrap_or_else(|| self.address().1)
    }

    /// A copy's header about its original. Any producer can write that header, so it counts on copies only.
    fn of_original(&self, name: &str) -> Option<&str> {
        let said = self.list().header(name)?;
        is_copy(self.list(), self.origin())
            .then(|| said.as_text())
            .flatten()
    }

    fn shown(&self) -> &Shown {
        self.shown.get_or_init(|| {
            let show = |bytes| readable(bytes).into_owned();
            Box::new(Shown {
                message_id: show(self.list().message_id().unwrap_or_default()),
                exchange: show(self.received.exchange()),
                routing_key: show(self.received.routing_key()),
            })
        })
    }
}

/// The text, if these bytes are UTF-8.
pub(super) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
