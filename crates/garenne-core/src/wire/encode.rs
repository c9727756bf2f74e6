//! Properties as bytes.

use super::list::{HEADERS, flag};
use super::{DELIVERY_MODE, PRIORITY, SHORT_STRING_MAX, TIMESTAMP};
use crate::properties::Properties;
use crate::unread::TextProperty;
use crate::value::{Headers, Value};

/// How many properties AMQP 0-9-1 has.
const PROPERTIES: u32 = 14;

impl Properties {
    /// Appends the bytes of a content header behind the size of the body: the flag word, then the
    /// properties that are set.
    ///
    /// [`Properties::decode`] reads the same properties from these bytes. Unreadable parts are written as
    /// they came, unless a broker would refuse them: see [`Properties::can_be_sent`]. A text property or a
    /// header's name that is longer than 255 bytes, which only a program can make, is cut between characters.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let at = out.len();
        let mut flags = 0_u16;
        out.extend(flags.to_be_bytes());
        for place in 0..PROPERTIES {
            if self.write(place, out).is_some() {
                flags |= flag(place);
            }
        }
        out[at..at + 2].copy_from_slice(&flags.to_be_bytes());
    }

    /// Writes the property at this place, if it is set.
    fn write(&self, place: u32, out: &mut Vec<u8>) -> Option<()> {
        match (TextProperty::at(place), place) {
            (Some(property), _) => write_short(self.text_to_send(property)?, out),
            (None, HEADERS) if !self.has_headers_to_send() => return None,
            (None, HEADERS) => self.write_headers(out),
            (None, DELIVERY_MODE) => out.push(self.delivery_mode?),
            (None, PRIORITY) => out.push(self.priority?),
            (None, TIMESTAMP) => out.extend(self.timestamp?.to_be_bytes()),
            (None, _) => return None,
        }
        Some(())
    }

    fn write_headers(&self, out: &mut Vec<u8>) {
        with_length(out, |out| {
            write_entries(&self.headers, out);
            for header in self.unread_headers_to_send() {
                out.extend(&header.bytes);
            }
        });
    }
}

/// The front of a text that fits into a short string, cut between characters.
pub(crate) fn short(text: &str) -> &str {
    let mut end = text.len().min(SHORT_STRING_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Writes a short string: at most 255 bytes.
fn write_short(bytes: &[u8], out: &mut Vec<u8>) {
    let len = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    out.push(len);
    out.extend(&bytes[..len.into()]);
}

/// Writes the length of the bytes that `content` writes, and then these bytes. A length that does not fit
/// into 32 bits does not fit into a frame either, and is never sent.
fn with_length(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0; 4]);
    content(out);
    let len = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX);
    out[at..at + 4].copy_from_slice(&len.to_be_bytes());
}

fn write_entries(headers: &Headers, out: &mut Vec<u8>) {
    for (name, value) in headers {
        write_short(short(name).as_bytes(), out);
        write_value(value, out);
    }
}

/// A header as its bytes: the length of its name, the name, the type, the value.
pub(crate) fn entry_bytes(name: &str, value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_short(short(name).as_bytes(), &mut bytes);
    write_value(value, &mut bytes);
    bytes
}

/// It follows arrays and tables by recursion. The recursion is bounded: values from the wire are not nested
/// deeper than [`MAX_DEPTH`](crate::json::MAX_DEPTH), and all others are the program's own.
fn write_value(value: &Value, out: &mut Vec<u8>) {
    out.push(kind(value));
    match value {
        Value::Void => {}
        Value::Bool(v) => out.push((*v).into()),
        Value::I8(v) => out.extend(v.to_be_bytes()),
        Value::U8(v) => out.push(*v),
        Value::I16(v) => out.extend(v.to_be_bytes()),
        Value::U16(v) => out.extend(v.to_be_bytes()),
        Value::I32(v) => out.extend(v.to_be_bytes()),
        Value::U32(v) => out.extend(v.to_be_bytes()),
        Value::I64(v) => out.extend(v.to_be_bytes()),
        Value::F32(v) => out.extend(v.to_be_bytes()),
        Value::F64(v) => out.extend(v.to_be_bytes()),
        Value::Timestamp(v) => out.extend(v.to_be_bytes()),
        Value::Decimal { scale, value } => {
            out.push(*scale);
            out.extend(value.to_be_bytes());
        }
        Value::Text(text) => with_length(out, |out| out.extend(text.as_bytes())),
        Value::LongString(bytes) | Value::ByteArray(bytes) => {
            with_length(out, |out| out.extend(bytes));
        }
        Value::Array(values) => with_length(out, |out| {
            for value in values {
                write_value(value, out);
            }
        }),
        Value::Table(table) => with_length(out, |out| write_entries(table, out)),
    }
}

/// The octet of a value's type.
const fn kind(value: &Value) -> u8 {
    match value {
        Value::Bool(_) => b't',
        Value::I8(_) => b'b',
        Value::U8(_) => b'B',
        Value::I16(_) => b's',
        Value::U16(_) => b'u',
        Value::I32(_) => b'I',
        Value::U32(_) => b'i',
        Value::I64(_) => b'l',
        Value::F32(_) => b'f',
        Value::F64(_) => b'd',
        Value::Decimal { .. } => b'D',
        Value::Text(_) | Value::LongString(_) => b'S',
        Value::ByteArray(_) => b'x',
        Value::Array(_) => b'A',
        Value::Timestamp(_) => b'T',
        Value::Table(_) => b'F',
        Value::Void => b'V',
    }
}
