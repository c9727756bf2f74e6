//! Header values and header tables of AMQP 0-9-1.

use std::collections::BTreeMap;

use crate::wire::short;

/// The headers of a message, or the arguments of a queue: an AMQP field table, sorted by name.
///
/// A name is a short string on the wire: at most 255 bytes; a longer one is cut when it is sent.
pub type Headers = BTreeMap<String, Value>;

/// A single value in a field table.
///
/// There is a variant for every type that RabbitMQ sends, so that a copy of a message carries the exact bytes
/// of the original. Two variants share a type on the wire: a *long string* (`S`) is [`Value::Text`] when it
/// is UTF-8, as nearly always, and [`Value::LongString`] when it is not. A *byte array* (`x`) is a type of
/// its own.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `t`: true or false.
    Bool(bool),
    /// `b`: 8-bit signed integer.
    I8(i8),
    /// `B`: 8-bit unsigned integer.
    U8(u8),
    /// `s`: 16-bit signed integer.
    I16(i16),
    /// `u`: 16-bit unsigned integer.
    U16(u16),
    /// `I`: 32-bit signed integer.
    I32(i32),
    /// `i`: 32-bit unsigned integer.
    U32(u32),
    /// `l`, and `L` too: 64-bit signed integer.
    I64(i64),
    /// `f`: 32-bit float.
    F32(f32),
    /// `d`: 64-bit float.
    F64(f64),
    /// `D`: the decimal number `value` / 10^`scale`.
    Decimal {
        /// The number of decimal places.
        scale: u8,
        /// The digits, without the point.
        value: u32,
    },
    /// `S`: a long string that is UTF-8.
    Text(String),
    /// `S`: a long string that is not UTF-8.
    LongString(Vec<u8>),
    /// `x`: bytes.
    ByteArray(Vec<u8>),
    /// `A`: values in order, of any types.
    Array(Vec<Value>),
    /// `T`: seconds since the Unix epoch.
    Timestamp(u64),
    /// `F`: a table inside a table.
    Table(Headers),
    /// `V`: no value.
    Void,
}

impl Value {
    /// The number, if this is an integer of any width; floats and texts are not integers.
    #[must_use]
    pub fn as_integer(&self) -> Option<i128> {
        match *self {
            Self::I8(v) => Some(v.into()),
            Self::U8(v) => Some(v.into()),
            Self::I16(v) => Some(v.into()),
            Self::U16(v) => Some(v.into()),
            Self::I32(v) => Some(v.into()),
            Self::U32(v) => Some(v.into()),
            Self::I64(v) => Some(v.into()),
            _ => None,
        }
    }

    /// The text, if this is a long string that is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether this value is or contains a float that is infinite or not a number. AMQP has bytes for such
    /// floats, but RabbitMQ cannot read them: it ends the connection (541).
    #[must_use]
    pub fn has_no_number(&self) -> bool {
        match self {
            Self::F32(v) => !v.is_finite(),
            Self::F64(v) => !v.is_finite(),
            Self::Array(values) => values.iter().any(Self::has_no_number),
            Self::Table(table) => table.values().any(Self::has_no_number),
            _ => false,
        }
    }

    /// How many bytes this value takes in a field table, the octet for its type included.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        const TYPE: usize = 1;
        const LENGTH: usize = 4;
        TYPE + match self {
            Self::Void => 0,
            Self::Bool(_) | Self::I8(_) | Self::U8(_) => 1,
            Self::I16(_) | Self::U16(_) => 2,
            Self::I32(_) | Self::U32(_) | Self::F32(_) => 4,
            Self::Decimal { .. } => 5,
            Self::I64(_) | Self::F64(_) | Self::Timestamp(_) => 8,
            Self::Text(text) => LENGTH + text.len(),
            Self::LongString(bytes) | Self::ByteArray(bytes) => LENGTH + bytes.len(),
            Self::Array(values) => LENGTH + values.iter().map(Self::encoded_len).sum::<usize>(),
            Self::Table(table) => headers_len(table),
        }
    }
}

/// How many bytes a field table takes on the wire, its own length field included.
#[must_use]
pub fn headers_len(headers: &Headers) -> usize {
    const LENGTH: usize = 4;
    LENGTH
        + headers
            .iter()
            .map(|(name, value)| header_len(name, value))
            .sum::<usize>()
}

/// How many bytes an entry of a field table takes on the wire.
pub(crate) fn header_len(name: &str, value: &Value) -> usize {
    const NAME_LENGTH: usize = 1;
    NAME_LENGTH + short(name).len() + value.encoded_len()
}

macro_rules! value_from {
    ($($type:ty => $variant:ident),+ $(,)?) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }
    )+};
}

value_from! {
    bool => Bool,
    i8 => I8, u8 => U8, i16 => I16, u16 => U16, i32 => I32, u32 => U32, i64 => I64,
    f32 => F32, f64 => F64,
    &str => Text, String => Text, &String => Text,
    Vec<Value> => Array, Headers => Table,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_of_any_width_is_an_integer() {
        for value in [
            7_i8.into(),
            7_u8.into(),
            7_i16.into(),
            7_u16.into(),
            7_i32.into(),
        ] {
            assert_eq!(Value::as_integer(&value), Some(7));
        }
        for value in [Value::from(u32::MAX), Value::from(i64::from(u32::MAX))] {
            assert_eq!(value.as_integer(), Some(i128::from(u32::MAX)));
        }
    }

    #[test]
    fn what_is_not_an_integer_is_not_taken_for_one() {
        let others = [
            Value::Bool(true),
            Value::F64(7.0),
            "7".into(),
            Value::Timestamp(7),
            Value::Void,
        ];
        for value in others {
            assert_eq!(value.as_integer(), None, "{value:?}");
        }
    }

    #[test]
    fn lengths_are_those_of_the_wire() {
        let cases: [(Value, usize); 10] = [
            (Value::Void, 1),
            (true.into(), 2),
            (7_i16.into(), 3),
            (7_i32.into(), 5),
            (7_i64.into(), 9),
            (
                Value::Decimal {
                    scale: 2,
                    value: 199,
                },
                6,
            ),
            ("é".into(), 7),
            (Value::ByteArray(vec![0, 255]), 7),
            (vec![7_i32.into(), "a".into()].into(), 16),
            (
                Headers::from([("key".into(), true.into())]).into(),
                1 + 4 + 1 + 3 + 2,
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(value.encoded_len(), expected, "{value:?}");
        }
    }
}
