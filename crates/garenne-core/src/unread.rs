//! Parts of a message's properties that cannot be read, kept as they came.

mod text;

use std::fmt;

pub use text::TextProperty;

use crate::value::{Headers, Value};
use crate::wire::{Entry, PropertyList, SHORT_STRING_MAX, entry_bytes, readable};

/// A part of a message's properties that cannot be read, as it came. A copy of the message carries it
/// unchanged, where AMQP allows it.
///
/// Its text names the part and the reason, and is safe to print: `header "deep": nested deeper than 100`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The place of the part.
    pub part: UnreadPart,
    /// The bytes; [`UnreadPart`] gives their bounds.
    pub bytes: Vec<u8>,
}

/// The place of a part that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnreadPart {
    /// A text property that is not UTF-8: its bytes, at most 255.
    Property(TextProperty),
    /// A header: the length of its name, the name, the type, the value.
    ///
    /// Its name is not UTF-8, or has come before; or its value is nested deeper than
    /// [`MAX_DEPTH`](crate::json::MAX_DEPTH); or a table in it has a name that is not UTF-8 or comes twice;
    /// or a value in it has an unknown type or a wrong length.
    Header,
    /// The rest of the header table, from the first header whose end is unknown: its type is unknown, or it
    /// is longer than the table.
    Headers,
    /// The rest of the properties: they end too early, or do not end where they should. The bytes are a
    /// property list of their own: a flag word for the missing properties, and then the bytes that came. If
    /// there was no whole flag word, they are the only byte that came.
    Rest,
}

impl UnreadPart {
    /// The name under which a part is stored; `None` for a text property.
    pub(crate) fn tag(self) -> Option<&'static str> {
        match self {
            Self::Property(_) => None,
            Self::Header => Some("header"),
            Self::Headers => Some("headers"),
            Self::Rest => Some("rest"),
        }
    }

    /// The part with this name.
    pub(crate) fn tagged(tag: &str) -> Option<Self> {
        let parts = [Self::Header, Self::Headers, Self::Rest];
        parts.into_iter().find(|part| part.tag() == Some(tag))
    }

    /// Its place in the order of the properties.
    fn order(self) -> (u32, bool) {
        match self {
            Self::Property(property) => (property.place(), false),
            Self::Header => (crate::wire::HEADERS, false),
            Self::Headers => (crate::wire::HEADERS, true),
            Self::Rest => (u32::MAX, false),
        }
    }
}

/// Takes out the parts that cannot be sent, to be kept as a header; `None` when there is no such part. A
/// header that makes RabbitMQ end the connection is kept as its bytes.
///
/// All other unreadable parts except text properties go with it. Otherwise a header could take effect that
/// was ignored before, because another header of its name stood before it.
pub(crate) fn put_aside(headers: &mut Headers, unread: &mut Vec<Unread>) -> Option<Value> {
    headers.retain(|name, value| {
        let is_fatal = value.has_no_number();
        unread.extend(is_fatal.then(|| Unread {
            part: UnreadPart::Header,
            bytes: entry_bytes(name, value),
        }));
        !is_fatal
    });
    if unread.iter().all(Unread::can_be_sent) {
        return None;
    }
    let is_property = |unread: &Unread| matches!(unread.part, UnreadPart::Property(_));
    let (kept, aside) = unread.drain(..).partition(is_property);
    *unread = kept;
    let aside: Vec<Unread> = aside;
    let parts = aside.into_iter().filter_map(|unread| {
        let bytes = Value::ByteArray(unread.bytes);
        let part = Headers::from([(unread.part.tag()?.to_owned(), bytes)]);
        Some(Value::Table(part))
    });
    Some(parts.collect::<Vec<_>>().into())
}

/// Undoes [`put_aside`]; a value that is not of its form is not believed.
pub(crate) fn take_back(headers: &mut Headers, unread: &mut Vec<Unread>, aside: &Value) {
    let Value::Array(parts) = aside else {
        return;
    };
    for part in parts {
        let Value::Table(table) = part else {
            continue;
        };
        for (tag, bytes) in table {
            if let (Some(part), Value::ByteArray(bytes)) = (UnreadPart::tagged(tag), bytes) {
                let bytes = bytes.clone();
                let part = Unread { part, bytes };
                match part.fatal_header() {
                    Some((name, value)) if !headers.contains_key(&name) => {
                        headers.insert(name, value);
                    }
                    _ => unread.extend(Some(part).filter(Unread::is_whole)),
                }
            }
        }
    }
    sort(unread);
}

/// Puts parts into the order in which they are read from the wire.
pub(crate) fn sort(unread: &mut [Unread]) {
    unread.sort_by_key(|unread| unread.part.order());
}

impl Unread {
    /// The name of the header, if this part is a header; the name may not be UTF-8.
    #[must_use]
    pub fn header_name(&self) -> Option<&[u8]> {
        self.entry().map(|entry| entry.name)
    }

    /// Whether a broker takes it. A text or a header that AMQP allows can be sent, even though it cannot be
    /// read here. A part that breaks AMQP's rules cannot: the broker would close the connection.
    #[must_use]
    pub fn can_be_sent(&self) -> bool {
        match self.part {
            UnreadPart::Property(_) => true,
            UnreadPart::Header => self
                .entry()
                .is_some_and(|entry| entry.value.is_well_formed()),
            UnreadPart::Headers | UnreadPart::Rest => false,
        }
    }

    /// The header, if this part is exactly one header.
    pub(crate) fn entry(&self) -> Option<Entry<'_>> {
        if self.part != UnreadPart::Header {
            return None;
        }
        let (entry, behind) = Entry::split(&self.bytes)?;
        behind.is_empty().then_some(entry)
    }

    /// The header, if it is readable and was put aside because RabbitMQ cannot read it.
    fn fatal_header(&self) -> Option<(String, Value)> {
        let entry = self.entry()?;
        let value = entry.value.decode().ok()?;
        let name = std::str::from_utf8(entry.name).ok()?;
        value.has_no_number().then(|| (name.to_owned(), value))
    }

    /// Whether the bytes fit the kind of part. Parts from the wire always do; parts that were stored as text
    /// may have been changed.
    pub(crate) fn is_whole(&self) -> bool {
        match self.part {
            UnreadPart::Property(_) => self.bytes.len() <= SHORT_STRING_MAX,
            UnreadPart::Header => self.entry().is_some(),
            UnreadPart::Headers | UnreadPart::Rest => true,
        }
    }

    /// Whether this is a header with this name.
    pub(crate) fn is_header(&self, name: &str) -> bool {
        self.header_name() == Some(name.as_bytes())
    }

    /// Gives a header another name.
    pub(crate) fn rename(&mut self, name: &str) {
        let len = self.header_name().map(<[u8]>::len);
        if let (Some(old), Ok(new)) = (len, u8::try_from(name.len())) {
            let name = std::iter::once(new).chain(name.bytes());
            self.bytes.splice(..=old, name);
        }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            UnreadPart::Property(property) => write!(f, "property {property}: not UTF-8"),
            UnreadPart::Header => match self.entry() {
                Some(entry) => show_header(entry, f),
                None => f.write_str("a header: not one whole header"),
            },
            UnreadPart::Headers => show_headers(&self.bytes, f),
            UnreadPart::Rest => show_rest(&self.bytes, f),
        }
    }
}

fn show_header(entry: Entry<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "header \"{}\": ", readable(entry.name))?;
    if std::str::from_utf8(entry.name).is_err() {
        return f.write_str("the name is not UTF-8");
    }
    match entry.value.decode() {
        Err(why) => write!(f, "{why}"),
        Ok(_) => f.write_str("the name has come before"),
    }
}

fn show_headers(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let len = bytes.len();
    let name = bytes
        .split_first()
        .and_then(|(&len, rest)| rest.get(..usize::from(len)));
    match name {
        Some(name) => {
            let name = readable(name);
            write!(
                f,
                "the headers from \"{name}\" on, {len} bytes: an unknown type or a wrong length"
            )
        }
        None => write!(f, "the last {len} bytes of the headers: a wrong length"),
    }
}

fn show_rest(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let len = bytes.len().saturating_sub(2);
    match PropertyList::new(bytes).first() {
        Some(name) => write!(
            f,
            "the properties from {name} on, {len} bytes: they end too early"
        ),
        None if bytes.len() < 2 => f.write_str("the properties: they end too early"),
        None => write!(f, "{len} bytes behind the last property"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unread(part: UnreadPart, bytes: &[u8]) -> Unread {
        let bytes = bytes.to_vec();
        Unread { part, bytes }
    }

    #[test]
    fn it_says_what_it_is_and_why() {
        let deep = [b"\x04deep".as_slice(), &crate::wire::nested_arrays(101)].concat();
        let cases = [
            (
                unread(UnreadPart::Property(TextProperty::AppId), b"caf\xe9"),
                "property app_id: not UTF-8",
            ),
            (
                unread(UnreadPart::Header, &deep),
                "header \"deep\": nested deeper than 100",
            ),
            (
                unread(UnreadPart::Header, b"\x04a\xff\x1b\nV"),
                "header \"a\\xff\\u{1b}\\u{a}\": the name is not UTF-8",
            ),
            (
                unread(UnreadPart::Header, b"\x01aV"),
                "header \"a\": the name has come before",
            ),
            (
                unread(UnreadPart::Header, b"\x01aF\0\0\0\x03\x01\xffV"),
                "header \"a\": a name inside it is not UTF-8",
            ),
            (
                unread(UnreadPart::Header, b"\x01aF\0\0\0\x06\x01bV\x01bV"),
                "header \"a\": a name inside it comes twice",
            ),
            (
                unread(UnreadPart::Header, b"\x01aA\0\0\0\x01Z"),
                "header \"a\": something inside it has an unknown type or a wrong length",
            ),
            (
                unread(UnreadPart::Header, b"\x01aV?"),
                "a header: not one whole header",
            ),
            (
                unread(UnreadPart::Headers, b"\x01aZ123"),
                "the headers from \"a\" on, 6 bytes: an unknown type or a wrong length",
            ),
            (
                unread(UnreadPart::Headers, b"\x09a"),
                "the last 2 bytes of the headers: a wrong length",
            ),
            (
                unread(UnreadPart::Rest, b"\x20\x08\0\0\0\x09abc"),
                "the properties from headers on, 7 bytes: they end too early",
            ),
            (
                unread(UnreadPart::Rest, b"\0\0abc"),
                "3 bytes behind the last property",
            ),
            (
                unread(UnreadPart::Rest, b"\x80"),
                "the properties: they end too early",
            ),
        ];
        for (unread, expected) in cases {
            assert_eq!(unread.to_string(), expected);
        }
    }

    #[test]
    fn what_amqp_allows_can_be_sent() {
        let property = unread(UnreadPart::Property(TextProperty::AppId), b"\xff");
        let deep = [b"\x04deep".as_slice(), &crate::wire::nested_arrays(5000)].concat();
        for sendable in [property, unread(UnreadPart::Header, &deep)] {
            assert!(sendable.can_be_sent(), "{sendable}");
        }
        let others = [
            unread(UnreadPart::Header, b"\x01aA\0\0\0\x01Z"),
            unread(UnreadPart::Header, b"\x01aF\0\0\0\x02\x01b"),
            unread(UnreadPart::Header, b"\x01aV?"),
            unread(UnreadPart::Header, b"\x01ad\x7f\xf8\0\0\0\0\0\0"),
            unread(UnreadPart::Header, b"\x01aA\0\0\0\x05f\xff\x80\0\0"),
            unread(UnreadPart::Headers, b"\x01aZ"),
            unread(UnreadPart::Rest, b"\0\0abc"),
        ];
        for other in others {
            assert!(!other.can_be_sent(), "{other}");
        }
    }

    #[test]
    fn a_header_with_another_name_has_the_same_value() {
        let mut header = unread(UnreadPart::Header, b"\x02CCt\x01");
        header.rename("orig-CC");
        assert_eq!(header.bytes, b"\x07orig-CCt\x01");
        header.rename("CC");
        assert_eq!(header.bytes, b"\x02CCt\x01");
    }
}
