//! A message, as it lies in a queue.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use garenne::core::{Attempt, FailedMessage, Properties, RETRY_NUMS, Value, read_attempt};
use garenne::{Body, Outgoing, PublishError, Undecodable};
use garenne_broker::MessageView;

/// How much of a body is shown.
const PREVIEW: usize = 60;

/// A message that was given to the system under test: what assertions are made about.
///
/// Assertions take anything that is a message id, so a message that a handler has published can be
/// asserted about by the id that it was given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sent {
    id: String,
}

impl Sent {
    pub(crate) fn new(id: impl Into<String>) -> Self {
        Self { id: id.into() }
    }

    /// The message's id.
    #[must_use]
    pub fn message_id(&self) -> &str {
        &self.id
    }
}

impl AsRef<str> for Sent {
    fn as_ref(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.id)
    }
}

/// A message, as it lies in a queue of the embedded broker, or as a handler wants it sent.
#[derive(Clone, Debug)]
pub struct Message {
    queue: String,
    body: Bytes,
    properties: Properties,
    raw_properties: Bytes,
    exchange: String,
    routing_key: String,
    in_hand: bool,
    /// How much longer it stays, on the broker's clock.
    expires_in: Option<Duration>,
    delay: Option<Duration>,
}

impl Message {
    pub(crate) fn new(queue: &str, view: MessageView, now: Duration) -> Self {
        Self {
            queue: queue.to_owned(),
            properties: Properties::decode(&view.raw_properties),
            raw_properties: view.raw_properties,
            body: view.body,
            exchange: view.exchange,
            routing_key: view.routing_key,
            in_hand: view.unacked,
            expires_in: view.expires_at.map(|at| at.saturating_sub(now)),
            delay: None,
        }
    }

    /// What a handler that ran without a broker wants sent.
    pub(crate) fn wanted(
        message: &Outgoing,
        delay: Option<Duration>,
    ) -> Result<Self, PublishError> {
        let body = message.body().map_err(Clone::clone)?.clone();
        let mut raw_properties = Vec::new();
        message.properties().encode(&mut raw_properties);
        let queue = match message.exchange() {
            "" => message.routing_key(),
            _ => "",
        };
        Ok(Self {
            queue: queue.to_owned(),
            body,
            properties: message.properties().clone(),
            raw_properties: raw_properties.into(),
            exchange: message.exchange().to_owned(),
            routing_key: message.routing_key().to_owned(),
            in_hand: false,
            expires_in: None,
            delay,
        })
    }

    /// The queue that it lies in, or would; empty for one that a handler wants sent to an exchange.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// The bytes of its body.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// Its body as a value, decoded as for a handler: `message.decode::<Json<Invoice>>()`.
    ///
    /// # Errors
    ///
    /// [`Undecodable`], as the body's decoder says it.
    pub fn decode<B: Body>(&self) -> Result<B, Undecodable> {
        B::decode(&self.body, self.properties.content_type.as_deref())
    }

    /// Its properties and headers, as far as they are readable: what is not UTF-8 is replaced, and
    /// what nests deeper than 64 levels is a byte array.
    #[must_use]
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// The bytes of its properties as they would travel: two bytes of flags, and the values.
    #[must_use]
    pub fn raw_properties(&self) -> &Bytes {
        &self.raw_properties
    }

    /// One of its headers.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&Value> {
        self.properties.headers.get(name)
    }

    /// Its message id; empty when it has none.
    #[must_use]
    pub fn message_id(&self) -> &str {
        self.properties.message_id.as_deref().unwrap_or_default()
    }

    /// The exchange that it was published to; `""` is the default exchange.
    #[must_use]
    pub fn exchange(&self) -> &str {
        &self.exchange
    }

    /// The routing key that it was published with.
    #[must_use]
    pub fn routing_key(&self) -> &str {
        &self.routing_key
    }

    /// The attempt that a handler makes when it gets this message.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        read_attempt(self.header(RETRY_NUMS))
    }

    /// Whether a consumer holds it and has not settled it.
    #[must_use]
    pub fn is_in_hand(&self) -> bool {
        self.in_hand
    }

    /// How much longer it stays in this queue, on the broker's clock; `None` when it stays for good.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        self.expires_in
    }

    /// How long it is held back, if a handler that was run by [`perform`](crate::perform()) gave it to
    /// [`Outgoing::after`](garenne::Outgoing::after).
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.delay
    }

    /// The record of its failure, when it was parked.
    pub(crate) fn record(&self, queue: &str) -> FailedMessage {
        FailedMessage::from_parked(
            Some(queue),
            &self.exchange,
            &self.routing_key,
            &self.properties,
            &self.body[..],
        )
    }

    /// The beginning of its body, on one line.
    pub(crate) fn preview(&self) -> String {
        match std::str::from_utf8(&self.body) {
            Ok(text) => {
                let one_line = |c: char| if c.is_control() { ' ' } else { c };
                let mut shown: String = text.chars().take(PREVIEW).map(one_line).collect();
                if text.chars().nth(PREVIEW).is_some() {
                    shown.push('…');
                }
                format!("`{shown}`")
            }
            Err(_) => format!("{} bytes that are not text", self.body.len()),
        }
    }
}
