//! Unreadable parts as JSON, and back.

use serde_json::{Map, Value as Json};

use super::JsonError;
use super::value::{bytes, text, write_bytes};
use crate::unread::{TextProperty, Unread, UnreadPart};

pub(super) fn write(unread: &[Unread]) -> Json {
    let parts = unread.iter().map(|unread| {
        let bytes = write_bytes(&unread.bytes);
        let tag = unread.part.tag().unwrap_or("bytes");
        let mut json = Map::from_iter([(tag.to_owned(), bytes)]);
        if let UnreadPart::Property(property) = unread.part {
            json.insert("property".to_owned(), property.name().into());
        }
        Json::Object(json)
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
    if unread.is_whole() {
        Ok(unread)
    } else {
        Err(JsonError::new(match part {
            UnreadPart::Property(_) => "more than 255 bytes",
            _ => "not one whole header",
        }))
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
    let part = only.and_then(|(name, json)| Some((UnreadPart::tagged(name)?, name, json)));
    let (part, name, json) =
        part.ok_or_else(|| JsonError::new("not a `property`, a `header`, `headers` or a `rest`"))?;
    let bytes = bytes(json).map_err(|error| error.at(name))?;
    Ok((part, bytes))
}
