//! From the broker's values to those of the framework.

use garenne::core::{Headers, Properties, Value};
use garenne_broker::BasicProperties;
use garenne_broker::types::{AMQPValue, FieldTable, ShortString};

pub(crate) fn properties(wire: &BasicProperties) -> Properties {
    let text = |text: &Option<ShortString>| text.as_ref().map(|text| text.as_str().to_owned());
    Properties {
        content_type: text(wire.content_type()),
        content_encoding: text(wire.content_encoding()),
        headers: wire.headers().as_ref().map(headers).unwrap_or_default(),
        delivery_mode: *wire.delivery_mode(),
        priority: *wire.priority(),
        correlation_id: text(wire.correlation_id()),
        reply_to: text(wire.reply_to()),
        expiration: text(wire.expiration()),
        message_id: text(wire.message_id()),
        timestamp: *wire.timestamp(),
        kind: text(wire.kind()),
        user_id: text(wire.user_id()),
        app_id: text(wire.app_id()),
        cluster_id: text(wire.cluster_id()),
        unread: Vec::new(),
    }
}

fn headers(table: &FieldTable) -> Headers {
    let entries = table.inner().iter();
    entries
        .map(|(name, value)| (name.as_str().to_owned(), from_wire(value)))
        .collect()
}

fn from_wire(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(v) => Value::Bool(*v),
        AMQPValue::ShortShortInt(v) => Value::I8(*v),
        AMQPValue::ShortShortUInt(v) => Value::U8(*v),
        AMQPValue::ShortInt(v) => Value::I16(*v),
        AMQPValue::ShortUInt(v) => Value::U16(*v),
        AMQPValue::LongInt(v) => Value::I32(*v),
        AMQPValue::LongUInt(v) => Value::U32(*v),
        AMQPValue::LongLongInt(v) => Value::I64(*v),
        AMQPValue::Float(v) => Value::F32(*v),
        AMQPValue::Double(v) => Value::F64(*v),
        AMQPValue::DecimalValue(v) => Value::Decimal {
            scale: v.scale,
            value: v.value,
        },
        AMQPValue::ShortString(v) => Value::Text(v.as_str().to_owned()),
        AMQPValue::LongString(v) => match std::str::from_utf8(v.as_bytes()) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::LongString(v.as_bytes().to_vec()),
        },
        AMQPValue::FieldArray(v) => Value::Array(v.as_slice().iter().map(from_wire).collect()),
        AMQPValue::Timestamp(v) => Value::Timestamp(*v),
        AMQPValue::FieldTable(v) => Value::Table(headers(v)),
        AMQPValue::ByteArray(v) => Value::ByteArray(v.as_slice().to_vec()),
        AMQPValue::Void => Value::Void,
    }
}
