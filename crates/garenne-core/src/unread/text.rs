//! The properties that are texts.

use std::fmt;

/// A property that is a text: a short string on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextProperty {
    /// `content_type`.
    ContentType = 0,
    /// `content_encoding`.
    ContentEncoding = 1,
    /// `correlation_id`.
    CorrelationId = 5,
    /// `reply_to`.
    ReplyTo = 6,
    /// `expiration`.
    Expiration = 7,
    /// `message_id`.
    MessageId = 8,
    /// `type`, which is [`Properties::kind`](crate::Properties::kind).
    Type = 10,
    /// `user_id`.
    UserId = 11,
    /// `app_id`.
    AppId = 12,
    /// `cluster_id`.
    ClusterId = 13,
}

impl TextProperty {
    /// All text properties, in the order in which they are sent.
    pub const ALL: [Self; 10] = [
        Self::ContentType,
        Self::ContentEncoding,
        Self::CorrelationId,
        Self::ReplyTo,
        Self::Expiration,
        Self::MessageId,
        Self::Type,
        Self::UserId,
        Self::AppId,
        Self::ClusterId,
    ];

    /// The name in AMQP, such as `app_id`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ContentType => "content_type",
            Self::ContentEncoding => "content_encoding",
            Self::CorrelationId => "correlation_id",
            Self::ReplyTo => "reply_to",
            Self::Expiration => "expiration",
            Self::MessageId => "message_id",
            Self::Type => "type",
            Self::UserId => "user_id",
            Self::AppId => "app_id",
            Self::ClusterId => "cluster_id",
        }
    }

    /// The property with this name in AMQP.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|property| property.name() == name)
    }

    /// Its place among the fourteen properties, from 0.
    pub(crate) const fn place(self) -> u32 {
        self as u32
    }

    /// The property at this place, if it is a text.
    pub(crate) fn at(place: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|property| property.place() == place)
    }
}

impl fmt::Display for TextProperty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_property_is_found_by_its_name_and_its_place() {
        for property in TextProperty::ALL {
            assert_eq!(TextProperty::from_name(property.name()), Some(property));
            assert_eq!(TextProperty::at(property.place()), Some(property));
        }
        assert_eq!(TextProperty::from_name("headers"), None);
    }
}
