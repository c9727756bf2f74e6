//! A failed message to begin with.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use garenne_core::{FailReason, FailedMessage, Headers, Properties, Value};

pub(crate) fn at_millis(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

pub(crate) fn failed() -> FailedMessage {
    FailedMessage {
        message_id: "m-1".into(),
        queue: "orders".into(),
        exchange: "shop".into(),
        routing_key: "order.placed".into(),
        body: b"{\"order_id\":7}".as_slice().into(),
        properties: Properties {
            headers: Headers::from([
                ("tenant".into(), "acme".into()),
                ("CC".into(), vec![Value::from("audit")].into()),
            ]),
            delivery_mode: Some(2),
            message_id: Some("m-1".into()),
            expiration: Some("60000".into()),
            ..Properties::default()
        },
        attempts: 4,
        first_failed_at: at_millis(1_790_000_000_123),
        last_failed_at: at_millis(1_790_000_060_456),
        reason: FailReason::Exhausted,
        error: "card declined".into(),
        error_chain: vec!["gateway said no".into(), "HTTP 402".into()],
        host: "till-3".into(),
        service: "order-service".into(),
        version: "1.4.2".into(),
    }
}

pub(crate) fn read_back(parked: &Properties) -> FailedMessage {
    let body = b"{\"order_id\":7}".as_slice();
    FailedMessage::from_parked(None, "", "orders.failed", parked, body)
}

/// An entry of `x-death`, as the broker writes it.
pub(crate) fn death(queue: &str, reason: &str, exchange: &str, key: &str) -> Value {
    Value::from(Headers::from([
        ("queue".into(), queue.into()),
        ("reason".into(), reason.into()),
        ("exchange".into(), exchange.into()),
        ("routing-keys".into(), vec![Value::from(key)].into()),
        ("time".into(), Value::Timestamp(1_790_000_000)),
        ("count".into(), 1_i64.into()),
    ]))
}

/// A copy as it comes out of its lane of `orders`.
pub(crate) fn out_of_lane(mut copy: Properties) -> Properties {
    let lane = "orders.retry.20s";
    let deaths = vec![death(lane, "expired", "", lane)];
    copy.headers.insert("x-death".into(), deaths.into());
    copy
}
