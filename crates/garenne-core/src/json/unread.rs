//! What could not be read as JSON, and back.

use serde_json::{Map, Value as Json, json};

use super::JsonError;
use super::value::{bytes, text, write_bytes};
use crate::unread::{TextProperty, Unread, UnreadPart};
use crate::wire::SHORT_STRING_MAX;

pub(super) fn write(unread: &[Unread]) -> Json {
    let parts = unread.iter().map(|unread| {
        let bytes = write_bytes(&unread.bytes);
        match unread.part {
            UnreadPart::Property(property) => {
                json!({ "property": property.name(), "bytes": bytes })
            }
            UnreadPart::Header => json!({ "header": bytes }),
            UnreadPart::Headers => json!({ "headers": bytes }),
            UnreadPart::Rest => json!({ "rest": bytes }),
        }
    });
    parts.collect()
}

pub(super) fn read(json: &Json) -> Result<Vec<Unread>, JsonError> {
    let parts = json.as_array().map(Vec::as_slice);
    let parts = parts.ok_or_else(|| JsonError::new("not an array"))?;
    parts.iter().map(read_part).collect()
}

fn read_part(json: &Json) -> Result<Unread, JsonError> {
    let object = json.as_object();
    let object = object.ok_or_else(|| JsonError::new("not an object"))?;
    let (part, bytes) = match property(object)? {
        Some(property) => property,
        None => rest(object)?,
    };
    let unread = Unread { part, bytes };
    match part {
        UnreadPart::Property(property) if unread.bytes.len() > SHORT_STRING_MAX => {
            let max = format_args!("{property} has more than {SHORT_STRING_MAX} bytes");
            Err(JsonError::new(max))
        }
        UnreadPart::Header if unread.header_name().is_none() => {
            Err(JsonError::new("not one whole header").at("header"))
        }
        _ => Ok(unread),
    }
}

fn property(object: &Map<String, Json>) -> Result<Option<(UnreadPart, Vec<u8>)>, JsonError> {
    let Some(name) = object.get("property") else {
        return Ok(None);
    };
    let property = TextProperty::from_name(text(name)?)
        .ok_or_else(|| JsonError::new("AMQP has no such text property").at("property"))?;
    match (object.get("bytes"), object.len()) {
        (Some(json), 2) => {
            let bytes = bytes(json).map_err(|error| error.at("bytes"))?;
            Ok(Some((UnreadPart::Property(property), bytes)))
        }
        _ => Err(JsonError::new("a property has `bytes`, and nothing else")),
    }
}

fn rest(object: &Map<String, Json>) -> Result<(UnreadPart, Vec<u8>), JsonError> {
    let only = object.iter().next().filter(|_| object.len() == 1);
    let (part, name, json) = match only.map(|(name, json)| (name.as_str(), json)) {
        Some((name @ "header", json)) => (UnreadPart::Header, name, json),
        Some((name @ "headers", json)) => (UnreadPart::Headers, name, json),
        Some((name @ "rest", json)) => (UnreadPart::Rest, name, json),
        _ => {
            return Err(JsonError::new(
                "not a `property`, a `header`, `headers` or a `rest`",
            ));
        }
    };
    let bytes = bytes(json).map_err(|error| error.at(name))?;
    Ok((part, bytes))
}
