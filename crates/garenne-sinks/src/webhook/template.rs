//! JSON as the receiver wants it.

use garenne::core::alert::{Digest, Item};
use garenne::core::secret::shown;
use serde_json::{Map, Value, json};

use super::inert;

/// What is sent where nobody said otherwise.
const DEFAULT: &str = r#"{
    "text": "{text}", "time": "{time}", "service": "{service}", "host": "{host}", "severity": "{severity}",
    "number": "{number}", "count": "{count}", "failures": "{failures}", "dropped": "{dropped}", "items": "{items}"
}"#;

/// What may stand in braces.
const KNOWN: [&str; 10] = [
    "text", "time", "service", "host", "severity", "number", "count", "failures", "dropped",
    "items",
];

/// A JSON document with placeholders in its strings.
#[derive(Clone, Debug)]
pub(super) struct Template(Value);

impl Template {
    /// Reads a template; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let document = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        match unknown(&document) {
            Some(name) => Err(format!("`{{{}}}` is no placeholder", shown(&name))),
            None => Ok(Self(document)),
        }
    }

    /// The document, filled in. `text` and `time` are as they shall be read.
    pub(super) fn fill(&self, digest: &Digest, text: &str, time: &str) -> Value {
        let values = KNOWN.map(|name| (name, value_of(name, digest, text, time)));
        filled(&self.0, &values)
    }
}

impl Default for Template {
    fn default() -> Self {
        // A document of ours is valid, or its test fails; `null` would be sent otherwise.
        Self(serde_json::from_str(DEFAULT).unwrap_or_default())
    }
}

fn value_of(name: &str, digest: &Digest, text: &str, time: &str) -> Value {
    match name {
        "text" => text.into(),
        "time" => time.into(),
        "service" => digest.service.as_str().into(),
        "host" => digest.host.as_str().into(),
        "severity" => digest.severity().as_str().into(),
        "number" => digest.number.into(),
        "count" => digest.count().into(),
        "failures" => digest.failures().into(),
        "dropped" => digest.dropped.into(),
        _ => digest.items.iter().map(item).collect(),
    }
}

fn item(item: &Item) -> Value {
    use garenne::core::alert::Subject;
    let mut value = json!({
        "subject": item.subject.as_str(),
        "severity": item.subject.severity().as_str(),
        "count": item.count,
        "seconds": item.lasting.as_secs(),
        "newest": item.newest,
        "text": inert::text(&item.to_string()),
    });
    value["queue"] = item.subject.queue().into();
    if let Subject::Failures { reason, kind, .. } = &item.subject {
        value["reason"] = reason.as_str().into();
        value["kind"] = kind.as_deref().into();
    }
    value
}

/// Fills in every string. One that is a placeholder and nothing else becomes the value itself, so
/// that numbers are numbers.
fn filled(template: &Value, values: &[(&str, Value)]) -> Value {
    match template {
        Value::String(text) => {
            let whole = placeholders(text)
                .next()
                .filter(|name| text.len() == name.len() + 2);
            let value_of = |name: &str| values.iter().find(|(known, _)| *known == name);
            if let Some((_, value)) = whole.and_then(value_of) {
                return value.clone();
            }
            Value::String(woven(text, values))
        }
        Value::Array(items) => items.iter().map(|item| filled(item, values)).collect(),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, field)| (name.clone(), filled(field, values)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// Fills in one string, from left to right: what is filled in is not looked at again, whatever it
/// contains.
fn woven(text: &str, values: &[(&str, Value)]) -> String {
    let mut woven = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        woven.push_str(before);
        let found = values.iter().find_map(|(name, value)| {
            let behind = behind.strip_prefix(name)?.strip_prefix('}')?;
            Some((value, behind))
        });
        match found {
            Some((Value::String(value), behind)) => {
                woven.push_str(value);
                rest = behind;
            }
            Some((value, behind)) => {
                woven.push_str(&inert::text(&value.to_string()));
                rest = behind;
            }
            None => {
                woven.push('{');
                rest = behind;
            }
        }
    }
    woven + rest
}

/// The first thing in braces that nothing is known for.
fn unknown(document: &Value) -> Option<String> {
    match document {
        Value::String(text) => {
            let name = placeholders(text).find(|name| !KNOWN.contains(name));
            name.map(str::to_owned)
        }
        Value::Array(items) => items.iter().find_map(unknown),
        Value::Object(fields) => fields.values().find_map(unknown),
        _ => None,
    }
}

/// Words in braces; whatever else is in braces stands for itself.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|behind| {
        let (name, _) = behind.split_once('}')?;
        let is_word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        is_word.then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::super::body::tests::digest;
    use super::*;

    fn fill(template: &str) -> Value {
        let template = Template::parse(template).unwrap();
        template.fill(
            &digest("no \"order\" {count}"),
            "text",
            "2026-01-02T03:04:05Z",
        )
    }

    #[test]
    fn a_placeholder_alone_is_the_value_and_within_a_text_it_is_text() {
        let filled =
            fill(r#"{"n": "{count}", "s": ["{count} of {service}: {text}!", 1], "x": "{ {} {A}"}"#);
        assert_eq!(
            filled,
            json!({"n": 12, "s": ["12 of order-service: text!", 1], "x": "{ {} {A}"})
        );
    }

    #[test]
    fn what_is_filled_in_is_not_filled_in_again_and_cannot_break_the_document() {
        let filled = fill(r#"{"items": "{items}", "all": "<{items}>"}"#);
        assert_eq!(filled["items"][0]["newest"], "no \"order\" {count}");
        assert!(filled["all"].as_str().unwrap().contains("{count}"));
    }

    #[test]
    fn what_is_sent_by_default_tells_everything() {
        let filled = Template::default().fill(&digest("no order"), "text", "now");
        assert_eq!(
            filled,
            json!({
                "text": "text", "time": "now", "service": "order-service", "host": "web-1",
                "severity": "warning", "number": 3, "count": 12, "failures": 12, "dropped": 0,
                "items": [{
                    "subject": "failures", "severity": "warning", "queue": "orders", "reason": "exhausted",
                    "kind": "no order", "count": 12, "seconds": 300, "newest": "no order",
                    "text": "orders: 12 failures in 5 min (exhausted), newest: no order",
                }],
            })
        );
    }

    #[test]
    fn a_template_that_cannot_work_is_refused_with_the_reason() {
        assert!(
            Template::parse("{text}")
                .unwrap_err()
                .starts_with("not JSON: ")
        );
        assert_eq!(
            Template::parse(r#"{"a": ["{txt}"]}"#).unwrap_err(),
            "`{txt}` is no placeholder"
        );
    }
}
