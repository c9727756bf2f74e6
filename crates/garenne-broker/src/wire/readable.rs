//! Properties as the codec's types, for the eyes of tests and for exchanges that compare headers.
//!
//! The codec's types hold UTF-8 and are dropped by recursion. So what is not UTF-8 is replaced, what
//! nests too deep is shown as bytes, and whoever needs to know is told.

use std::borrow::Cow;

use amq_protocol::protocol::BasicProperties;
use amq_protocol::types::{AMQPValue, DecimalValue, FieldTable, ShortString};

use super::depth::MAX_DEPTH;
use super::field::{Table, Value};
use super::properties::{
    APP_ID, CLUSTER_ID, CONTENT_ENCODING, CONTENT_TYPE, CORRELATION_ID, EXPIRATION, MESSAGE_ID,
    Properties, REPLY_TO, TYPE, USER_ID,
};
use crate::exception::short;

impl Properties {
    /// The properties as text and values, as far as that goes.
    pub(crate) fn readable(&self) -> BasicProperties {
        let mut reader = Reader { exact: true };
        let mut all = BasicProperties::default();
        if let Some(headers) = self.headers() {
            all = all.with_headers(reader.table(headers, 0));
        }
        macro_rules! texts {
            ($($at:ident => $with:ident),* $(,)?) => {$(
                if let Some(text) = self.text($at) {
                    all = all.$with(reader.text(text));
                }
            )*};
        }
        texts! {
            CONTENT_TYPE => with_content_type,
            CONTENT_ENCODING => with_content_encoding,
            CORRELATION_ID => with_correlation_id,
            REPLY_TO => with_reply_to,
            EXPIRATION => with_expiration,
            MESSAGE_ID => with_message_id,
            TYPE => with_type,
            USER_ID => with_user_id,
            APP_ID => with_app_id,
            CLUSTER_ID => with_cluster_id,
        }
        if let Some(mode) = self.delivery_mode() {
            all = all.with_delivery_mode(mode);
        }
        if let Some(priority) = self.priority() {
            all = all.with_priority(priority);
        }
        if let Some(timestamp) = self.timestamp() {
            all = all.with_timestamp(timestamp);
        }
        all
    }
}

impl Value<'_> {
    /// The value, if nothing of it has to be replaced.
    pub(crate) fn exact(self) -> Option<AMQPValue> {
        let mut reader = Reader { exact: true };
        let value = reader.value(self, 0);
        reader.exact.then_some(value)
    }
}

struct Reader {
    /// Whether nothing was replaced so far.
    exact: bool,
}

impl Reader {
    fn text(&mut self, bytes: &[u8]) -> ShortString {
        let text = String::from_utf8_lossy(bytes);
        self.exact &= matches!(text, Cow::Borrowed(_));
        // What replaces a byte takes three of the 255 that the codec allows.
        ShortString::from(short(&text))
    }

    fn table(&mut self, table: Table<'_>, depth: usize) -> FieldTable {
        let mut read = FieldTable::default();
        for (name, value) in table {
            read.insert(self.text(name), self.value(value, depth));
        }
        read
    }

    fn value(&mut self, value: Value<'_>, depth: usize) -> AMQPValue {
        let bytes = value.payload;
        match value.kind {
            b'F' | b'A' if depth >= MAX_DEPTH => {
                self.exact = false;
                AMQPValue::ByteArray(bytes.to_vec().into())
            }
            b'F' => AMQPValue::FieldTable(self.table(value.entries(), depth + 1)),
            b'A' => {
                let elements = value.elements();
                let values: Vec<_> = elements.map(|one| self.value(one, depth + 1)).collect();
                AMQPValue::FieldArray(values.into())
            }
            b'S' => AMQPValue::LongString(bytes.to_vec().into()),
            b'x' => AMQPValue::ByteArray(bytes.to_vec().into()),
            b't' => AMQPValue::Boolean(value.number() != [0]),
            b'b' => AMQPValue::ShortShortInt(i8::from_be_bytes(value.number())),
            b'B' => AMQPValue::ShortShortUInt(u8::from_be_bytes(value.number())),
            b's' => AMQPValue::ShortInt(i16::from_be_bytes(value.number())),
            b'u' => AMQPValue::ShortUInt(u16::from_be_bytes(value.number())),
            b'I' => AMQPValue::LongInt(i32::from_be_bytes(value.number())),
            b'i' => AMQPValue::LongUInt(u32::from_be_bytes(value.number())),
            b'l' | b'L' => AMQPValue::LongLongInt(i64::from_be_bytes(value.number())),
            b'f' => AMQPValue::Float(f32::from_be_bytes(value.number())),
            b'd' => AMQPValue::Double(f64::from_be_bytes(value.number())),
            b'D' => {
                let [scale, a, b, c, d] = value.number();
                let value = u32::from_be_bytes([a, b, c, d]);
                AMQPValue::DecimalValue(DecimalValue { scale, value })
            }
            b'T' => AMQPValue::Timestamp(u64::from_be_bytes(value.number())),
            // Void, and nothing else: other types were refused when the message came.
            _ => AMQPValue::Void,
        }
    }
}
