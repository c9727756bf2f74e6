//! Records as lines of JSON, the format of an export.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use garenne_core::json::{self, read_properties, write_properties};
use garenne_core::{FailReason, FailedMessage, within_years_of_four_digits};
use serde_json::{Map, Value, json};

/// Writes a record as a JSON object on a single line, without loss. The line is safe to print: its invisible
/// characters are escaped.
///
/// | name | value |
/// |---|---|
/// | `message_id`, `queue`, `exchange`, `routing_key` | texts |
/// | `reason`, `error`, `error_chain` | a text, a text, texts |
/// | `attempts` | a number |
/// | `first_failed_at`, `last_failed_at` | RFC 3339, UTC, as fine as the record has them |
/// | `host`, `service`, `version` | texts |
/// | `doubt` | why the record is in [doubt](FailedMessage::doubt), if it is; it is read back from the header `fail-doubt` |
/// | `properties` | as [`garenne_core::json`] writes them |
/// | `body` | base64 |
///
/// # Errors
///
/// [`LineError`] when a header is nested too deeply to be written.
pub fn to_line(record: &FailedMessage) -> Result<String, LineError> {
    Ok(json::to_line(&Value::Object(to_json(record)?)))
}

/// Writes a record as a JSON object.
///
/// # Errors
///
/// As for [`to_line`].
pub fn to_json(record: &FailedMessage) -> Result<Map<String, Value>, LineError> {
    let properties = write_properties(&record.properties).map_err(LineError::new)?;
    let json = json!({
        "message_id": record.message_id,
        "queue": record.queue,
        "exchange": record.exchange,
        "routing_key": record.routing_key,
        "reason": record.reason.as_str(),
        "error": record.error,
        "error_chain": record.error_chain,
        "attempts": record.attempts,
        "first_failed_at": time(record.first_failed_at),
        "last_failed_at": time(record.last_failed_at),
        "host": record.host,
        "service": record.service,
        "version": record.version,
        "properties": properties,
        "body": BASE64.encode(&record.body),
    });
    let Value::Object(mut object) = json else {
        return Ok(Map::new());
    };
    let doubt = record.doubt();
    object.extend(doubt.map(|doubt| ("doubt".to_owned(), doubt.into())));
    Ok(object)
}

/// Reads a line that [`to_line`] wrote. It ignores unknown names. Known names that are missing count as
/// empty, except `queue`, `reason` and `body`.
///
/// # Errors
///
/// [`LineError`] when the line is not such an object; it says where the fault is and what was expected.
pub fn from_line(line: &str) -> Result<FailedMessage, LineError> {
    let object: Map<String, Value> = serde_json::from_str(line).map_err(LineError::new)?;
    let at = |name: &str| object.get(name).filter(|value| !value.is_null());
    let text = |name: &str| match at(name) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(LineError::at(name, "not a text")),
    };
    let moment = |name: &str| match text(name)? {
        text if text.is_empty() => Ok(UNIX_EPOCH),
        text => humantime::parse_rfc3339(&text).map_err(|error| LineError::at(name, error)),
    };
    let needed = |name: &str| match at(name) {
        None => Err(LineError::at(name, "not there")),
        Some(_) => text(name),
    };
    let properties = match at("properties") {
        None => Map::new(),
        Some(Value::Object(properties)) => properties.clone(),
        Some(_) => return Err(LineError::at("properties", "not an object")),
    };
    let reason: FailReason = needed("reason")?
        .parse()
        .map_err(|error| LineError::at("reason", error))?;
    let body = BASE64
        .decode(needed("body")?)
        .map_err(|error| LineError::at("body", error))?;
    Ok(FailedMessage {
        message_id: text("message_id")?,
        queue: needed("queue")?,
        exchange: text("exchange")?,
        routing_key: text("routing_key")?,
        body: Arc::from(body),
        properties: read_properties(&properties).map_err(|e| LineError::at("properties", e))?,
        attempts: attempts(at("attempts"))?,
        first_failed_at: moment("first_failed_at")?,
        last_failed_at: moment("last_failed_at")?,
        reason,
        error: text("error")?,
        error_chain: chain(at("error_chain"))?,
        host: text("host")?,
        service: text("service")?,
        version: text("version")?,
    })
}

fn attempts(value: Option<&Value>) -> Result<u32, LineError> {
    let Some(value) = value else {
        return Ok(1);
    };
    let number = value.as_u64().and_then(|number| number.try_into().ok());
    number.ok_or_else(|| LineError::at("attempts", "not a whole number of 32 bits"))
}

fn chain(value: Option<&Value>) -> Result<Vec<String>, LineError> {
    let wrong = || LineError::at("error_chain", "not an array of texts");
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    let texts = value.as_array().ok_or_else(wrong)?.iter();
    texts
        .map(|text| text.as_str().map(str::to_owned).ok_or_else(wrong))
        .collect()
}

/// The text of a time. A time that RFC 3339 cannot express becomes the nearest that it can.
fn time(time: SystemTime) -> String {
    humantime::format_rfc3339(within_years_of_four_digits(time)).to_string()
}

/// Why a line is not a record, or a record cannot become a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError(String);

impl LineError {
    fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }

    fn at(name: &str, why: impl fmt::Display) -> Self {
        Self(format!("`{name}`: {why}"))
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LineError {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use garenne_core::{Headers, Properties, Value as Header};

    use super::*;

    fn record() -> FailedMessage {
        FailedMessage {
            message_id: "m-1".into(),
            queue: "orders".into(),
            exchange: "shop".into(),
            routing_key: "order.placed".into(),
            body: vec![0, 255, 10, 13, 34].into(),
            properties: Properties {
                headers: Headers::from([
                    ("n".into(), Header::I16(-3)),
                    ("raw".into(), Header::LongString(vec![255])),
                    ("bits".into(), Header::ByteArray(vec![0])),
                    ("at".into(), Header::Timestamp(7)),
                    ("list".into(), vec![Header::Void, Header::F64(0.1)].into()),
                ]),
                priority: Some(3),
                user_id: Some("app".into()),
                ..Properties::default()
            },
            attempts: 4,
            first_failed_at: UNIX_EPOCH + Duration::from_nanos(1_790_000_000_123_456_789),
            last_failed_at: UNIX_EPOCH + Duration::from_millis(1_790_000_060_456),
            reason: FailReason::DeliveryLimit,
            error: "line one\nline two".into(),
            error_chain: vec!["because".into()],
            host: "till-3".into(),
            service: "order-service".into(),
            version: "1.2.0".into(),
        }
    }

    #[test]
    fn a_record_is_one_line_and_is_read_back_as_it_was() {
        let line = to_line(&record()).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(from_line(&line), Ok(record()));
    }

    #[test]
    fn a_record_in_doubt_says_so_and_is_still_in_doubt_when_it_is_read_back() {
        let forged = FailedMessage::from_parked(
            Some("orders"),
            "shop",
            "k",
            &record().parking_properties(1 << 17),
            *b"",
        );
        let doubt = forged.doubt().unwrap().to_owned();
        let line = to_line(&forged).unwrap();
        let json: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["doubt"], doubt.as_str());
        assert_eq!(from_line(&line).unwrap().doubt(), Some(&*doubt));
        assert_eq!(to_json(&record()).unwrap().get("doubt"), None);
    }

    #[test]
    fn a_time_that_nobody_can_write_is_the_nearest_that_can_be_written() {
        let far = FailedMessage {
            first_failed_at: UNIX_EPOCH - Duration::from_secs(1),
            last_failed_at: UNIX_EPOCH + Duration::from_secs(1 << 60),
            ..record()
        };
        let line = to_json(&far).unwrap();
        assert_eq!(line["first_failed_at"], "1970-01-01T00:00:00Z");
        assert_eq!(line["last_failed_at"], "9999-12-31T23:59:59.999000000Z");
    }

    #[test]
    fn a_line_without_what_a_message_needs_is_refused_by_name() {
        let whole = to_json(&record()).unwrap();
        for name in ["queue", "reason", "body"] {
            let mut lacking = whole.clone();
            lacking.remove(name);
            let error = from_line(&Value::Object(lacking).to_string()).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        for (name, wrong) in [
            ("body", json!("%")),
            ("attempts", json!(-1)),
            ("error_chain", json!("x")),
            ("last_failed_at", json!("yesterday")),
            ("properties", json!({ "colour": "red" })),
        ] {
            let mut faulty = whole.clone();
            faulty.insert(name.to_owned(), wrong);
            let error = from_line(&Value::Object(faulty).to_string()).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
