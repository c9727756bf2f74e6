//! Properties as bytes.

use super::value::FieldBytes;
use super::{put_long, put_short};

/// The properties in the order in which they travel. The first has the highest bit of the flags.
const ORDER: [(&str, Kind); 14] = [
    ("content_type", Kind::Short),
    ("content_encoding", Kind::Short),
    ("headers", Kind::Headers),
    ("delivery_mode", Kind::Octet),
    ("priority", Kind::Octet),
    ("correlation_id", Kind::Short),
    ("reply_to", Kind::Short),
    ("expiration", Kind::Short),
    ("message_id", Kind::Short),
    ("timestamp", Kind::Time),
    ("type", Kind::Short),
    ("user_id", Kind::Short),
    ("app_id", Kind::Short),
    ("cluster_id", Kind::Short),
];

const HEADERS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Short,
    Headers,
    Octet,
    Time,
}

/// The properties of a message, as the bytes that stand in its content header: two bytes of flags,
/// and whatever they announce.
///
/// Properties may be set in any order; they are written in that of AMQP. Nothing is checked, other than
/// that it can be written at all.
///
/// ```
/// use garenne_testing::{FieldBytes, PropertyBytes};
///
/// let properties = PropertyBytes::new()
///     .short("app_id", [0xE9]) // Latin-1
///     .octet("delivery_mode", 2)
///     .header("deep", FieldBytes::void().in_arrays(2_000));
/// assert_eq!(properties.to_bytes()[..2], [0b0011_0000, 0b0000_1000]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct PropertyBytes {
    values: [Option<Vec<u8>>; 14],
    entries: Vec<u8>,
    flags: Option<u16>,
    extra: Vec<u8>,
    cut: Option<usize>,
}

impl PropertyBytes {
    /// No properties: two bytes of flags, none of them set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The names of the properties that are short strings, in the order of AMQP.
    pub fn short_names() -> impl Iterator<Item = &'static str> {
        let short = ORDER.iter().filter(|(_, kind)| *kind == Kind::Short);
        short.map(|(name, _)| *name)
    }

    /// Sets a property that is a short string: `app_id`, `type`, `message_id` and so on. The bytes
    /// need not be UTF-8.
    ///
    /// # Panics
    ///
    /// When there is no such property, or when it has more than 255 bytes.
    #[must_use]
    pub fn short(mut self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let mut value = Vec::new();
        put_short(bytes.as_ref(), &mut value);
        self.values[place(name, Kind::Short)] = Some(value);
        self
    }

    /// Sets `delivery_mode` (2 is persistent) or `priority`.
    ///
    /// # Panics
    ///
    /// When there is no such property.
    #[must_use]
    pub fn octet(mut self, name: &str, value: u8) -> Self {
        self.values[place(name, Kind::Octet)] = Some(vec![value]);
        self
    }

    /// Sets the `timestamp`, in seconds since 1970.
    #[must_use]
    pub fn timestamp(mut self, seconds: u64) -> Self {
        self.values[place("timestamp", Kind::Time)] = Some(seconds.to_be_bytes().into());
        self
    }

    /// Adds a header behind those that are there. The name need not be UTF-8, nor new.
    ///
    /// # Panics
    ///
    /// When the name has more than 255 bytes.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: FieldBytes) -> Self {
        put_short(name.as_ref(), &mut self.entries);
        self.entries.append(&mut value.into_bytes());
        self.header_bytes([])
    }

    /// Adds bytes to the table of headers, whatever they mean; its length counts them. Without any
    /// bytes it sets a table that is perhaps empty.
    #[must_use]
    pub fn header_bytes(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.entries.extend_from_slice(bytes.as_ref());
        let mut table = Vec::new();
        put_long(&self.entries, &mut table);
        self.values[HEADERS] = Some(table);
        self
    }

    /// Writes these flags whatever properties there are, so that they promise more, or less.
    #[must_use]
    pub fn flags(mut self, flags: u16) -> Self {
        self.flags = Some(flags);
        self
    }

    /// Adds bytes behind the last property.
    #[must_use]
    pub fn extra(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.extra.extend_from_slice(bytes.as_ref());
        self
    }

    /// Keeps only the first `bytes` bytes; the flags count too.
    #[must_use]
    pub fn cut_to(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let set = (0..14).filter(|&place| self.values[place].is_some());
        let flags = set.fold(0, |flags, place| flags | 0x8000 >> place);
        let mut bytes = self.flags.unwrap_or(flags).to_be_bytes().to_vec();
        for value in self.values.iter().flatten() {
            bytes.extend_from_slice(value);
        }
        bytes.extend_from_slice(&self.extra);
        bytes.truncate(self.cut.unwrap_or(usize::MAX));
        bytes
    }
}

fn place(name: &str, kind: Kind) -> usize {
    let found = ORDER.iter().position(|one| *one == (name, kind));
    found.unwrap_or_else(|| panic!("there is no property `{name}` of this type"))
}
