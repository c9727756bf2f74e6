//! Field values as bytes.

use super::{put_long, put_short, put_size};

/// One value of a header: the byte of its type, and the bytes that belong to it.
///
/// The constructors write valid values. [`FieldBytes::of`] writes any, also one that says it is
/// longer than it is or that has a type which no broker knows.
///
/// ```
/// use garenne_testing::FieldBytes;
///
/// assert_eq!(FieldBytes::text("hi").as_bytes(), b"S\0\0\0\x02hi");
/// // A value at the bottom of 2,000 arrays: 10,000 bytes around one.
/// assert_eq!(FieldBytes::void().in_arrays(2_000).as_bytes().len(), 10_001);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldBytes(Vec<u8>);

impl FieldBytes {
    /// A value of the type `kind`, followed by `payload` as it stands.
    #[must_use]
    pub fn of(kind: u8, payload: impl AsRef<[u8]>) -> Self {
        let mut bytes = vec![kind];
        bytes.extend_from_slice(payload.as_ref());
        Self(bytes)
    }

    /// A long string (`S`). Its bytes need not be UTF-8.
    #[must_use]
    pub fn text(bytes: impl AsRef<[u8]>) -> Self {
        Self::sized(b'S', bytes.as_ref())
    }

    /// A byte array (`x`).
    #[must_use]
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self::sized(b'x', bytes.as_ref())
    }

    /// A whole number of eight bytes (`l`).
    #[must_use]
    pub fn long(number: i64) -> Self {
        Self::of(b'l', number.to_be_bytes())
    }

    /// A boolean (`t`).
    #[must_use]
    pub fn bool(value: bool) -> Self {
        Self::of(b't', [u8::from(value)])
    }

    /// Nothing (`V`).
    #[must_use]
    pub fn void() -> Self {
        Self::of(b'V', [])
    }

    /// An array (`A`) of values.
    #[must_use]
    pub fn array(values: impl IntoIterator<Item = Self>) -> Self {
        let all: Vec<u8> = values.into_iter().flat_map(|value| value.0).collect();
        Self::sized(b'A', &all)
    }

    /// A table (`F`) of names and values. Names need not be UTF-8, nor different.
    ///
    /// # Panics
    ///
    /// When a name has more than 255 bytes.
    #[must_use]
    pub fn table<N: AsRef<[u8]>>(entries: impl IntoIterator<Item = (N, Self)>) -> Self {
        let mut all = Vec::new();
        for (name, value) in entries {
            put_short(name.as_ref(), &mut all);
            all.extend_from_slice(&value.0);
        }
        Self::sized(b'F', &all)
    }

    /// The value inside `depth` arrays, each the only element of the next. An array costs five bytes, so
    /// a frame of 128 KiB takes 26,000 of them.
    #[must_use]
    pub fn in_arrays(self, depth: usize) -> Self {
        self.wrapped(depth, b'A', b"")
    }

    /// The value inside `depth` tables, each the only entry of the next, by the name `k`. A table costs
    /// seven bytes, so a frame of 128 KiB takes 18,000 of them.
    #[must_use]
    pub fn in_tables(self, depth: usize) -> Self {
        self.wrapped(depth, b'F', b"\x01k")
    }

    /// The bytes, the type first.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, the type first.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn sized(kind: u8, content: &[u8]) -> Self {
        let mut bytes = vec![kind];
        put_long(content, &mut bytes);
        Self(bytes)
    }

    /// Writes all the openings from the outermost on: no level is copied into the next.
    fn wrapped(self, depth: usize, kind: u8, name: &[u8]) -> Self {
        let level = 1 + 4 + name.len();
        let mut bytes = Vec::with_capacity(depth * level + self.0.len());
        for inside in (0..depth).rev() {
            bytes.push(kind);
            put_size(inside * level + name.len() + self.0.len(), &mut bytes);
            bytes.extend_from_slice(name);
        }
        bytes.extend_from_slice(&self.0);
        Self(bytes)
    }
}
