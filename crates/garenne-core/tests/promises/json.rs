//! Properties and headers as JSON.

use garenne_core::json::{
    MAX_DEPTH, read_headers, read_properties, read_value, write_headers, write_properties,
    write_value,
};
use garenne_core::{Headers, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::generators::{headers, properties};

proptest! {
    #[test]
    fn properties_come_back_from_the_text_that_they_were_written_as(properties in properties()) {
        let text = Json::Object(write_properties(&properties).unwrap()).to_string();
        let json: Json = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read_properties(json.as_object().unwrap()).unwrap(), properties);
    }

    #[test]
    fn headers_of_every_type_and_name_come_back(headers in headers()) {
        prop_assert_eq!(read_headers(&write_headers(&headers).unwrap()).unwrap(), headers);
    }
}

#[test]
fn common_values_read_as_one_would_write_them() {
    let headers = Headers::from([
        ("tenant".into(), "acme".into()),
        ("tries".into(), 3_i32.into()),
        ("big".into(), 5_000_000_000_i64.into()),
        ("vip".into(), true.into()),
        ("none".into(), Value::Void),
        ("tags".into(), vec![Value::from("a"), 1_i64.into()].into()),
        (
            "$ref".into(),
            Headers::from([("$i64".into(), 7_i32.into())]).into(),
        ),
        (
            "price".into(),
            Value::Decimal {
                scale: 2,
                value: 199,
            },
        ),
        ("at".into(), Value::Timestamp(1_790_000_000)),
        ("ratio".into(), 0.1_f64.into()),
        ("raw".into(), Value::ByteArray(vec![0, 255])),
    ]);
    let expected = json!({
        "tenant": "acme", "tries": 3, "big": 5_000_000_000_i64, "vip": true, "none": null,
        "tags": ["a", {"$i64": 1}],
        "$$ref": {"$$i64": 7},
        "price": {"$decimal": [2, 199]},
        "at": {"$timestamp": 1_790_000_000},
        "ratio": {"$f64": "0.1"},
        "raw": {"$bytes": "AP8="},
    });
    assert_eq!(Json::Object(write_headers(&headers).unwrap()), expected);
    assert_eq!(
        read_headers(expected.as_object().unwrap()).unwrap(),
        headers
    );
}

#[test]
fn a_float_that_is_not_a_number_keeps_its_bits() {
    for bits in [0x7ff8_0000_0000_0000_u64, 0xfff0_0000_0000_0001] {
        let json = write_value(&Value::F64(f64::from_bits(bits))).unwrap();
        let Value::F64(back) = read_value(&json).unwrap() else {
            panic!("{json}");
        };
        assert_eq!(back.to_bits(), bits);
    }
    let json = write_value(&Value::F32(f32::from_bits(0x7fc0_0001))).unwrap();
    assert_eq!(json, json!({ "$f32": "0x7fc00001" }));
    assert!(matches!(read_value(&json), Ok(Value::F32(v)) if v.to_bits() == 0x7fc0_0001));
}

fn nested(levels: usize) -> Headers {
    let innermost = Value::from("x");
    let value = (0..levels).fold(innermost, |value, _| vec![value].into());
    Headers::from([("deep".into(), value)])
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let deepest = write_headers(&nested(MAX_DEPTH)).unwrap();
    let text = Json::Object(deepest).to_string();
    let read: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(
        read_headers(read.as_object().unwrap()).unwrap(),
        nested(MAX_DEPTH)
    );
    let error = write_headers(&nested(MAX_DEPTH + 1)).unwrap_err();
    assert_eq!(error.to_string(), "in `deep`: nested too deep");
}

#[test]
fn what_is_not_understood_is_said_and_not_dropped() {
    let cases = [
        (
            json!({"headers": {"a": {"$i8": 700}}}),
            "in `headers`: in `a`: in `$i8`: not a whole number in range",
        ),
        (
            json!({"headers": {"a": {"$u128": 7}}}),
            "in `headers`: in `a`: in `$u128`: an unknown type",
        ),
        (
            json!({"headers": {"a": 0.5}}),
            "in `headers`: in `a`: 0.5 is not a whole number of 64 bits; a fraction is {\"$f64\": \"0.5\"}",
        ),
        (
            json!({"headers": {"$a": 1, "b": 2}}),
            "in `headers`: `$a` stands beside other names; a header of that name is `$$a`",
        ),
        (json!({"headers": 7}), "in `headers`: not an object"),
        (
            json!({"priority": "high"}),
            "in `priority`: not a whole number in range",
        ),
        (json!({"content_type": 7}), "in `content_type`: not a text"),
        (
            json!({"colour": "red"}),
            "in `colour`: AMQP has no such property",
        ),
    ];
    for (json, expected) in cases {
        let error = read_properties(json.as_object().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
