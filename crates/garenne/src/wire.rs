//! Between the core's values and the client's: both directions, nothing lost.

use garenne_core::{Headers, Properties, Value};
use lapin::BasicProperties;
use lapin::types::{
    AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable, LongString, ShortString,
};

/// The most bytes an AMQP short string holds (AMQP 0-9-1, section 4.2.5.3).
pub(crate) const SHORT_STRING_MAX: usize = 255;

/// A short string; what does not fit is cut at a character's border, never a panic.
pub(crate) fn short(text: &str) -> ShortString {
    let mut end = text.len().min(SHORT_STRING_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    ShortString::try_new(&text[..end]).unwrap_or_default()
}

pub(crate) fn table(headers: &Headers) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert(short(name), to_wire(value));
    }
    table
}

pub(crate) fn headers(table: &FieldTable) -> Headers {
    table
        .inner()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), from_wire(value)))
        .collect()
}

pub(crate) fn from_wire(value: &AMQPValue) -> Value {
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

pub(crate) fn properties(wire: &BasicProperties) -> Properties {
    let text = |s: &Option<ShortString>| s.as_ref().map(|s| s.as_str().to_owned());
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

pub(crate) fn basic_properties(core: &Properties) -> BasicProperties {
    type Setter<T> = fn(BasicProperties, T) -> BasicProperties;
    let texts: [(&Option<String>, Setter<ShortString>); 10] = [
        (&core.content_type, BasicProperties::with_content_type),
        (
            &core.content_encoding,
            BasicProperties::with_content_encoding,
        ),
        (&core.correlation_id, BasicProperties::with_correlation_id),
        (&core.reply_to, BasicProperties::with_reply_to),
        (&core.expiration, BasicProperties::with_expiration),
        (&core.message_id, BasicProperties::with_message_id),
        (&core.kind, BasicProperties::with_type),
        (&core.user_id, BasicProperties::with_user_id),
        (&core.app_id, BasicProperties::with_app_id),
        (&core.cluster_id, BasicProperties::with_cluster_id),
    ];
    let mut wire = BasicProperties::default();
    for (value, set) in texts {
        if let Some(value) = value {
            wire = set(wire, short(value));
        }
    }
    if !core.headers.is_empty() {
        wire = wire.with_headers(table(&core.headers));
    }
    if let Some(mode) = core.delivery_mode {
        wire = wire.with_delivery_mode(mode);
    }
    if let Some(priority) = core.priority {
        wire = wire.with_priority(priority);
    }
    if let Some(timestamp) = core.timestamp {
        wire = wire.with_timestamp(timestamp);
    }
    wire
}
