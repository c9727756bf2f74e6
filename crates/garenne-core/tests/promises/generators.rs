//! Values, properties and records of every kind.

use garenne_core::{FailReason, FailedMessage, Headers, Properties, Value};
use proptest::prelude::*;

use crate::samples::at_millis;

fn short_text() -> impl Strategy<Value = String> {
    "\\PC{0,40}"
}

fn optional_text() -> impl Strategy<Value = Option<String>> {
    prop::option::of(short_text())
}

/// A header value of any type; not a float that is not a number, which equals nothing.
fn value() -> impl Strategy<Value = Value> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let scalar = prop_oneof![
        Just(Value::Void),
        any::<bool>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        any::<u8>().prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        any::<u16>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<u32>().prop_map(Value::from),
        prop_oneof![any::<i64>(), -9_i64..9].prop_map(Value::from),
    ];
    let other = prop_oneof![
        prop::num::f32::ANY
            .prop_filter("NaN", |v| !v.is_nan())
            .prop_map(Value::from),
        prop::num::f64::ANY
            .prop_filter("NaN", |v| !v.is_nan())
            .prop_map(Value::from),
        any::<(u8, u32)>().prop_map(|(scale, value)| Value::Decimal { scale, value }),
        any::<u64>().prop_map(Value::Timestamp),
        prop_oneof![short_text(), "[\\x00-\\x1f$\"\\\\]{0,9}"].prop_map(Value::from),
        bytes().prop_map(Value::ByteArray),
        bytes()
            .prop_filter("UTF-8", |bytes| std::str::from_utf8(bytes).is_err())
            .prop_map(Value::LongString),
    ];
    prop_oneof![scalar, other].prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("(\\$?\\$?[a-z]{1,8}|\\$i64)", inner, 0..3)
                .prop_map(Value::from),
        ]
    })
}

/// Headers of a producer's, of any names but ours and the broker's.
pub(crate) fn headers() -> impl Strategy<Value = Headers> {
    prop::collection::btree_map("(h-[a-z]{1,8}|\\$[a-z0-9]{1,4}|CC|BCC)", value(), 0..6)
}

prop_compose! {
    pub(crate) fn properties()(
        texts in prop::array::uniform7(optional_text()),
        headers in headers(),
        priority in prop::option::of(any::<u8>()),
        expiration in prop::option::of("[0-9]{1,8}"),
        message_id in short_text(),
        timestamp in prop::option::of(any::<u64>()),
        user_id in optional_text(),
    ) -> Properties {
        let [content_type, content_encoding, correlation_id, reply_to, kind, app_id, cluster_id] = texts;
        Properties {
            content_type, content_encoding, headers, priority, correlation_id, reply_to, expiration,
            timestamp, kind, user_id, app_id, cluster_id,
            delivery_mode: Some(2),
            message_id: Some(message_id),
            unread: Vec::new(),
        }
    }
}

fn reason() -> impl Strategy<Value = FailReason> {
    use FailReason::{
        Deadline, DeliveryLimit, Exhausted, Panic, Permanent, Undecodable, Unrepeatable,
    };
    prop::sample::select(
        &[
            Deadline,
            DeliveryLimit,
            Exhausted,
            Panic,
            Permanent,
            Undecodable,
            Unrepeatable,
        ][..],
    )
}

prop_compose! {
    pub(crate) fn any_failed()(
        properties in properties(),
        names in prop::array::uniform6(short_text()),
        attempts in any::<u32>(),
        times in [0_u64..4_000_000_000_000, 0_u64..4_000_000_000_000],
        reason in reason(),
        error in short_text(),
        error_chain in prop::collection::vec(short_text(), 0..4),
    ) -> FailedMessage {
        let [queue, exchange, routing_key, host, service, version] = names;
        FailedMessage {
            message_id: properties.message_id.clone().unwrap_or_default(),
            body: b"{\"order_id\":7}".as_slice().into(),
            first_failed_at: at_millis(times[0]),
            last_failed_at: at_millis(times[1]),
            queue, exchange, routing_key, properties, attempts, reason, error, error_chain, host, service, version,
        }
    }
}
