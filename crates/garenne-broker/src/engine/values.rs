//! Values in field tables: how to read them, whether two tables agree, what to say if not.

use amq_protocol::types::{AMQPValue, FieldTable};

use super::arguments::QueueKind;
use crate::exception::{Exception, precondition_failed};

/// Fails when a queue that exists was declared with other arguments than these.
pub(crate) fn assert_equivalent(
    resource: &str,
    current: &FieldTable,
    received: &FieldTable,
) -> Result<(), Exception> {
    for key in QueueKind::of(current).arguments() {
        assert_same(resource, key, current, received)?;
    }
    Ok(())
}

/// Fails when the two tables differ in `key`, with RabbitMQ's words.
pub(crate) fn assert_same(
    resource: &str,
    key: &str,
    current: &FieldTable,
    received: &FieldTable,
) -> Result<(), Exception> {
    let (ours, theirs) = (current.inner().get(key), received.inner().get(key));
    let (received, current) = match (theirs, ours) {
        (None, None) => return Ok(()),
        (Some(theirs), Some(ours)) if same_value(theirs, ours) => return Ok(()),
        // An untyped queue is a classic one, here and on a RabbitMQ 4 with its default settings.
        (Some(only), None) | (None, Some(only)) if key == "x-queue-type" && is_classic(only) => {
            return Ok(());
        }
        (Some(theirs), Some(ours)) => (
            format!("'{}'", value_text(theirs)),
            format!("'{}'", value_text(ours)),
        ),
        (theirs, ours) => (describe(theirs), describe(ours)),
    };
    Err(inequivalent(key, resource, &received, &current))
}

/// RabbitMQ's 406 about a redeclaration.
pub(crate) fn inequivalent(key: &str, resource: &str, received: &str, current: &str) -> Exception {
    precondition_failed(format!(
        "inequivalent arg '{key}' for {resource}: received {received} but current is {current}"
    ))
}

/// The name of a value's type in RabbitMQ's texts.
pub(crate) fn type_name(value: &AMQPValue) -> &'static str {
    match value {
        AMQPValue::Boolean(_) => "bool",
        AMQPValue::ShortShortInt(_) => "byte",
        AMQPValue::ShortShortUInt(_) => "unsignedbyte",
        AMQPValue::ShortInt(_) => "short",
        AMQPValue::ShortUInt(_) => "unsignedshort",
        AMQPValue::LongInt(_) => "signedint",
        AMQPValue::LongUInt(_) => "unsignedint",
        AMQPValue::LongLongInt(_) => "long",
        AMQPValue::Float(_) => "float",
        AMQPValue::Double(_) => "double",
        AMQPValue::DecimalValue(_) => "decimal",
        AMQPValue::ShortString(_) => "shortstr",
        AMQPValue::LongString(_) => "longstr",
        AMQPValue::FieldArray(_) => "array",
        AMQPValue::Timestamp(_) => "timestamp",
        AMQPValue::FieldTable(_) => "table",
        AMQPValue::ByteArray(_) => "binary",
        AMQPValue::Void => "void",
    }
}

/// A value that is a whole number of any width.
pub(crate) fn as_integer(value: &AMQPValue) -> Option<i128> {
    match *value {
        AMQPValue::ShortShortInt(number) => Some(number.into()),
        AMQPValue::ShortShortUInt(number) => Some(number.into()),
        AMQPValue::ShortInt(number) => Some(number.into()),
        AMQPValue::ShortUInt(number) => Some(number.into()),
        AMQPValue::LongInt(number) => Some(number.into()),
        AMQPValue::LongUInt(number) => Some(number.into()),
        AMQPValue::LongLongInt(number) => Some(number.into()),
        _ => None,
    }
}

pub(crate) fn integer(arguments: &FieldTable, key: &str) -> Option<i128> {
    arguments.inner().get(key).and_then(as_integer)
}

pub(crate) fn string(arguments: &FieldTable, key: &str) -> Option<String> {
    match arguments.inner().get(key) {
        Some(AMQPValue::LongString(text)) => Some(text.to_string()),
        Some(AMQPValue::ShortString(text)) => Some(text.to_string()),
        _ => None,
    }
}

fn same_value(left: &AMQPValue, right: &AMQPValue) -> bool {
    match (as_integer(left), as_integer(right)) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

fn is_classic(value: &AMQPValue) -> bool {
    matches!(value, AMQPValue::LongString(text) if text.as_bytes() == b"classic")
}

fn describe(value: Option<&AMQPValue>) -> String {
    match value {
        Some(value) => {
            format!(
                "the value '{}' of type '{}'",
                value_text(value),
                type_name(value)
            )
        }
        None => "none".to_owned(),
    }
}

/// A value as a text shows it.
pub(crate) fn value_text(value: &AMQPValue) -> String {
    match value {
        AMQPValue::LongString(text) => text.to_string(),
        AMQPValue::ShortString(text) => text.to_string(),
        AMQPValue::Boolean(value) => value.to_string(),
        other => {
            as_integer(other).map_or_else(|| format!("{other:?}"), |number| number.to_string())
        }
    }
}
