//! Records of every kind.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use garenne::core::{
    FailReason, FailedMessage, Headers, Properties, TextProperty, Unread, UnreadPart, Value,
};
use proptest::prelude::*;

pub(crate) fn at_millis(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

/// A record to begin with.
pub(crate) fn record(id: &str) -> FailedMessage {
    FailedMessage {
        message_id: id.to_owned(),
        queue: "orders".to_owned(),
        exchange: "shop".to_owned(),
        routing_key: "order.placed".to_owned(),
        body: b"{\"order_id\":7}".as_slice().into(),
        properties: Properties {
            headers: Headers::from([("tenant".to_owned(), "acme".into())]),
            delivery_mode: Some(2),
            message_id: Some(id.to_owned()),
            ..Properties::default()
        },
        attempts: 4,
        first_failed_at: at_millis(1_790_000_000_123),
        last_failed_at: at_millis(1_790_000_060_456),
        reason: FailReason::Exhausted,
        error: "card declined".to_owned(),
        error_chain: vec!["gateway said no".to_owned(), "HTTP 402".to_owned()],
        host: "till-3".to_owned(),
        service: "order-service".to_owned(),
        version: "1.4.2".to_owned(),
    }
}

/// Texts with everything in them that a database may stumble over.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,40}", "[\\x00-\\x1f␛0'\"\\\\$%_]{0,12}"]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..60)
}

fn integer() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i8>().prop_map(Value::from),
        any::<u8>().prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        any::<u16>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<u32>().prop_map(Value::from),
        prop_oneof![any::<i64>(), -9_i64..9].prop_map(Value::from),
        any::<u64>().prop_map(Value::Timestamp),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        3 => integer(),
        1 => Just(Value::Void),
        1 => any::<bool>().prop_map(Value::from),
        1 => prop::num::f32::ANY.prop_filter("NaN", |v| !v.is_nan()).prop_map(Value::from),
        1 => prop::num::f64::ANY.prop_filter("NaN", |v| !v.is_nan()).prop_map(Value::from),
        1 => any::<(u8, u32)>().prop_map(|(scale, value)| Value::Decimal { scale, value }),
        2 => text().prop_map(Value::from),
        1 => bytes().prop_map(Value::ByteArray),
        1 => bytes()
            .prop_filter("UTF-8", |bytes| std::str::from_utf8(bytes).is_err())
            .prop_map(Value::LongString),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("(\\$?[a-z]{1,8}|a\\x00b|␛)", inner, 0..3)
                .prop_map(Value::from),
        ]
    })
}

/// A part of the properties that cannot be read: a text, or a header whose name is not UTF-8.
fn unread() -> impl Strategy<Value = Unread> {
    let text = prop::collection::vec(0x80..0xc0_u8, 1..20).prop_map(|bytes| Unread {
        part: UnreadPart::Property(TextProperty::ReplyTo),
        bytes,
    });
    let header = any::<u8>().prop_map(|byte| Unread {
        part: UnreadPart::Header,
        bytes: vec![1, 0xff, b'B', byte],
    });
    prop_oneof![text, header]
}

prop_compose! {
    fn properties()(
        texts in prop::array::uniform9(prop::option::of(text())),
        headers in prop::collection::btree_map("(h-[a-z]{1,8}|\\$[a-z0-9]{1,4}|CC|BCC)", value(), 0..6),
        octets in prop::array::uniform2(prop::option::of(any::<u8>())),
        expiration in prop::option::of("[0-9]{1,8}"),
        timestamp in prop::option::of(any::<u64>()),
        unread in prop::collection::vec(unread(), 0..3),
    ) -> Properties {
        let [content_type, content_encoding, correlation_id, reply_to, message_id, kind, user_id, app_id, cluster_id] = texts;
        let [delivery_mode, priority] = octets;
        Properties {
            content_type, content_encoding, headers, delivery_mode, priority, correlation_id, reply_to, expiration,
            message_id, timestamp, kind, user_id, app_id, cluster_id, unread,
        }
    }
}

prop_compose! {
    /// A record in which everything varies; no float in it is "not a number", which equals nothing.
    pub(crate) fn any_record()(
        properties in properties(),
        names in prop::array::uniform7(text()),
        body in prop_oneof![bytes(), prop::collection::vec(any::<u8>(), 0..20_000)],
        attempts in prop_oneof![1_u32..5, any::<u32>()],
        times in [0_u64..4_000_000_000_000, 0_u64..4_000_000_000_000],
        reason in prop::sample::select(vec![
            FailReason::Exhausted, FailReason::Permanent, FailReason::Undecodable, FailReason::Panic,
            FailReason::Deadline, FailReason::DeliveryLimit, FailReason::Unrepeatable,
        ]),
        error in text(),
        error_chain in prop::collection::vec(text(), 0..4),
    ) -> FailedMessage {
        let [message_id, queue, exchange, routing_key, host, service, version] = names;
        FailedMessage {
            body: body.into(),
            first_failed_at: at_millis(times[0]),
            last_failed_at: at_millis(times[1]),
            message_id, queue, exchange, routing_key, properties, attempts, reason, error, error_chain, host, service, version,
        }
    }
}
