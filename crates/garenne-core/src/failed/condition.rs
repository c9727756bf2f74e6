//! A condition on a failed message, as operators write it: `error~timeout`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::FailedMessage;
use crate::secret::quoted;
use crate::unread::TextProperty;
use crate::value::{Headers, Value};

/// A condition on a failed message.
///
/// It is written as *field*, *test*, *value*, for example `reason=exhausted`, `error~timed out`,
/// `header.tenant=eu`, `attempts>=3`, `queue!=orders`. Blanks around the three parts do not count.
///
/// | field | meaning |
/// |---|---|
/// | `id` | the message id |
/// | `queue`, `exchange`, `routing-key` | where it failed, and how its producer sent it |
/// | `reason` | `exhausted`, `permanent`, `undecodable`, `panic`, `deadline`, `delivery-limit`, `unrepeatable`, `expired`, `maxlen`, `rejected`, `unknown` |
/// | `doubt` | why the record is in doubt; `doubt~` holds for records in doubt, `doubt!~` for the rest |
/// | `error` | the last error's text and the texts of its sources |
/// | `attempts` | how many attempts were made |
/// | `host`, `service`, `version` | where the last attempt was made |
/// | `type`, `content-type`, `app-id`, `correlation-id` | the property; bytes that are not UTF-8 as `\xe9` |
/// | `body` | the bytes, as text |
/// | `header.NAME` | the header `NAME`, as text; `header.a.b` is `b` in the table `a`, unless there is a header `a.b` |
///
/// | test | holds when the field |
/// |---|---|
/// | `=` | is the value |
/// | `!=` | is not the value, or is not there |
/// | `~` | contains the value; upper and lower case are the same |
/// | `!~` | does not contain it, or is not there |
/// | `<` `<=` `>` `>=` | is a number, and less or more than the value |
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The field of the message.
    pub field: Field,
    /// The comparison.
    pub test: Test,
    /// The value to compare the field with.
    pub value: String,
}

/// The part of a failed message that a [`Condition`] tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// `id`.
    Id,
    /// `queue`.
    Queue,
    /// `exchange`.
    Exchange,
    /// `routing-key`.
    RoutingKey,
    /// `reason`.
    Reason,
    /// `doubt`.
    Doubt,
    /// `error`.
    Error,
    /// `attempts`.
    Attempts,
    /// `host`.
    Host,
    /// `service`.
    Service,
    /// `version`.
    Version,
    /// `type`.
    Kind,
    /// `content-type`.
    ContentType,
    /// `app-id`.
    AppId,
    /// `correlation-id`.
    CorrelationId,
    /// `body`.
    Body,
    /// `header.NAME`.
    Header(String),
}

/// The comparison of a [`Condition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// `=`.
    Is,
    /// `!=`.
    IsNot,
    /// `~`.
    Contains,
    /// `!~`.
    ContainsNot,
    /// `<`.
    Less,
    /// `<=`.
    AtMost,
    /// `>`.
    More,
    /// `>=`.
    AtLeast,
}

/// The longer tests come first, because `<=` begins with `<`.
const TESTS: [(&str, Test); 8] = [
    ("!=", Test::IsNot),
    ("!~", Test::ContainsNot),
    ("<=", Test::AtMost),
    (">=", Test::AtLeast),
    ("=", Test::Is),
    ("~", Test::Contains),
    ("<", Test::Less),
    (">", Test::More),
];

const FIELDS: [(&str, Field); 16] = [
    ("id", Field::Id),
    ("queue", Field::Queue),
    ("exchange", Field::Exchange),
    ("routing-key", Field::RoutingKey),
    ("reason", Field::Reason),
    ("doubt", Field::Doubt),
    ("error", Field::Error),
    ("attempts", Field::Attempts),
    ("host", Field::Host),
    ("service", Field::Service),
    ("version", Field::Version),
    ("type", Field::Kind),
    ("content-type", Field::ContentType),
    ("app-id", Field::AppId),
    ("correlation-id", Field::CorrelationId),
    ("body", Field::Body),
];

const HEADER: &str = "header.";

impl Condition {
    /// Whether the condition holds for this message.
    #[must_use]
    pub fn holds(&self, failed: &FailedMessage) -> bool {
        let texts = self.field.texts(failed);
        let value = self.value.as_str();
        match self.test {
            Test::Is => texts.iter().any(|text| text == value),
            Test::IsNot => texts.iter().all(|text| text != value),
            Test::Contains => texts.iter().any(|text| contains(text, value)),
            Test::ContainsNot => !texts.iter().any(|text| contains(text, value)),
            Test::Less => compares(&texts, value, |a, b| a < b),
            Test::AtMost => compares(&texts, value, |a, b| a <= b),
            Test::More => compares(&texts, value, |a, b| a > b),
            Test::AtLeast => compares(&texts, value, |a, b| a >= b),
        }
    }
}

fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

fn compares(texts: &[String], value: &str, holds: fn(f64, f64) -> bool) -> bool {
    let Ok(value) = value.parse() else {
        return false;
    };
    let numbers = texts.iter().filter_map(|text| text.parse().ok());
    numbers.into_iter().any(|number| holds(number, value))
}

impl Field {
    /// The texts of the field: none, one, or, for an error, those of its sources too.
    fn texts(&self, failed: &FailedMessage) -> Vec<String> {
        let property = |property| {
            let text = failed.properties.readable_text(property);
            text.into_iter().map(Cow::into_owned).collect()
        };
        match self {
            Self::Id => vec![failed.message_id.clone()],
            Self::Queue => vec![failed.queue.clone()],
            Self::Exchange => vec![failed.exchange.clone()],
            Self::RoutingKey => vec![failed.routing_key.clone()],
            Self::Reason => vec![failed.reason.to_string()],
            Self::Doubt => failed.doubt().map(str::to_owned).into_iter().collect(),
            Self::Error => {
                let mut texts = vec![failed.error.clone()];
                texts.extend(failed.error_chain.iter().cloned());
                texts
            }
            Self::Attempts => vec![failed.attempts.to_string()],
            Self::Host => vec![failed.host.clone()],
            Self::Service => vec![failed.service.clone()],
            Self::Version => vec![failed.version.clone()],
            Self::Kind => property(TextProperty::Type),
            Self::ContentType => property(TextProperty::ContentType),
            Self::AppId => property(TextProperty::AppId),
            Self::CorrelationId => property(TextProperty::CorrelationId),
            Self::Body => vec![String::from_utf8_lossy(&failed.body).into_owned()],
            Self::Header(name) => header(&failed.properties.headers, name)
                .map(readable)
                .into_iter()
                .collect(),
        }
    }
}

/// A header by its name, or by the names of the tables around it.
fn header<'h>(headers: &'h Headers, name: &str) -> Option<&'h Value> {
    if let Some(value) = headers.get(name) {
        return Some(value);
    }
    let (table, rest) = name.split_once('.')?;
    match headers.get(table)? {
        Value::Table(inner) => header(inner, rest),
        _ => None,
    }
}

/// A header as a person would write it.
fn readable(value: &Value) -> String {
    match value {
        Value::Bool(v) => v.to_string(),
        Value::F32(v) => v.to_string(),
        Value::F64(v) => v.to_string(),
        Value::Text(text) => text.clone(),
        Value::LongString(bytes) | Value::ByteArray(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        Value::Timestamp(seconds) => seconds.to_string(),
        Value::Decimal { scale, value } => {
            let digits = format!("{value:0width$}", width = usize::from(*scale) + 1);
            let (whole, places) = digits.split_at(digits.len() - usize::from(*scale));
            if places.is_empty() {
                whole.to_owned()
            } else {
                format!("{whole}.{places}")
            }
        }
        Value::Void => String::new(),
        Value::Array(values) => {
            let texts: Vec<_> = values.iter().map(readable).collect();
            texts.join(",")
        }
        Value::Table(table) => {
            let texts: Vec<_> = table
                .iter()
                .map(|(name, value)| format!("{name}={}", readable(value)))
                .collect();
            texts.join(",")
        }
        integer => integer
            .as_integer()
            .map(|v| v.to_string())
            .unwrap_or_default(),
    }
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let wrong = || ConditionError(quoted(text));
        let at = text.find(['=', '~', '<', '>', '!']).ok_or_else(wrong)?;
        let (field, rest) = text.split_at(at);
        let (sign, test) = TESTS
            .into_iter()
            .find(|(sign, _)| rest.starts_with(sign))
            .ok_or_else(wrong)?;
        let field = field.trim();
        let field = match field.strip_prefix(HEADER) {
            Some(name) if !name.is_empty() => Field::Header(name.to_owned()),
            _ => FIELDS
                .into_iter()
                .find(|(name, _)| *name == field)
                .map(|(_, field)| field)
                .ok_or_else(wrong)?,
        };
        let value = rest[sign.len()..].trim().to_owned();
        let is_number = value.parse::<f64>().is_ok();
        let compares = matches!(test, Test::Less | Test::AtMost | Test::More | Test::AtLeast);
        if compares && !is_number {
            return Err(wrong());
        }
        Ok(Self { field, test, value })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = TESTS.iter().find(|(_, test)| *test == self.test);
        write!(
            f,
            "{}{}{}",
            self.field,
            sign.map_or("", |(sign, _)| *sign),
            self.value
        )
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "{HEADER}{name}"),
            other => {
                let named = FIELDS.iter().find(|(_, field)| field == other);
                f.write_str(named.map_or("", |(name, _)| *name))
            }
        }
    }
}

/// A text that is not a [`Condition`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionError(String);

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = FIELDS.map(|(name, _)| name).join(", ");
        write!(
            f,
            "{} is not a condition; write a field, a test and a value, such as `error~timeout`, \
             `reason=exhausted`, `header.tenant=eu`, `attempts>=3`; fields: {fields}, header.NAME; \
             tests: = != ~ !~ and, with a number, < <= > >=",
            self.0
        )
    }
}

impl std::error::Error for ConditionError {}
