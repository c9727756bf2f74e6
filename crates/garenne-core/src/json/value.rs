//! A single value of a table as JSON, and back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value as Json, json};

use super::JsonError;
use crate::value::{Headers, Value};

pub(super) fn write(value: &Value, depth: usize) -> Result<Json, JsonError> {
    Ok(match value {
        Value::Void => Json::Null,
        Value::Bool(v) => Json::from(*v),
        Value::I32(v) => Json::from(*v),
        Value::I64(v) if i32::try_from(*v).is_err() => Json::from(*v),
        Value::I64(v) => json!({ "$i64": v }),
        Value::I8(v) => json!({ "$i8": v }),
        Value::U8(v) => json!({ "$u8": v }),
        Value::I16(v) => json!({ "$i16": v }),
        Value::U16(v) => json!({ "$u16": v }),
        Value::U32(v) => json!({ "$u32": v }),
        Value::F32(v) if v.is_nan() => json!({ "$f32": format!("{:#010x}", v.to_bits()) }),
        Value::F64(v) if v.is_nan() => json!({ "$f64": format!("{:#018x}", v.to_bits()) }),
        Value::F32(v) => json!({ "$f32": v.to_string() }),
        Value::F64(v) => json!({ "$f64": v.to_string() }),
        Value::Decimal { scale, value } => json!({ "$decimal": [scale, value] }),
        Value::Timestamp(v) => json!({ "$timestamp": v }),
        Value::Text(text) => Json::from(text.as_str()),
        Value::LongString(bytes) => json!({ "$binary": write_bytes(bytes) }),
        Value::ByteArray(bytes) => json!({ "$bytes": write_bytes(bytes) }),
        Value::Array(values) => {
            let depth = deeper(depth)?;
            let values = values.iter().map(|value| write(value, depth));
            Json::Array(values.collect::<Result<_, _>>()?)
        }
        Value::Table(table) => Json::Object(write_table(table, deeper(depth)?)?),
    })
}

pub(super) fn write_table(table: &Headers, depth: usize) -> Result<Map<String, Json>, JsonError> {
    let entries = table.iter().map(|(name, value)| {
        let value = write(value, depth).map_err(|error| error.at(name))?;
        let escaped = if name.starts_with('$') {
            format!("${name}")
        } else {
            name.clone()
        };
        Ok((escaped, value))
    });
    entries.collect()
}

fn deeper(depth: usize) -> Result<usize, JsonError> {
    depth
        .checked_sub(1)
        .ok_or_else(|| JsonError::new("nested too deep"))
}

pub(super) fn read(json: &Json, depth: usize) -> Result<Value, JsonError> {
    Ok(match json {
        Json::Null => Value::Void,
        Json::Bool(v) => Value::Bool(*v),
        Json::String(text) => Value::Text(text.clone()),
        Json::Number(number) => {
            let number = number.as_i64().ok_or_else(|| {
                JsonError::new(format_args!(
                    "{number} is not a whole number of 64 bits; a fraction is {{\"$f64\": \"{number}\"}}"
                ))
            })?;
            i32::try_from(number).map_or(Value::I64(number), Value::I32)
        }
        Json::Array(values) => {
            let depth = deeper(depth)?;
            let values = values.iter().map(|value| read(value, depth));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        Json::Object(object) => match tag(object) {
            Some((tag, json)) => read_tagged(tag, json).map_err(|error| error.at(tag))?,
            None => Value::Table(read_table(object, deeper(depth)?)?),
        },
    })
}

/// The only name of an object that is not a table.
fn tag(object: &Map<String, Json>) -> Option<(&str, &Json)> {
    let (name, json) = object.iter().next()?;
    (object.len() == 1 && name.starts_with('$') && !name.starts_with("$$"))
        .then_some((name.as_str(), json))
}

fn read_tagged(tag: &str, json: &Json) -> Result<Value, JsonError> {
    Ok(match tag {
        "$i64" => Value::I64(whole(json)?),
        "$i8" => Value::I8(whole(json)?),
        "$u8" => Value::U8(whole(json)?),
        "$i16" => Value::I16(whole(json)?),
        "$u16" => Value::U16(whole(json)?),
        "$u32" => Value::U32(whole(json)?),
        "$f32" => Value::F32(match bits(text(json)?) {
            Some(bits) => f32::from_bits(bits.try_into().map_err(JsonError::new)?),
            None => text(json)?.parse().map_err(JsonError::new)?,
        }),
        "$f64" => Value::F64(match bits(text(json)?) {
            Some(bits) => f64::from_bits(bits),
            None => text(json)?.parse().map_err(JsonError::new)?,
        }),
        "$decimal" => match json.as_array().map(Vec::as_slice) {
            Some([scale, value]) => Value::Decimal {
                scale: whole(scale)?,
                value: whole(value)?,
            },
            _ => return Err(JsonError::new("not [scale, digits]")),
        },
        "$timestamp" => Value::Timestamp(whole(json)?),
        "$binary" => Value::LongString(bytes(json)?),
        "$bytes" => Value::ByteArray(bytes(json)?),
        _ => return Err(JsonError::new("an unknown type")),
    })
}

pub(super) fn read_table(object: &Map<String, Json>, depth: usize) -> Result<Headers, JsonError> {
    let entries = object.iter().map(|(name, json)| {
        let value = read(json, depth).map_err(|error| error.at(name))?;
        let plain = match name.strip_prefix('$') {
            Some(plain) if plain.starts_with('$') => plain,
            Some(_) => {
                return Err(JsonError::new(format_args!(
                    "`{name}` stands beside other names; a header of that name is `${name}`"
                )));
            }
            None => name,
        };
        Ok((plain.to_owned(), value))
    });
    entries.collect()
}

pub(super) fn text(json: &Json) -> Result<&str, JsonError> {
    json.as_str().ok_or_else(|| JsonError::new("not a text"))
}

/// A whole number of any width.
pub(super) fn whole<T: TryFrom<i128>>(json: &Json) -> Result<T, JsonError> {
    let number = json.as_number().map(ToString::to_string);
    number
        .and_then(|number| number.parse::<i128>().ok()?.try_into().ok())
        .ok_or_else(|| JsonError::new("not a whole number in range"))
}

fn bits(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

pub(super) fn write_bytes(bytes: &[u8]) -> Json {
    BASE64.encode(bytes).into()
}

pub(super) fn bytes(json: &Json) -> Result<Vec<u8>, JsonError> {
    BASE64.decode(text(json)?).map_err(JsonError::new)
}
