//! The properties of a message, as the bytes in which they came.
//!
//! RabbitMQ takes properties that no client library reads: texts that are not UTF-8, headers that
//! nest ten thousand deep. So nothing is decoded here but what the broker itself must know, and
//! what it does not change goes out as it came in.

use bytes::Bytes;

use super::field::{Field, Table, Value, is_table, put_long, put_short, short};

/// How a property is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Short,
    Table,
    Octet,
    Time,
}

/// The properties in the order in which they travel; the first has the highest bit of the flags.
const KINDS: [Kind; 14] = [
    Kind::Short, // content type
    Kind::Short, // content encoding
    Kind::Table, // headers
    Kind::Octet, // delivery mode
    Kind::Octet, // priority
    Kind::Short, // correlation id
    Kind::Short, // reply to
    Kind::Short, // expiration
    Kind::Short, // message id
    Kind::Time,  // timestamp
    Kind::Short, // type
    Kind::Short, // user id
    Kind::Short, // app id
    Kind::Short, // cluster id
];

pub(super) const CONTENT_TYPE: usize = 0;
pub(super) const CONTENT_ENCODING: usize = 1;
const HEADERS: usize = 2;
pub(super) const DELIVERY_MODE: usize = 3;
pub(super) const PRIORITY: usize = 4;
pub(super) const CORRELATION_ID: usize = 5;
pub(super) const REPLY_TO: usize = 6;
pub(super) const EXPIRATION: usize = 7;
pub(super) const MESSAGE_ID: usize = 8;
pub(super) const TIMESTAMP: usize = 9;
pub(super) const TYPE: usize = 10;
pub(super) const USER_ID: usize = 11;
pub(super) const APP_ID: usize = 12;
pub(super) const CLUSTER_ID: usize = 13;

/// Properties of which every part is as long as it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Properties(Bytes);

impl Properties {
    /// Takes what a client sent; none when it is not what its flags promise.
    pub(crate) fn read(bytes: Bytes) -> Option<Self> {
        let mut rest = bytes.get(2..)?;
        let flags = flags(&bytes);
        for (at, kind) in KINDS.into_iter().enumerate() {
            if flags & bit(at) == 0 {
                continue;
            }
            let (value, behind) = first(kind, rest)?;
            if kind == Kind::Table && !is_table(&value[4..]) {
                return None;
            }
            rest = behind;
        }
        rest.is_empty().then_some(Self(bytes))
    }

    /// The bytes as they travel.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }

    pub(crate) fn expiration(&self) -> Option<&[u8]> {
        self.text(EXPIRATION)
    }

    pub(crate) fn reply_to(&self) -> Option<&[u8]> {
        self.text(REPLY_TO)
    }

    pub(crate) fn user_id(&self) -> Option<&[u8]> {
        self.text(USER_ID)
    }

    pub(crate) fn delivery_mode(&self) -> Option<u8> {
        self.octet(DELIVERY_MODE)
    }

    pub(crate) fn priority(&self) -> Option<u8> {
        self.octet(PRIORITY)
    }

    /// The headers, if there are any or an empty table.
    pub(crate) fn headers(&self) -> Option<Table<'_>> {
        self.value(HEADERS).map(|value| Table(&value[4..]))
    }

    /// The same with another address for replies.
    pub(crate) fn with_reply_to(&self, address: &str) -> Self {
        let mut value = Vec::new();
        put_short(address.as_bytes(), &mut value);
        self.with(REPLY_TO, Some(&value))
    }

    pub(crate) fn without_expiration(&self) -> Self {
        self.with(EXPIRATION, None)
    }

    /// The same with these headers in the place of those of the same names. All headers then come
    /// sorted by name, each name once, as RabbitMQ writes them.
    pub(crate) fn with_headers(&self, added: &[(String, Field)]) -> Self {
        let added = added
            .iter()
            .map(|(name, value)| (name.as_bytes(), &*value.0));
        // The sort is a stable one: what stands first stays.
        self.rewritten(added.chain(self.entries()).collect())
    }

    /// The same without the first header of this name.
    pub(crate) fn without_header(&self, name: &str) -> Self {
        let mut entries: Vec<_> = self.entries().collect();
        if let Some(at) = entries.iter().position(|(one, _)| *one == name.as_bytes()) {
            entries.remove(at);
        }
        self.rewritten(entries)
    }

    pub(super) fn text(&self, at: usize) -> Option<&[u8]> {
        self.value(at).map(|value| &value[1..])
    }

    pub(super) fn octet(&self, at: usize) -> Option<u8> {
        self.value(at)?.first().copied()
    }

    pub(super) fn timestamp(&self) -> Option<u64> {
        let bytes = self.value(TIMESTAMP)?.first_chunk()?;
        Some(u64::from_be_bytes(*bytes))
    }

    fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let headers = self.headers().into_iter().flatten();
        headers.map(|(name, Value { whole, .. })| (name, whole))
    }

    fn rewritten(&self, mut entries: Vec<(&[u8], &[u8])>) -> Self {
        entries.sort_by_key(|(name, _)| *name);
        entries.dedup_by_key(|(name, _)| *name);
        let mut all = Vec::new();
        for (name, value) in entries {
            put_short(name, &mut all);
            all.extend_from_slice(value);
        }
        let mut table = Vec::new();
        put_long(&all, &mut table);
        self.with(HEADERS, Some(&table))
    }

    /// The bytes of a property, its length included.
    fn value(&self, at: usize) -> Option<&[u8]> {
        let flags = flags(&self.0);
        if flags & bit(at) == 0 {
            return None;
        }
        let mut rest = self.0.get(2..)?;
        for (before, kind) in KINDS[..at].iter().enumerate() {
            if flags & bit(before) != 0 {
                rest = first(*kind, rest)?.1;
            }
        }
        first(KINDS[at], rest).map(|(value, _)| value)
    }

    /// The same with another value, or with none.
    fn with(&self, at: usize, value: Option<&[u8]>) -> Self {
        let flags = match value {
            Some(_) => flags(&self.0) | bit(at),
            None => flags(&self.0) & !bit(at),
        };
        let mut bytes = flags.to_be_bytes().to_vec();
        for other in 0..KINDS.len() {
            let value = if other == at {
                value
            } else {
                self.value(other)
            };
            bytes.extend_from_slice(value.unwrap_or_default());
        }
        Self(Bytes::from(bytes))
    }
}

fn flags(bytes: &[u8]) -> u16 {
    bytes.first_chunk().copied().map_or(0, u16::from_be_bytes)
}

fn bit(at: usize) -> u16 {
    0x8000 >> at
}

/// The first property, its length included, and what is behind it.
fn first(kind: Kind, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let size = match kind {
        Kind::Short => 1 + short(bytes)?.0.len(),
        Kind::Table => {
            let size = u32::from_be_bytes(*bytes.first_chunk()?);
            (size as usize).checked_add(4)?
        }
        Kind::Octet => 1,
        Kind::Time => 8,
    };
    bytes.split_at_checked(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<Properties> {
        Properties::read(Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn properties_are_as_long_as_their_flags_say() {
        let whole = b"\x88\x48\x01a\x09\0\0\0\0\0\0\0\x01\x01b";
        assert!(read(whole).is_some());
        for size in 0..whole.len() {
            assert_eq!(read(&whole[..size]), None, "{size}");
        }
        assert_eq!(read(&[&whole[..], b"\0"].concat()), None);
    }

    #[test]
    fn what_is_looked_at_is_found_behind_anything() {
        let bytes = b"\xf9\x10\x01\xff\x01\xfe\0\0\0\x03\x01kV\x02\x09\x0260\x05guest";
        let properties = read(bytes).unwrap();
        assert_eq!(properties.delivery_mode(), Some(2));
        assert_eq!(properties.priority(), Some(9));
        assert_eq!(properties.expiration(), Some(&b"60"[..]));
        assert_eq!(properties.user_id(), Some(&b"guest"[..]));
        assert_eq!(properties.reply_to(), None);
        assert_eq!(properties.headers().unwrap().count(), 1);
    }

    #[test]
    fn what_is_changed_leaves_every_other_byte() {
        let properties = read(b"\x01\x08\x0260\x01\xff").unwrap();
        let without = properties.without_expiration();
        assert_eq!(without.bytes(), &b"\0\x08\x01\xff"[..]);
        let address = without.with_reply_to("me");
        assert_eq!(address.bytes(), &b"\x02\x08\x02me\x01\xff"[..]);
        let headers = address.with_headers(&[("h".to_owned(), Field::long(1))]);
        let expected = b"\x22\x08\0\0\0\x0b\x01hl\0\0\0\0\0\0\0\x01\x02me\x01\xff";
        assert_eq!(headers.bytes(), &expected[..]);
    }

    #[test]
    fn headers_that_are_written_anew_are_sorted_and_each_there_once() {
        let properties = read(b"\x20\0\0\0\0\x0e\x01zV\x01kt\x01\x01kt\x02\x01aV").unwrap();
        let added = properties.with_headers(&[("b".to_owned(), Field::text(""))]);
        let names: Vec<&[u8]> = added.headers().unwrap().map(|(name, _)| name).collect();
        assert_eq!(names, [b"a", b"b", b"k", b"z"]);
        let kept = added.headers().unwrap().first("k").unwrap();
        assert_eq!(kept.payload, [1]);
        let replaced = added.with_headers(&[("z".to_owned(), Field::text("new"))]);
        let new = replaced.headers().unwrap().first("z").unwrap();
        assert_eq!(new.payload, b"new");
        let none = read(b"\x20\0\0\0\0\x03\x01aV").unwrap().without_header("a");
        assert_eq!(none.bytes(), &b"\x20\0\0\0\0\0"[..]);
    }
}
