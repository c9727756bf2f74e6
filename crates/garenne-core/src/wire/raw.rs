//! A single value of a field table, as its bytes.

use std::fmt;

use super::{Entry, split_long};
use crate::json::MAX_DEPTH;
use crate::value::{Headers, Value};

/// An undecoded value of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawValue<'a> {
    kind: u8,
    /// The content: without the octet of the type, and without the length before texts, bytes, arrays and
    /// tables. For any other type, the bytes of its numbers.
    content: &'a [u8],
}

/// Why a value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreadable {
    /// Arrays and tables are nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// A table inside it has a name that is not UTF-8.
    Name,
    /// A table inside it has a name twice.
    Repeated,
    /// A value inside it has an unknown type, or is longer than the value around it.
    Malformed,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep => write!(f, "nested deeper than {MAX_DEPTH}"),
            Self::Name => f.write_str("a name inside it is not UTF-8"),
            Self::Repeated => f.write_str("a name inside it comes twice"),
            Self::Malformed => {
                f.write_str("something inside it has an unknown type or a wrong length")
            }
        }
    }
}

impl std::error::Error for Unreadable {}

impl<'a> RawValue<'a> {
    /// The value that these bytes begin with, and the bytes behind it; `None` when its end is unknown. The
    /// inside of an array or a table is not read.
    pub(crate) fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&kind, rest) = bytes.split_first()?;
        let len = match kind {
            b'S' | b'x' | b'A' | b'F' => {
                let (content, rest) = split_long(rest)?;
                return Some((Self { kind, content }, rest));
            }
            b'V' => 0,
            b't' | b'b' | b'B' => 1,
            b's' | b'u' | b'U' => 2,
            b'I' | b'i' | b'f' => 4,
            b'D' => 5,
            b'l' | b'L' | b'd' | b'T' => 8,
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        Some((Self { kind, content }, rest))
    }

    /// The number, if this is an integer of any width; floats and texts are not integers.
    #[must_use]
    pub fn as_integer(self) -> Option<i128> {
        self.number().and_then(|number| number.as_integer())
    }

    /// The bytes, if this is a long string.
    #[must_use]
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        (self.kind == b'S').then_some(self.content)
    }

    /// The text, if this is a long string that is UTF-8.
    #[must_use]
    pub fn as_text(self) -> Option<&'a str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// The value itself.
    ///
    /// # Errors
    ///
    /// When no [`Value`] is the same: see [`Unreadable`].
    pub fn decode(self) -> Result<Value, Unreadable> {
        let mut open: Vec<Open<'a>> = Vec::new();
        let mut next = Some(self);
        loop {
            let done = match next {
                Some(raw) => match raw.scalar() {
                    None if open.len() == MAX_DEPTH => return Err(Unreadable::TooDeep),
                    None => {
                        open.push(Open::new(raw));
                        None
                    }
                    scalar => scalar,
                },
                None => open.pop().map(Open::close),
            };
            let around = match (done, open.last_mut()) {
                (Some(value), None) => return Ok(value),
                (None, None) => return Err(Unreadable::Malformed),
                (Some(value), Some(around)) => {
                    around.put(value);
                    around
                }
                (None, Some(around)) => around,
            };
            next = around.next()?;
        }
    }

    /// Whether a broker can read it: every type in it is known, every length fits, and every float is a
    /// finite number, at any depth.
    pub(crate) fn is_well_formed(self) -> bool {
        let mut open = vec![self];
        while let Some(raw) = open.last_mut() {
            if raw.content.is_empty() {
                open.pop();
                continue;
            }
            let inner = match raw.kind {
                b'A' => Self::split(raw.content),
                b'F' => Entry::split(raw.content).map(|(entry, rest)| (entry.value, rest)),
                _ if raw.number().is_some_and(|number| number.has_no_number()) => return false,
                _ => {
                    open.pop();
                    continue;
                }
            };
            let Some((inner, rest)) = inner else {
                return false;
            };
            raw.content = rest;
            if matches!(inner.kind, b'A' | b'F' | b'f' | b'd') {
                open.push(inner);
            }
        }
        true
    }

    /// The value, if it is neither an array nor a table.
    fn scalar(self) -> Option<Value> {
        match self.kind {
            b'A' | b'F' => None,
            b'S' => Some(match std::str::from_utf8(self.content) {
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => Value::LongString(self.content.to_vec()),
            }),
            b'x' => Some(Value::ByteArray(self.content.to_vec())),
            b'V' => Some(Value::Void),
            _ => self.number(),
        }
    }

    /// The value, if it is of a type with a fixed number of bytes. No such value allocates memory.
    pub(crate) fn number(self) -> Option<Value> {
        let content = self.content;
        Some(match self.kind {
            b't' => Value::Bool(octets(content).map(u8::from_be_bytes)? != 0),
            b'b' => Value::I8(octets(content).map(i8::from_be_bytes)?),
            b'B' => Value::U8(octets(content).map(u8::from_be_bytes)?),
            b's' | b'U' => Value::I16(octets(content).map(i16::from_be_bytes)?),
            b'u' => Value::U16(octets(content).map(u16::from_be_bytes)?),
            b'I' => Value::I32(octets(content).map(i32::from_be_bytes)?),
            b'i' => Value::U32(octets(content).map(u32::from_be_bytes)?),
            b'l' | b'L' => Value::I64(octets(content).map(i64::from_be_bytes)?),
            b'f' => Value::F32(octets(content).map(f32::from_be_bytes)?),
            b'd' => Value::F64(octets(content).map(f64::from_be_bytes)?),
            b'T' => Value::Timestamp(octets(content).map(u64::from_be_bytes)?),
            b'D' => {
                let (&scale, digits) = content.split_first()?;
                let value = octets(digits).map(u32::from_be_bytes)?;
                Value::Decimal { scale, value }
            }
            _ => return None,
        })
    }
}

fn octets<const N: usize>(content: &[u8]) -> Option<[u8; N]> {
    content.try_into().ok()
}

/// An array or a table that is being read. They are kept in a list, not on the stack.
struct Open<'a> {
    rest: &'a [u8],
    /// The name of the entry of a table that is being read.
    name: String,
    into: Container,
}

enum Container {
    Array(Vec<Value>),
    Table(Headers),
}

impl<'a> Open<'a> {
    fn new(raw: RawValue<'a>) -> Self {
        Self {
            rest: raw.content,
            name: String::new(),
            into: match raw.kind {
                b'F' => Container::Table(Headers::new()),
                _ => Container::Array(Vec::new()),
            },
        }
    }

    /// The next value in the array or table; `None` at its end.
    fn next(&mut self) -> Result<Option<RawValue<'a>>, Unreadable> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (raw, rest) = match &self.into {
            Container::Array(_) => RawValue::split(self.rest).ok_or(Unreadable::Malformed)?,
            Container::Table(table) => {
                let (entry, rest) = Entry::split(self.rest).ok_or(Unreadable::Malformed)?;
                let name = std::str::from_utf8(entry.name).map_err(|_| Unreadable::Name)?;
                if table.contains_key(name) {
                    return Err(Unreadable::Repeated);
                }
                self.name = name.to_owned();
                (entry.value, rest)
            }
        };
        self.rest = rest;
        Ok(Some(raw))
    }

    fn put(&mut self, value: Value) {
        match &mut self.into {
            Container::Array(values) => values.push(value),
            Container::Table(table) => {
                table.insert(std::mem::take(&mut self.name), value);
            }
        }
    }

    fn close(self) -> Value {
        match self.into {
            Container::Array(values) => Value::Array(values),
            Container::Table(table) => Value::Table(table),
        }
    }
}
