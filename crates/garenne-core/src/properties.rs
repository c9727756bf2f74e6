//! The properties of a message.

use std::borrow::Cow;

use crate::unread::{self, TextProperty, Unread, UnreadPart};
use crate::value::{Headers, Value, headers_len};
use crate::wire::{SHORT_STRING_MAX, readable, short};

/// The properties that a message carries beside its body: AMQP 0-9-1's fourteen, all optional.
///
/// Texts are short strings on the wire: at most 255 bytes each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties {
    /// The MIME type of the body.
    pub content_type: Option<String>,
    /// The MIME encoding of the body, such as `gzip`.
    pub content_encoding: Option<String>,
    /// The headers. An empty table is not sent at all.
    pub headers: Headers,
    /// 1 = transient, lost when the broker restarts; 2 = persistent.
    pub delivery_mode: Option<u8>,
    /// The priority in a queue that has priorities, from 0.
    pub priority: Option<u8>,
    /// The request that the message answers, in a request–reply exchange.
    pub correlation_id: Option<String>,
    /// The queue that a reply should go to.
    pub reply_to: Option<String>,
    /// How long the message may wait in a queue: whole milliseconds, as text.
    pub expiration: Option<String>,
    /// The identity of the message; retries keep it.
    pub message_id: Option<String>,
    /// When the producer says it sent the message: seconds since the Unix epoch.
    pub timestamp: Option<u64>,
    /// AMQP's `type`: the producer's name for this sort of message.
    pub kind: Option<String>,
    /// The user who published. The broker refuses any user but the user of the connection.
    pub user_id: Option<String>,
    /// The application that published.
    pub app_id: Option<String>,
    /// Deprecated by AMQP; carried so that a copy is complete.
    pub cluster_id: Option<String>,
    /// The parts of the properties that could not be read, as they came; nearly always empty. A property that
    /// is set takes precedence over its unread part.
    pub unread: Vec<Unread>,
}

impl Properties {
    /// How many bytes the content header frame of a message with these properties carries: 12 for the class,
    /// the weight and the size of the body, and the bytes that [`Properties::encode`] writes. It must fit in
    /// one frame: compare it with the connection's `frame_max` less 8 for the frame itself.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        const CLASS_WEIGHT_BODY_SIZE_FLAGS: usize = 2 + 2 + 8 + 2;
        let texts = TextProperty::ALL.into_iter();
        let texts: usize = texts
            .filter_map(|property| self.text_to_send(property))
            .map(|text| 1 + text.len())
            .sum();
        let octets = [self.delivery_mode, self.priority]
            .into_iter()
            .flatten()
            .count();
        let timestamp = self.timestamp.map_or(0, |_| 8);
        let headers = if self.has_headers_to_send() {
            let unread = self
                .unread_headers_to_send()
                .map(|header| header.bytes.len());
            headers_len(&self.headers) + unread.sum::<usize>()
        } else {
            0
        };
        CLASS_WEIGHT_BODY_SIZE_FLAGS + texts + octets + timestamp + headers
    }

    /// Whether [`Properties::encode`] writes everything. If not, [`Properties::unread`] has parts that break
    /// the rules of AMQP, and a broker would close the connection over them: see [`Unread::can_be_sent`]. A
    /// copy of such a message is never complete.
    #[must_use]
    pub fn can_be_sent(&self) -> bool {
        self.unread.iter().all(Unread::can_be_sent)
    }

    /// The name of a header that makes RabbitMQ end the connection, if there is any: see
    /// [`Value::has_no_number`].
    #[must_use]
    pub fn fatal_header(&self) -> Option<&str> {
        let mut headers = self.headers.iter();
        let fatal = headers.find(|(_, value)| value.has_no_number());
        fatal.map(|(name, _)| name.as_str())
    }

    /// The text of this property, if it is set and can be read.
    #[must_use]
    pub fn text(&self, property: TextProperty) -> Option<&str> {
        match property {
            TextProperty::ContentType => self.content_type.as_deref(),
            TextProperty::ContentEncoding => self.content_encoding.as_deref(),
            TextProperty::CorrelationId => self.correlation_id.as_deref(),
            TextProperty::ReplyTo => self.reply_to.as_deref(),
            TextProperty::Expiration => self.expiration.as_deref(),
            TextProperty::MessageId => self.message_id.as_deref(),
            TextProperty::Type => self.kind.as_deref(),
            TextProperty::UserId => self.user_id.as_deref(),
            TextProperty::AppId => self.app_id.as_deref(),
            TextProperty::ClusterId => self.cluster_id.as_deref(),
        }
    }

    /// The field that holds the text of this property.
    pub fn text_mut(&mut self, property: TextProperty) -> &mut Option<String> {
        match property {
            TextProperty::ContentType => &mut self.content_type,
            TextProperty::ContentEncoding => &mut self.content_encoding,
            TextProperty::CorrelationId => &mut self.correlation_id,
            TextProperty::ReplyTo => &mut self.reply_to,
            TextProperty::Expiration => &mut self.expiration,
            TextProperty::MessageId => &mut self.message_id,
            TextProperty::Type => &mut self.kind,
            TextProperty::UserId => &mut self.user_id,
            TextProperty::AppId => &mut self.app_id,
            TextProperty::ClusterId => &mut self.cluster_id,
        }
    }

    /// The bytes of this property as they came, if it could not be read.
    #[must_use]
    pub fn unread_text(&self, property: TextProperty) -> Option<&[u8]> {
        let part = UnreadPart::Property(property);
        let unread = self.unread.iter().find(|unread| unread.part == part);
        unread.map(|unread| &*unread.bytes)
    }

    /// A text in readable form: as it is, or, when it is not UTF-8, as [`readable`] writes it.
    #[must_use]
    pub fn readable_text(&self, property: TextProperty) -> Option<Cow<'_, str>> {
        match self.text(property) {
            Some(text) => Some(Cow::Borrowed(text)),
            None => self.unread_text(property).map(readable),
        }
    }

    /// [`Properties::readable_text`] of the message id. Records and sinks know the message by this id.
    #[must_use]
    pub fn readable_message_id(&self) -> Option<Cow<'_, str>> {
        self.readable_text(TextProperty::MessageId)
    }

    /// Takes a text out, to be kept as a header. An unreadable text becomes a long string there.
    pub(crate) fn take_text(&mut self, property: TextProperty) -> Option<Value> {
        let part = UnreadPart::Property(property);
        let text = self.text_mut(property).take().map(Value::from);
        let at = self.unread.iter().position(|unread| unread.part == part);
        let unread = at.map(|at| {
            let mut bytes = self.unread.remove(at).bytes;
            bytes.truncate(SHORT_STRING_MAX);
            Value::LongString(bytes)
        });
        text.or(unread)
    }

    /// Undoes [`Properties::take_text`], unless the property is set. A header that `take_text` could not have
    /// made is not believed.
    pub(crate) fn put_text(&mut self, property: TextProperty, header: Value) {
        if self.text_to_send(property).is_some() {
            return;
        }
        match header {
            Value::Text(text) => *self.text_mut(property) = Some(text),
            Value::LongString(bytes) if bytes.len() <= SHORT_STRING_MAX => {
                let part = UnreadPart::Property(property);
                self.unread.push(Unread { part, bytes });
                unread::sort(&mut self.unread);
            }
            _ => {}
        }
    }

    /// Whether there is a header with this name, readable or not.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.contains_key(name) || self.unread.iter().any(|unread| unread.is_header(name))
    }

    /// Drops headers by their names, readable or not.
    pub(crate) fn retain_headers(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.headers.retain(|name, _| is_kept(name));
        self.unread.retain(|unread| {
            let name = unread.header_name().map(std::str::from_utf8);
            !matches!(name, Some(Ok(name)) if !is_kept(name))
        });
    }

    /// Gives headers another name, readable or not.
    pub(crate) fn rename_header(&mut self, from: &str, to: &str) {
        if let Some(value) = self.headers.remove(from) {
            self.headers.insert(to.to_owned(), value);
        }
        for unread in &mut self.unread {
            if unread.is_header(from) {
                unread.rename(to);
            }
        }
    }

    /// The bytes of this property that are sent: at most 255.
    pub(crate) fn text_to_send(&self, property: TextProperty) -> Option<&[u8]> {
        match self.text(property) {
            Some(text) => Some(short(text).as_bytes()),
            None => self
                .unread_text(property)
                .map(|bytes| &bytes[..bytes.len().min(SHORT_STRING_MAX)]),
        }
    }

    /// The unreadable headers that can be sent.
    pub(crate) fn unread_headers_to_send(&self) -> impl Iterator<Item = &Unread> {
        self.unread
            .iter()
            .filter(|unread| unread.part == UnreadPart::Header && unread.can_be_sent())
    }

    /// Whether the header table has any entry to send.
    pub(crate) fn has_headers_to_send(&self) -> bool {
        !self.headers.is_empty() || self.unread_headers_to_send().next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_without_properties_still_has_a_content_header() {
        assert_eq!(Properties::default().encoded_len(), 14);
    }

    #[test]
    fn every_property_that_is_set_counts() {
        let properties = Properties {
            content_type: Some("text/plain".into()),
            headers: Headers::from([("a".into(), true.into())]),
            delivery_mode: Some(2),
            timestamp: Some(0),
            ..Properties::default()
        };
        assert_eq!(properties.encoded_len(), 14 + 11 + (4 + 1 + 1 + 2) + 1 + 8);
    }
}
