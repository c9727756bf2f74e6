//! Properties and headers as JSON, and back without a loss: for programs that store or show messages as text.
//!
//! The values that most clients send look like JSON written by hand: texts, booleans, whole numbers, arrays
//! and tables. A value without a form in JSON is an object with a single name that begins with `$`:
//!
//! | AMQP | JSON |
//! |---|---|
//! | text | `"acme"` |
//! | boolean, void | `true`, `null` |
//! | 32-bit integer; 64-bit integer outside its range | `7`; `5000000000` |
//! | 64-bit integer within that range | `{"$i64": 7}` |
//! | other integers | `{"$i8": 7}`, `{"$u8": 7}`, `{"$i16": 7}`, `{"$u16": 7}`, `{"$u32": 7}` |
//! | floats; their digits are a text, because databases rewrite numbers | `{"$f32": "0.25"}`, `{"$f64": "0.1"}` |
//! | a float that is not a number, by its bits | `{"$f64": "0x7ff8000000000000"}` |
//! | decimal: scale, then digits | `{"$decimal": [2, 199]}` is 1.99 |
//! | timestamp: seconds since the Unix epoch | `{"$timestamp": 1790000000}` |
//! | byte array; long string that is not UTF-8; both in base64 | `{"$bytes": "AP8="}`, `{"$binary": "AP8="}` |
//! | array, table | `[1, 2]`, `{"tenant": "acme"}` |
//! | a name in a table that begins with `$` | gets another `$`: `{"$$ref": 7}` |
//!
//! Unreadable parts of the properties ([`Properties::unread`]) stand beside them as an array `"$unread"`,
//! with their bytes in base64. [`UnreadPart`](crate::UnreadPart) describes the bytes:
//!
//! | part | JSON |
//! |---|---|
//! | a text property that is not UTF-8 | `{"property": "app_id", "bytes": "Y2Fm6Q=="}` |
//! | a header | `{"header": "AWFW"}` |
//! | the rest of the headers | `{"headers": "AWFa"}` |
//! | the rest of the properties | `{"rest": "AAABAg=="}` |

mod unread;
mod value;

use std::borrow::Cow;
use std::fmt::{self, Write};

use serde_json::{Map, Value as Json};

use crate::properties::Properties;
use crate::unread::TextProperty;
use crate::value::{Headers, Value};
use crate::wire::is_hidden;

/// How deep arrays and tables may be nested, in JSON and in bytes read from the wire. Readers of JSON have a
/// limit too (128 is common), so this limit is lower.
pub const MAX_DEPTH: usize = 100;

/// The name of the unreadable parts. No property of AMQP has this name.
const UNREAD: &str = "$unread";

/// Why a value cannot be written as JSON, or be read from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError(String);

impl JsonError {
    fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }

    fn at(self, name: &str) -> Self {
        Self(format!("in `{name}`: {}", self.0))
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JsonError {}

/// JSON on a single line that is safe to print. Characters that [`readable`](crate::wire::readable) would
/// replace are escaped as in JSON (`\u009b`), so the line reads back as the same value.
#[must_use]
pub fn to_line(json: &Json) -> String {
    let line = json.to_string();
    match escape(&line) {
        Cow::Borrowed(_) => line,
        Cow::Owned(escaped) => escaped,
    }
}

/// The same for a line that is already JSON, without its line end.
#[must_use]
pub fn escape(line: &str) -> Cow<'_, str> {
    if !line.contains(is_hidden) {
        return Cow::Borrowed(line);
    }
    let mut escaped = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// A header table as a JSON object.
///
/// # Errors
///
/// When its values are nested deeper than [`MAX_DEPTH`].
pub fn write_headers(headers: &Headers) -> Result<Map<String, Json>, JsonError> {
    value::write_table(headers, MAX_DEPTH)
}

/// Reads the JSON of [`write_headers`]. Whole numbers that fit become 32-bit integers, others 64-bit
/// integers.
///
/// # Errors
///
/// When a value is not of the form in the table above, or nested deeper than [`MAX_DEPTH`], with the
/// name of its header.
pub fn read_headers(json: &Map<String, Json>) -> Result<Headers, JsonError> {
    value::read_table(json, MAX_DEPTH)
}

/// A single header value as JSON.
///
/// # Errors
///
/// When the value is nested deeper than [`MAX_DEPTH`].
pub fn write_value(value: &Value) -> Result<Json, JsonError> {
    value::write(value, MAX_DEPTH)
}

/// Reads the JSON of [`write_value`].
///
/// # Errors
///
/// When the JSON is not of a form in the table above, or nested deeper than [`MAX_DEPTH`].
pub fn read_value(json: &Json) -> Result<Value, JsonError> {
    value::read(json, MAX_DEPTH)
}

/// The properties that are set as a JSON object, under their names in AMQP (`content_type`, `type`,
/// `headers`…), and `$unread` if there are unreadable parts.
///
/// # Errors
///
/// As [`write_headers`].
pub fn write_properties(properties: &Properties) -> Result<Map<String, Json>, JsonError> {
    let mut json = Map::new();
    for property in TextProperty::ALL {
        let text = properties.text(property);
        json.extend(text.map(|text| (property.name().to_owned(), text.into())));
    }
    let octets = [
        ("delivery_mode", properties.delivery_mode),
        ("priority", properties.priority),
    ];
    for (name, octet) in octets {
        json.extend(octet.map(|octet| (name.to_owned(), octet.into())));
    }
    json.extend(
        properties
            .timestamp
            .map(|t| ("timestamp".to_owned(), t.into())),
    );
    if !properties.headers.is_empty() {
        let headers = write_headers(&properties.headers)?;
        json.insert("headers".to_owned(), headers.into());
    }
    if !properties.unread.is_empty() {
        json.insert(UNREAD.to_owned(), unread::write(&properties.unread));
    }
    Ok(json)
}

/// Reads the JSON of [`write_properties`].
///
/// # Errors
///
/// When a name is unknown or its value is of another type, because an unknown property would be lost.
pub fn read_properties(json: &Map<String, Json>) -> Result<Properties, JsonError> {
    let mut properties = Properties::default();
    for (name, value) in json {
        read_property(&mut properties, name, value).map_err(|error| error.at(name))?;
    }
    Ok(properties)
}

fn read_property(p: &mut Properties, name: &str, json: &Json) -> Result<(), JsonError> {
    match TextProperty::from_name(name) {
        Some(property) => *p.text_mut(property) = Some(value::text(json)?.to_owned()),
        None => read_other(p, name, json)?,
    }
    Ok(())
}

fn read_other(p: &mut Properties, name: &str, json: &Json) -> Result<(), JsonError> {
    match name {
        "delivery_mode" => p.delivery_mode = Some(value::whole(json)?),
        "priority" => p.priority = Some(value::whole(json)?),
        "timestamp" => p.timestamp = Some(value::whole(json)?),
        "headers" => {
            let table = json.as_object();
            p.headers = read_headers(table.ok_or_else(|| JsonError::new("not an object"))?)?;
        }
        UNREAD => p.unread = unread::read(json)?,
        _ => return Err(JsonError::new("AMQP has no such property")),
    }
    Ok(())
}

#[cfg(test)]
mod line_tests {
    use super::*;

    #[test]
    fn a_line_moves_no_cursor_and_reads_back_as_the_same() {
        let json = Json::from("a\u{9b}31m\u{202e}b\u{e0001}\u{1b}\n\u{7f}c");
        let line = to_line(&json);
        assert_eq!(line, r#""a\u009b31m\u202eb\udb40\udc01\u001b\n\u007fc""#);
        assert_eq!(serde_json::from_str::<Json>(&line).unwrap(), json);
    }
}
