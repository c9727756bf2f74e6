//! Values in field tables: how to read them, whether two tables agree, what to say if not.

use amq_protocol::types::{AMQPValue, FieldTable, ShortString};

use super::arguments::QueueKind;
use crate::exception::{Exception, erlang_binary, precondition_failed};

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
    // An untyped queue is a classic one, here and on a RabbitMQ 4 with its default settings.
    let classic = AMQPValue::LongString("classic".into());
    let default = Some(&classic).filter(|_| key == "x-queue-type");
    let ours = current.inner().get(key).or(default);
    let theirs = received.inner().get(key).or(default);
    let (received, current) = match (theirs, ours) {
        (None, None) => return Ok(()),
        (Some(theirs), Some(ours)) if same_value(theirs, ours) => return Ok(()),
        (Some(theirs), Some(ours)) => (quote(theirs), quote(ours)),
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

/// The same for a value that was not decoded.
pub(crate) fn type_name_of(kind: u8) -> &'static str {
    match kind {
        b't' => "bool",
        b'b' => "byte",
        b'B' => "unsignedbyte",
        b's' => "short",
        b'u' => "unsignedshort",
        b'I' => "signedint",
        b'i' => "unsignedint",
        b'l' | b'L' => "long",
        b'f' => "float",
        b'd' => "double",
        b'D' => "decimal",
        b'S' => "longstr",
        b'A' => "array",
        b'T' => "timestamp",
        b'F' => "table",
        b'x' => "binary",
        _ => "void",
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

/// A value in quotes; nothing is not quoted.
fn quote(value: &AMQPValue) -> String {
    match value {
        AMQPValue::Void => "none".to_owned(),
        value => format!("'{}'", value_text(value)),
    }
}

/// A value as a text shows it.
pub(crate) fn value_text(value: &AMQPValue) -> String {
    match value {
        AMQPValue::LongString(text) => text.to_string(),
        AMQPValue::ShortString(text) => text.to_string(),
        other => erlang_term(other),
    }
}

/// A value as Erlang prints it, because RabbitMQ's texts quote values so.
pub(crate) fn erlang_term(value: &AMQPValue) -> String {
    let typed = |value| format!("{},{}", type_name(value), erlang_term(value));
    match value {
        AMQPValue::Boolean(value) => value.to_string(),
        AMQPValue::Float(number) => erlang_float(f64::from(*number)),
        AMQPValue::Double(number) => erlang_float(*number),
        AMQPValue::DecimalValue(number) => format!("{{{},{}}}", number.scale, number.value),
        AMQPValue::ShortString(text) => erlang_binary(text.as_str().as_bytes()),
        AMQPValue::LongString(text) => erlang_binary(text.as_bytes()),
        AMQPValue::ByteArray(bytes) => erlang_binary(bytes.as_slice()),
        AMQPValue::Timestamp(seconds) => seconds.to_string(),
        AMQPValue::Void => "undefined".to_owned(),
        AMQPValue::FieldArray(values) => {
            let values = values.as_slice().iter();
            let values: Vec<String> = values
                .map(|value| format!("{{{}}}", typed(value)))
                .collect();
            format!("[{}]", values.join(","))
        }
        AMQPValue::FieldTable(table) => {
            let name = |name: &ShortString| erlang_binary(name.as_str().as_bytes());
            let fields: Vec<String> = table
                .into_iter()
                .map(|(key, value)| format!("{{{},{}}}", name(key), typed(value)))
                .collect();
            format!("[{}]", fields.join(","))
        }
        other => as_integer(other).map_or_else(String::new, |number| number.to_string()),
    }
}

/// Erlang always writes a point, and an exponent as soon as that is shorter.
fn erlang_float(number: f64) -> String {
    let text = format!("{number:?}");
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0e{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_printed_as_erlang_prints_them() {
        let mut table = FieldTable::default();
        table.insert("b".into(), AMQPValue::Boolean(true));
        let array = vec![
            AMQPValue::LongInt(1),
            AMQPValue::LongString("a".into()),
            AMQPValue::FieldTable(table),
        ];
        let array = AMQPValue::FieldArray(array.into());
        for (value, text) in [
            (AMQPValue::Double(100.0), "100.0"),
            (AMQPValue::Double(1e20), "1.0e20"),
            (AMQPValue::Double(1.5e-7), "1.5e-7"),
            (
                array,
                r#"[{signedint,1},{longstr,<<"a">>},{table,[{<<"b">>,bool,true}]}]"#,
            ),
            (AMQPValue::Void, "undefined"),
        ] {
            assert_eq!(erlang_term(&value), text);
        }
    }
}
