//! A message to be sent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use garenne_core::{Properties, TextProperty, Unread, UnreadPart, Value};
use serde::Serialize;

use super::{PublishError, WhenDown};
use crate::body::{Json, Text};

/// How a value becomes the bytes of a message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a payload",
    note = "use `Json(value)` for a type that derives `serde::Serialize`, or a string or bytes"
)]
pub trait Payload {
    /// The encoded bytes and their content type, if they have a content type.
    ///
    /// # Errors
    ///
    /// [`PublishError::Encode`] when the value has no encoding.
    fn encode(self) -> Result<(Bytes, Option<&'static str>), PublishError>;
}

impl<T: Serialize> Payload for Json<T> {
    fn encode(self) -> Result<(Bytes, Option<&'static str>), PublishError> {
        let bytes = serde_json::to_vec(&self.0).map_err(|e| PublishError::Encode(e.to_string()))?;
        Ok((bytes.into(), Some("application/json")))
    }
}

impl Payload for Text {
    fn encode(self) -> Result<(Bytes, Option<&'static str>), PublishError> {
        Ok((self.0.into(), Some("text/plain")))
    }
}

impl Payload for &str {
    fn encode(self) -> Result<(Bytes, Option<&'static str>), PublishError> {
        Ok((Bytes::copy_from_slice(self.as_bytes()), Some("text/plain")))
    }
}

impl Payload for String {
    fn encode(self) -> Result<(Bytes, Option<&'static str>), PublishError> {
        Ok((self.into(), Some("text/plain")))
    }
}

impl Payload for Bytes {
    fn encode(self) -> Result<(Bytes, Option<&'static str>), PublishError> {
        Ok((self, None))
    }
}

impl Payload for Vec<u8> {
    fn encode(self) -> Result<(Bytes, Option<&'static str>), PublishError> {
        Ok((self.into(), None))
    }
}

/// A message to be sent. By default it is persistent and mandatory, with a fresh message id (a version 7
/// UUID) and the current time.
///
/// ```
/// use garenne::prelude::*;
///
/// let message = Outgoing::to_queue("orders", Json([1, 2, 3])).header("tenant", "eu").priority(3);
/// assert_eq!(message.id().len(), 36);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a message is sent by `Publisher::send`"]
pub struct Outgoing {
    pub(super) exchange: String,
    pub(super) routing_key: String,
    pub(super) properties: Properties,
    pub(super) body: Result<Bytes, PublishError>,
    pub(super) mandatory: bool,
    pub(super) when_down: Option<WhenDown>,
}

impl Outgoing {
    /// A message that goes straight to a queue, through the default exchange.
    pub fn to_queue(queue: impl Into<String>, payload: impl Payload) -> Self {
        Self::to_exchange("", queue, payload)
    }

    /// A message to an exchange, with a routing key.
    pub fn to_exchange(
        exchange: impl Into<String>,
        routing_key: impl Into<String>,
        payload: impl Payload,
    ) -> Self {
        let (body, content_type) = match payload.encode() {
            Ok((bytes, content_type)) => (Ok(bytes), content_type),
            Err(error) => (Err(error), None),
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let properties = Properties {
            content_type: content_type.map(str::to_owned),
            delivery_mode: Some(2),
            message_id: Some(new_message_id()),
            timestamp: Some(now.as_secs()),
            ..Properties::default()
        };
        Self {
            exchange: exchange.into(),
            routing_key: routing_key.into(),
            properties,
            body,
            mandatory: true,
            when_down: None,
        }
    }

    /// A message with all parts given, for copies of existing messages. Nothing is added, so it is persistent
    /// only if its properties say so. It is mandatory like any other.
    pub fn of_parts(
        exchange: impl Into<String>,
        routing_key: impl Into<String>,
        properties: Properties,
        body: Bytes,
    ) -> Self {
        Self {
            exchange: exchange.into(),
            routing_key: routing_key.into(),
            properties,
            body: Ok(body),
            mandatory: true,
            when_down: None,
        }
    }

    /// Replaces the message id. Keep the id when the same message is sent again.
    pub fn message_id(mut self, id: impl Into<String>) -> Self {
        self.properties.message_id = Some(id.into());
        self
    }

    /// Replaces the content type.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.properties.content_type = Some(content_type.into());
        self
    }

    /// Sets a header. Names that begin with `x-` belong to the broker.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.properties.headers.insert(name.into(), value.into());
        self
    }

    /// Sets many headers.
    pub fn headers(mut self, headers: impl IntoIterator<Item = (String, Value)>) -> Self {
        self.properties.headers.extend(headers);
        self
    }

    /// Sets the encoding of the body beyond its content type, such as `gzip`. garenne encodes nothing by
    /// itself.
    pub fn content_encoding(mut self, encoding: impl Into<String>) -> Self {
        self.properties.content_encoding = Some(encoding.into());
        self
    }

    /// Sets the AMQP property `type`: the producer's name for this kind of message.
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.properties.kind = Some(kind.into());
        self
    }

    /// Replaces the time of the message, in whole seconds; a time before 1970 becomes 1970.
    pub fn timestamp(mut self, time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.properties.timestamp = Some(since.as_secs());
        self
    }

    /// Sets the queue that a reply should go to.
    pub fn reply_to(mut self, queue: impl Into<String>) -> Self {
        self.properties.reply_to = Some(queue.into());
        self
    }

    /// Names the user who sends. The broker refuses any name but the user of the connection.
    pub fn user_id(mut self, user: impl Into<String>) -> Self {
        self.properties.user_id = Some(user.into());
        self
    }

    /// Sets the correlation id.
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.properties.correlation_id = Some(id.into());
        self
    }

    /// Sets the correlation id to any bytes, for the reply to a request whose id is not UTF-8.
    pub(crate) fn correlation_bytes(mut self, id: &[u8]) -> Self {
        match std::str::from_utf8(id) {
            Ok(id) => self.properties.correlation_id = Some(id.to_owned()),
            Err(_) => self.properties.unread.push(Unread {
                part: UnreadPart::Property(TextProperty::CorrelationId),
                bytes: id.to_vec(),
            }),
        }
        self
    }

    /// Sets the name of the application that sends.
    pub fn app_id(mut self, id: impl Into<String>) -> Self {
        self.properties.app_id = Some(id.into());
        self
    }

    /// Sets the priority, for queues that have priorities; 0 is the lowest.
    pub fn priority(mut self, priority: u8) -> Self {
        self.properties.priority = Some(priority);
        self
    }

    /// Lets the broker drop (or dead-letter) the message after it has waited in a queue this long.
    pub fn expires_after(mut self, ttl: Duration) -> Self {
        self.properties.expiration = Some(ttl.as_millis().to_string());
        self
    }

    /// Allows that no queue takes the message: the broker then drops it silently. Without this setting, the
    /// send fails with [`PublishError::Unroutable`].
    pub fn not_mandatory(mut self) -> Self {
        self.mandatory = false;
        self
    }

    /// Lets the broker keep the message in memory only: it is lost when the broker restarts.
    pub fn not_persistent(mut self) -> Self {
        self.properties.delivery_mode = Some(1);
        self
    }

    /// Sets what happens to this message while the broker cannot take it; this overrides the setting of its
    /// publisher.
    pub fn when_down(mut self, when_down: WhenDown) -> Self {
        self.when_down = Some(when_down);
        self
    }

    /// The exchange that the message goes to; `""` is the default exchange.
    #[must_use]
    pub fn exchange(&self) -> &str {
        &self.exchange
    }

    /// The routing key of the message: the queue's name, if it goes straight to a queue.
    #[must_use]
    pub fn routing_key(&self) -> &str {
        &self.routing_key
    }

    /// The properties and headers of the message.
    #[must_use]
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// The body of the message.
    ///
    /// # Errors
    ///
    /// [`PublishError`] when the payload could not be encoded; then the message cannot be sent either.
    pub fn body(&self) -> Result<&Bytes, &PublishError> {
        self.body.as_ref()
    }

    /// The approximate memory that the message takes: its body, properties and names.
    pub(super) fn size(&self) -> usize {
        let body = self.body.as_ref().map_or(0, Bytes::len);
        let names = self.exchange.len() + self.routing_key.len();
        body + names + self.properties.encoded_len()
    }

    /// The message id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.properties.message_id.as_deref().unwrap_or_default()
    }
}

/// A unique message id; ids sort by time.
pub(crate) fn new_message_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
