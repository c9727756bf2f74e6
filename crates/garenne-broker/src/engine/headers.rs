//! How a headers exchange compares.

use amq_protocol::types::{AMQPValue, FieldTable, ShortString};

use super::values::{as_integer, string};
use crate::wire::Table;

/// Whether a message with these headers is for a binding with these arguments.
pub(super) fn headers_match(wanted: &FieldTable, headers: Option<Table<'_>>) -> bool {
    let mode = string(wanted, "x-match");
    let (any, with_x) = match mode.as_deref() {
        Some("any") => (true, false),
        Some("any-with-x") => (true, true),
        Some("all-with-x") => (false, true),
        _ => (false, false),
    };
    let mut conditions = wanted.into_iter().filter(|(key, _)| {
        key.as_str() != "x-match" && (with_x || !key.as_str().starts_with("x-"))
    });
    let holds = |(key, value): (&_, &AMQPValue)| {
        let key: &ShortString = key;
        let header = headers.and_then(|headers| headers.last_of(key.as_str()));
        match header {
            None => false,
            Some(_) if *value == AMQPValue::Void => true,
            // What is not readable is equal to nothing: no binding has such an argument.
            Some(header) => header
                .exact()
                .is_some_and(|header| header_equals(&header, value)),
        }
    };
    if any {
        conditions.any(holds)
    } else {
        conditions.all(holds)
    }
}

/// Whether a message's header has the value of a binding's argument, as RabbitMQ 4 compares them:
/// by value within numbers and within bytes, and a header's time, but no binding's, in milliseconds.
fn header_equals(header: &AMQPValue, wanted: &AMQPValue) -> bool {
    let whole = |value: &AMQPValue, unit: i128| match *value {
        AMQPValue::Timestamp(seconds) => Some(i128::from(seconds) * unit),
        ref other => as_integer(other),
    };
    let real = |value: &AMQPValue| match *value {
        AMQPValue::Float(number) => Some(f64::from(number)),
        AMQPValue::Double(number) => Some(number),
        _ => None,
    };
    if let (Some(left), Some(right)) = (whole(header, 1000), whole(wanted, 1)) {
        return left == right;
    }
    if let (Some(left), Some(right)) = (real(header), real(wanted)) {
        return left.total_cmp(&right).is_eq();
    }
    match (bytes(header), bytes(wanted)) {
        (Some(left), Some(right)) => left == right,
        _ => header == wanted,
    }
}

fn bytes(value: &AMQPValue) -> Option<&[u8]> {
    match value {
        AMQPValue::LongString(text) => Some(text.as_bytes()),
        AMQPValue::ByteArray(bytes) => Some(bytes.as_slice()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use amq_protocol::protocol::BasicProperties;

    use super::*;
    use crate::wire::{Properties, encode_properties};

    #[test]
    fn headers_match_all_any_and_presence() {
        let table = |pairs: &[(&str, AMQPValue)]| {
            let mut table = FieldTable::default();
            for (key, value) in pairs {
                table.insert((*key).into(), value.clone());
            }
            table
        };
        let text = |text: &str| AMQPValue::LongString(text.into());
        let headers = BasicProperties::default().with_headers(table(&[
            ("a", text("1")),
            ("n", AMQPValue::LongInt(5)),
            ("x-k", text("v")),
        ]));
        let headers = Properties::read(encode_properties(&headers)).expect("they are valid");
        let headers = headers.headers();
        let all = table(&[("a", text("1")), ("n", AMQPValue::LongLongInt(5))]);
        assert!(headers_match(&all, headers));
        let any = table(&[
            ("x-match", text("any")),
            ("a", text("2")),
            ("n", AMQPValue::Void),
        ]);
        assert!(headers_match(&any, headers));
        let x = table(&[("x-match", text("all")), ("x-k", text("other"))]);
        assert!(headers_match(&x, headers), "x- headers do not count");
        let x = table(&[("x-match", text("all-with-x")), ("x-k", text("other"))]);
        assert!(!headers_match(&x, headers));
        assert!(!headers_match(
            &table(&[("missing", AMQPValue::Void)]),
            headers
        ));
    }

    #[test]
    fn headers_are_compared_by_value_within_numbers_and_within_bytes() {
        let text = AMQPValue::LongString("1".into());
        let bytes = AMQPValue::ByteArray(b"1".to_vec().into());
        for (header, wanted, expected) in [
            (AMQPValue::LongInt(1), AMQPValue::ShortShortUInt(1), true),
            (AMQPValue::LongInt(1), AMQPValue::Double(1.0), false),
            (AMQPValue::Float(1.0), AMQPValue::Double(1.0), true),
            (text.clone(), bytes.clone(), true),
            (bytes, text.clone(), true),
            (text, AMQPValue::LongInt(1), false),
            (AMQPValue::LongInt(1), AMQPValue::Timestamp(1), true),
            (AMQPValue::Timestamp(1), AMQPValue::Timestamp(1), false),
            (AMQPValue::Timestamp(1), AMQPValue::LongInt(1000), true),
            (AMQPValue::Boolean(true), AMQPValue::Boolean(true), true),
        ] {
            assert_eq!(
                header_equals(&header, &wanted),
                expected,
                "{header:?} {wanted:?}"
            );
        }
    }
}
