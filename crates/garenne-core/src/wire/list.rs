//! A property list for look-ups, without reading the whole.

use super::{RawValue, split_long, split_short};
use crate::attempt::{Attempt, RETRY_NUMS, read_raw_attempt};
use crate::unread::TextProperty;

/// The place of the headers among the properties.
pub(crate) const HEADERS: u32 = 2;
/// The place of the delivery mode.
pub(super) const DELIVERY_MODE: u32 = 3;
/// The place of the priority.
pub(super) const PRIORITY: u32 = 4;
/// The place of the timestamp.
pub(super) const TIMESTAMP: u32 = 9;

/// The bits of the flag word that stand for a property.
const PROPERTY_FLAGS: u16 = 0xfffc;

/// The bytes of a content header behind the size of the body: the flag word, then the properties
/// that it announces.
///
/// Bytes are read only on demand, and a look-up reads only the bytes that it must pass. Every look-up has an
/// answer, whatever the bytes are: a property that cannot be found counts as absent. It agrees with
/// [`Properties::decode`](crate::Properties::decode), which reads everything and keeps the unreadable parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PropertyList<'a> {
    flags: u16,
    list: &'a [u8],
}

impl<'a> PropertyList<'a> {
    /// The list in these bytes; an empty list when there is no whole flag word.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        match bytes.split_first_chunk() {
            Some((flags, list)) => Self {
                flags: u16::from_be_bytes(*flags) & PROPERTY_FLAGS,
                list,
            },
            None => Self::default(),
        }
    }

    /// The bytes of a text, which may not be UTF-8.
    #[must_use]
    pub fn text(self, property: TextProperty) -> Option<&'a [u8]> {
        self.find(property.place())
    }

    /// The bytes of the message id, which may not be UTF-8.
    #[must_use]
    pub fn message_id(self) -> Option<&'a [u8]> {
        self.text(TextProperty::MessageId)
    }

    /// The bytes of the content type, which may not be UTF-8.
    #[must_use]
    pub fn content_type(self) -> Option<&'a [u8]> {
        self.text(TextProperty::ContentType)
    }

    /// The bytes of the correlation id, which may not be UTF-8.
    #[must_use]
    pub fn correlation_id(self) -> Option<&'a [u8]> {
        self.text(TextProperty::CorrelationId)
    }

    /// The bytes of the queue that a reply should go to, which may not be UTF-8.
    #[must_use]
    pub fn reply_to(self) -> Option<&'a [u8]> {
        self.text(TextProperty::ReplyTo)
    }

    /// 1 = transient, lost when the broker restarts; 2 = persistent.
    #[must_use]
    pub fn delivery_mode(self) -> Option<u8> {
        self.find(DELIVERY_MODE)?.first().copied()
    }

    /// The priority in a queue that has priorities, from 0.
    #[must_use]
    pub fn priority(self) -> Option<u8> {
        self.find(PRIORITY)?.first().copied()
    }

    /// When the producer says it sent the message: seconds since the Unix epoch.
    #[must_use]
    pub fn timestamp(self) -> Option<u64> {
        let octets = self.find(TIMESTAMP)?.try_into().ok()?;
        Some(u64::from_be_bytes(octets))
    }

    /// The header with this name: the first, if there are several.
    #[must_use]
    pub fn header(self, name: &str) -> Option<RawValue<'a>> {
        let found = self.headers().find(|(found, _)| *found == name.as_bytes());
        found.map(|(_, value)| value)
    }

    /// The headers in the order in which they were sent, with their names, which may not be UTF-8. They end
    /// at the first header whose end is unknown.
    #[must_use]
    pub fn headers(self) -> Headers<'a> {
        Headers {
            rest: self.find(HEADERS).unwrap_or_default(),
        }
    }

    /// The attempt at the message, as [`read_attempt`](crate::read_attempt) reads it.
    #[must_use]
    pub fn attempt(self) -> Attempt {
        read_raw_attempt(self.header(RETRY_NUMS))
    }

    /// The content of the property at this place: without the length of a text or a table.
    fn find(self, place: u32) -> Option<&'a [u8]> {
        let flag = flag(place);
        if self.flags & flag == 0 {
            return None;
        }
        let mut rest = self.list;
        for before in places(self.flags & !(flag | (flag - 1))) {
            rest = split_property(before, rest)?.1;
        }
        Some(split_property(place, rest)?.0)
    }

    /// The name of the first property that is announced.
    pub(crate) fn first(self) -> Option<&'static str> {
        let place = places(self.flags).next()?;
        Some(match place {
            HEADERS => "headers",
            DELIVERY_MODE => "delivery_mode",
            PRIORITY => "priority",
            TIMESTAMP => "timestamp",
            _ => TextProperty::at(place)?.name(),
        })
    }

    /// The bytes behind the flag word.
    pub(super) const fn list(self) -> &'a [u8] {
        self.list
    }

    /// The flags of properties.
    pub(super) const fn flags(self) -> u16 {
        self.flags
    }
}

/// The flag of the property at this place.
pub(super) const fn flag(place: u32) -> u16 {
    0x8000 >> place
}

/// The places of the properties with these flags, in the order in which they are sent.
pub(super) fn places(mut flags: u16) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let place = flags.leading_zeros();
        (flags != 0).then(|| {
            flags &= !flag(place);
            place
        })
    })
}

/// The content of the property at this place, which these bytes begin with, and the bytes behind it; `None`
/// when the bytes end too early.
pub(super) fn split_property(place: u32, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match place {
        HEADERS => split_long(bytes),
        DELIVERY_MODE | PRIORITY => bytes.split_at_checked(1),
        TIMESTAMP => bytes.split_at_checked(8),
        _ => split_short(bytes),
    }
}

/// The entries of a table, such as the headers of a message, in order: names, and undecoded values.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    rest: &'a [u8],
}

impl<'a> Headers<'a> {
    /// The entries of a table that is an argument of a method: these bytes begin with its length. There are
    /// none if the table is longer than the bytes.
    #[must_use]
    pub fn of_table(bytes: &'a [u8]) -> Self {
        let rest = split_long(bytes).map(|(table, _)| table);
        Self {
            rest: rest.unwrap_or_default(),
        }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], RawValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (entry, rest) = Entry::split(self.rest)?;
        self.rest = rest;
        Some((entry.name, entry.value))
    }
}

/// A single entry of a table.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: RawValue<'a>,
}

impl<'a> Entry<'a> {
    /// The entry that these bytes begin with, and the bytes behind it; `None` when its end is unknown.
    pub(crate) fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (name, value) = split_short(bytes)?;
        let (value, rest) = RawValue::split(value)?;
        Some((Self { name, value }, rest))
    }
}
