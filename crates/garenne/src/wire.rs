//! The core's values in the client's types, for the arguments of declares.

pub(crate) use garenne_core::wire::SHORT_STRING_MAX;
use garenne_core::{Headers, Value};
use lapin::types::{
    AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable, LongString, ShortString,
};

/// The part of a text that fits into a short string, cut at a character's border.
pub(crate) fn cut(text: &str) -> &str {
    let mut end = text.len().min(SHORT_STRING_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A short string; a longer text is cut, never a panic.
pub(crate) fn short(text: &str) -> ShortString {
    ShortString::try_new(cut(text)).unwrap_or_default()
}

pub(crate) fn table(headers: &Headers) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert(short(name), to_wire(value));
    }
    table
}

fn to_wire(value: &Value) -> AMQPValue {
    match value {
        Value::Bool(v) => AMQPValue::Boolean(*v),
        Value::I8(v) => AMQPValue::ShortShortInt(*v),
        Value::U8(v) => AMQPValue::ShortShortUInt(*v),
        Value::I16(v) => AMQPValue::ShortInt(*v),
        Value::U16(v) => AMQPValue::ShortUInt(*v),
        Value::I32(v) => AMQPValue::LongInt(*v),
        Value::U32(v) => AMQPValue::LongUInt(*v),
        Value::I64(v) => AMQPValue::LongLongInt(*v),
        Value::F32(v) => AMQPValue::Float(*v),
        Value::F64(v) => AMQPValue::Double(*v),
        Value::Decimal { scale, value } => AMQPValue::DecimalValue(DecimalValue {
            scale: *scale,
            value: *value,
        }),
        Value::Text(v) => AMQPValue::LongString(LongString::from(v.as_str())),
        Value::LongString(v) => AMQPValue::LongString(LongString::from(v.clone())),
        Value::ByteArray(v) => AMQPValue::ByteArray(ByteArray::from(v.clone())),
        Value::Array(v) => {
            AMQPValue::FieldArray(FieldArray::from(v.iter().map(to_wire).collect::<Vec<_>>()))
        }
        Value::Timestamp(v) => AMQPValue::Timestamp(*v),
        Value::Table(v) => AMQPValue::FieldTable(table(v)),
        Value::Void => AMQPValue::Void,
    }
}
