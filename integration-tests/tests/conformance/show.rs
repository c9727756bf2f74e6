//! What was seen, as text that is the same for the same behaviour.

use amq_protocol::protocol::{AMQPClass, BasicProperties, basic, channel, connection, queue};
use amq_protocol::types::{AMQPValue, FieldTable};
use lapin::message::Delivery;

use super::raw;
use super::wire::Heard;

/// A message as a consumer sees it.
pub(crate) fn delivery(delivery: &Delivery) -> String {
    let again = if delivery.redelivered {
        " redelivered"
    } else {
        ""
    };
    format!(
        "{} from '{}' '{}'{again}{}",
        body(&delivery.data),
        delivery.exchange,
        delivery.routing_key,
        properties(&delivery.properties)
    )
}

/// A body; a long one is told by its length and a checksum.
pub(crate) fn body(body: &[u8]) -> String {
    match std::str::from_utf8(body) {
        Ok(text) if text.len() <= 80 => format!("\"{text}\""),
        _ => {
            let sum = body.iter().fold(7_u32, |sum, byte| {
                sum.wrapping_mul(31).wrapping_add(u32::from(*byte))
            });
            format!("{} bytes (sum {sum:08x})", body.len())
        }
    }
}

/// The properties that are set, headers last.
pub(crate) fn properties(properties: &BasicProperties) -> String {
    let mut text = String::new();
    macro_rules! add {
        ($($get:ident),* $(,)?) => {$(
            if let Some(value) = properties.$get() {
                text += &format!(" {}={value}", stringify!($get));
            }
        )*};
    }
    add!(
        content_type,
        content_encoding,
        delivery_mode,
        priority,
        correlation_id,
        reply_to,
        expiration,
        message_id,
        timestamp,
        kind,
        user_id,
        app_id,
        cluster_id,
    );
    match properties.headers() {
        Some(headers) => format!("{text} {}", table(headers)),
        None => text,
    }
}

pub(crate) fn table(table: &FieldTable) -> String {
    let field = |(name, field): (&_, &_)| format!("{name}: {}", value(field));
    let fields: Vec<String> = table.inner().iter().map(field).collect();
    format!("{{{}}}", fields.join(", "))
}

/// A value with its type, as far as it cannot be told from the value.
pub(crate) fn value(value: &AMQPValue) -> String {
    match value {
        AMQPValue::Boolean(v) => v.to_string(),
        AMQPValue::ShortShortInt(v) => format!("{v}i8"),
        AMQPValue::ShortShortUInt(v) => format!("{v}u8"),
        AMQPValue::ShortInt(v) => format!("{v}i16"),
        AMQPValue::ShortUInt(v) => format!("{v}u16"),
        AMQPValue::LongInt(v) => format!("{v}i32"),
        AMQPValue::LongUInt(v) => format!("{v}u32"),
        AMQPValue::LongLongInt(v) => format!("{v}i64"),
        AMQPValue::Float(v) => format!("{v}f32"),
        AMQPValue::Double(v) => format!("{v}f64"),
        AMQPValue::DecimalValue(v) => format!("{}e-{}", v.value, v.scale),
        AMQPValue::ShortString(v) => format!("short \"{v}\""),
        AMQPValue::LongString(v) => body(v.as_bytes()),
        AMQPValue::FieldArray(values) => {
            let values: Vec<String> = values.as_slice().iter().map(self::value).collect();
            format!("[{}]", values.join(", "))
        }
        // Whatever the broker stamps with is today; what clients stamp with is long ago.
        AMQPValue::Timestamp(v) if *v > 1_700_000_000 => "now".to_owned(),
        AMQPValue::Timestamp(v) => format!("time {v}"),
        AMQPValue::FieldTable(fields) => table(fields),
        AMQPValue::ByteArray(v) => format!("bytes {}", hex(v.as_slice())),
        AMQPValue::Void => "void".to_owned(),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The outcome of a call.
pub(crate) fn outcome<T>(result: &lapin::Result<T>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(failure) => error(failure),
    }
}

pub(crate) fn error(error: &lapin::Error) -> String {
    match error.kind() {
        lapin::ErrorKind::ProtocolError(error) => {
            format!("{} {}", error.get_id(), error.get_message())
        }
        other => format!("{other:?}"),
    }
}

/// Some frames in a row.
pub(crate) fn all(heard: &[Heard]) -> String {
    match heard {
        [] => "nothing".to_owned(),
        some => some.iter().map(self::heard).collect::<Vec<_>>().join(", "),
    }
}

pub(crate) fn heard(heard: &Heard) -> String {
    match heard {
        Heard::Method(_, method) => self::method(method),
        Heard::Header(_, size, read, bytes) => {
            let properties = match read {
                Some(read) => properties(read),
                None => raw::properties(bytes),
            };
            format!("header of {size} bytes{properties}")
        }
        Heard::Body(_, body) => format!("body {}", self::body(body)),
        Heard::Heartbeat => "heartbeat".to_owned(),
        Heard::End => "end of stream".to_owned(),
    }
}

/// The methods that brokers send, with what they carry.
pub(crate) fn method(method: &AMQPClass) -> String {
    use basic::AMQPMethod as Basic;
    use channel::AMQPMethod as Channel;
    use connection::AMQPMethod as Connection;
    match method {
        AMQPClass::Connection(Connection::Close(close)) => format!(
            "connection.close {} {} ({}, {})",
            close.reply_code, close.reply_text, close.class_id, close.method_id
        ),
        AMQPClass::Channel(Channel::Close(close)) => format!(
            "channel.close {} {} ({}, {})",
            close.reply_code, close.reply_text, close.class_id, close.method_id
        ),
        AMQPClass::Queue(queue::AMQPMethod::DeclareOk(ok)) => format!(
            "declare-ok {} with {} messages, {} consumers",
            ok.queue, ok.message_count, ok.consumer_count
        ),
        AMQPClass::Basic(Basic::Return(back)) => format!(
            "return {} {} '{}' '{}'",
            back.reply_code, back.reply_text, back.exchange, back.routing_key
        ),
        AMQPClass::Basic(Basic::Deliver(deliver)) => format!(
            "deliver {} to {} '{}' '{}'{}",
            deliver.delivery_tag,
            deliver.consumer_tag,
            deliver.exchange,
            deliver.routing_key,
            if deliver.redelivered {
                " redelivered"
            } else {
                ""
            }
        ),
        AMQPClass::Basic(Basic::GetOk(ok)) => format!(
            "get-ok {} '{}' '{}'{} and {} more",
            ok.delivery_tag,
            ok.exchange,
            ok.routing_key,
            if ok.redelivered { " redelivered" } else { "" },
            ok.message_count
        ),
        other => plain(&format!("{other:?}")),
    }
}

/// `Queue(DeleteOk(DeleteOk { message_count: 3 }))` as `Queue.DeleteOk { message_count: 3 }`.
fn plain(debug: &str) -> String {
    let mut parts = debug.splitn(3, '(');
    let (class, _) = (parts.next().unwrap_or_default(), parts.next());
    let rest = parts.next().unwrap_or_default().trim_end_matches(')');
    let rest = rest.replace("ShortString(", "").replace("\")", "\"");
    format!("{class}.{rest}")
}
