//! What is known of a message besides its decoded body.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use garenne_core::delay::arrived;
use garenne_core::header::{ORIG_EXCHANGE, ORIG_ROUTING_KEY};
use garenne_core::reader::Message;
use garenne_core::wire::{PropertyList, readable};
use garenne_core::{Attempt, Origin, Properties, Queue, is_copy};

use super::Outbox;

/// What is known of a message besides its decoded body.
pub(crate) struct Meta {
    pub(crate) queue: Arc<Source>,
    pub(crate) redelivered: bool,
    pub(crate) attempt: Attempt,
    /// The message as it came, without its body.
    received: Message,
    pub(crate) bytes: Bytes,
    /// Its texts in a readable form, once somebody has asked for one that is not UTF-8.
    shown: OnceLock<Box<Shown>>,
    /// What its handler wants sent.
    pub(crate) outbox: Outbox,
    /// A handler has begun with it.
    pub(crate) begun: AtomicBool,
    /// Since when its handler has waited for something. One that never waits is done with at once.
    running_since: OnceLock<Instant>,
    /// No handler has it any more: what is left is to store it somewhere, if it is not done with.
    pub(crate) ended: AtomicBool,
    /// Set when the delivery was dropped by a panic: it was this message whose handler panicked.
    pub(crate) unwound: AtomicBool,
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
            begun: AtomicBool::new(false),
            running_since: OnceLock::new(),
            ended: AtomicBool::new(false),
            unwound: AtomicBool::new(false),
        }
    }

    /// Its handler has waited since then.
    pub(crate) fn runs_since(&self, then: Instant) {
        // A later run of a message that was begun anew counts from the first one.
        let _ = self.running_since.set(then);
    }

    /// For how long its handler has run, as far as that is known: in milliseconds.
    pub(crate) fn running_ms(&self) -> Option<u64> {
        let since = self.running_since.get()?;
        u64::try_from(since.elapsed().as_millis()).ok()
    }

    /// The properties, to look one up.
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

    /// The message id for a log: nothing in it does more than be read.
    pub(crate) fn id_to_show(&self) -> Cow<'_, str> {
        readable(self.list().message_id().unwrap_or_default())
    }

    pub(crate) fn content_type(&self) -> Option<&str> {
        text(self.list().content_type()?)
    }

    /// Exchange and routing key of the delivery; of a message that was delayed, those that it was on
    /// its way to.
    fn address(&self) -> (&str, &str) {
        let Origin {
            exchange,
            routing_key,
            ..
        } = self.origin();
        arrived(exchange, routing_key).unwrap_or((exchange, routing_key))
    }

    /// Where the delivery came from, as the broker says it.
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

    /// And its routing key.
    pub(super) fn routing_key(&self) -> &str {
        self.of_original(ORIG_ROUTING_KEY)
            .unwrap_or_else(|| self.address().1)
    }

    /// What a copy says about its original. Any producer can write that, so it counts on copies only.
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

/// The text, if these bytes are one.
pub(super) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
