//! Values that need reading: times, headers.

use std::time::SystemTime;

use garenne::core::{Value, json, parse_duration};
use garenne::failed::GroupBy;

/// A header to be sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: Value,
}

/// Reads `name=text`, or `name:=JSON` for other types.
pub(super) fn header(text: &str) -> Result<Header, String> {
    let wrong = || "write NAME=TEXT, or NAME:=JSON for other types (retries:=3)".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let (name, value) = match name.strip_suffix(':') {
        None => (name, Value::from(value)),
        Some(name) => {
            let json = serde_json::from_str(value).map_err(|e| format!("{e}; {}", wrong()))?;
            (name, json::read_value(&json).map_err(|e| e.to_string())?)
        }
    };
    if name.is_empty() || name.len() > 255 {
        return Err(wrong());
    }
    Ok(Header {
        name: name.to_owned(),
        value,
    })
}

/// Reads a time: so long ago (`2h`), or a date and time in UTC.
pub(super) fn since(text: &str) -> Result<SystemTime, String> {
    if let Ok(ago) = parse_duration(text) {
        return Ok(SystemTime::now()
            .checked_sub(ago)
            .unwrap_or(SystemTime::UNIX_EPOCH));
    }
    let day_only = format!("{text}T00:00:00Z");
    humantime::parse_rfc3339_weak(text)
        .or_else(|_| humantime::parse_rfc3339(&day_only))
        .map_err(|_| {
            "write how long ago (`2h`, `3days`), or a time in UTC (`2026-09-21`, `2026-09-21T14:13:20Z`)"
                .to_owned()
        })
}

/// Reads what to group by.
pub(super) fn grouping(text: &str) -> Result<GroupBy, String> {
    text.parse()
        .map_err(|error: garenne::core::failed::UnknownGrouping| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_header_is_text_unless_it_says_that_it_is_json() {
        for (text, value) in [
            ("tenant=eu", Value::from("eu")),
            ("tenant=a=b", "a=b".into()),
            ("tenant=", "".into()),
            ("tenant:=3", 3_i32.into()),
            ("tenant:=true", true.into()),
            (r#"tenant:={"$i16": 3}"#, 3_i16.into()),
        ] {
            let header = header(text).unwrap();
            assert_eq!((header.name.as_str(), header.value), ("tenant", value));
        }
        for wrong in ["tenant", "=x", ":=3", "tenant:=x"] {
            assert!(header(wrong).unwrap_err().contains("NAME=TEXT"), "{wrong}");
        }
    }

    #[test]
    fn a_time_is_read_as_people_write_it() {
        let noon = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        for text in ["2026-09-21T14:13:20Z", "2026-09-21 14:13:20"] {
            assert_eq!(since(text), Ok(noon), "{text}");
        }
        assert!(since("2026-09-21").unwrap() < noon);
        let then = since("2h").unwrap();
        let ago = SystemTime::now().duration_since(then).unwrap();
        assert!(ago >= Duration::from_secs(7200));
        assert!(since("yesterday").unwrap_err().contains("`2h`"));
    }
}
