//! Texts as databases take them: PostgreSQL refuses a NUL in any text, and AMQP does not.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

/// U+241B, the symbol for escape, which hardly anybody writes.
const ESCAPE: char = '\u{241b}';

/// The same text without NULs: each is `␛0`, and a `␛` is `␛␛`.
pub(super) fn without_nul(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\0' => escaped.extend([ESCAPE, '0']),
            ESCAPE => escaped.extend([ESCAPE, ESCAPE]),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// Undoes [`without_nul`]. What was not written by it, an operator's `␛` for one, stays.
pub(super) fn with_nul(text: String) -> String {
    if !text.contains(ESCAPE) {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().filter(|_| c == ESCAPE);
        match next {
            Some('0') => plain.push('\0'),
            Some(ESCAPE) => plain.push(ESCAPE),
            _ => {
                plain.push(c);
                continue;
            }
        }
        chars.next();
    }
    plain
}

/// [`without_nul`] for all texts and names of an object.
pub(super) fn json_without_nul(object: Map<String, Json>) -> Map<String, Json> {
    map_texts(object, &|text| without_nul(&text).into_owned())
}

/// [`with_nul`] for all texts and names of an object.
pub(super) fn json_with_nul(object: Map<String, Json>) -> Map<String, Json> {
    map_texts(object, &with_nul)
}

fn map_texts(object: Map<String, Json>, change: &dyn Fn(String) -> String) -> Map<String, Json> {
    object
        .into_iter()
        .map(|(name, json)| (change(name), map_text(json, change)))
        .collect()
}

fn map_text(json: Json, change: &dyn Fn(String) -> String) -> Json {
    match json {
        Json::String(text) => Json::String(change(text)),
        Json::Array(values) => values
            .into_iter()
            .map(|json| map_text(json, change))
            .collect(),
        Json::Object(object) => Json::Object(map_texts(object, change)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_most_are_as_they_were() {
        for text in ["", "plain", "\0", "␛", "␛0", "\0␛\0", "a\0b␛␛0", "0␛"] {
            let escaped = without_nul(text);
            assert!(!escaped.contains('\0'));
            assert_eq!(with_nul(escaped.into_owned()), text);
        }
        assert!(matches!(without_nul("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn what_somebody_else_wrote_stays() {
        for text in ["␛", "␛x", "x␛"] {
            assert_eq!(with_nul(text.to_owned()), text);
        }
    }
}
