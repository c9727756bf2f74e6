//! Messages that the broker itself has parked.

use std::time::UNIX_EPOCH;

use garenne_core::{FailReason, FailedMessage, Headers, Properties, Value, header};

use crate::samples::{at_millis, read_back};

/// What RabbitMQ writes when it dead-letters at the delivery limit: here, a message that had been
/// in a lane before.
fn parked_by_the_broker() -> Properties {
    let death = |queue: &str, reason: &str, key: &str| {
        Value::from(Headers::from([
            ("queue".into(), queue.into()),
            ("reason".into(), reason.into()),
            ("exchange".into(), "shop".into()),
            ("routing-keys".into(), vec![Value::from(key)].into()),
            ("time".into(), Value::Timestamp(1_790_000_000)),
            ("count".into(), 1_i64.into()),
            ("original-expiration".into(), "60000".into()),
        ]))
    };
    let deaths = vec![
        death("orders", "delivery_limit", "order.placed"),
        death("orders.retry.20s", "expired", "orders.retry.20s"),
    ];
    Properties {
        headers: Headers::from([
            ("x-death".into(), deaths.into()),
            ("x-first-death-queue".into(), "orders.retry.20s".into()),
            ("x-first-death-reason".into(), "expired".into()),
            ("tenant".into(), "acme".into()),
        ]),
        message_id: Some("m-1".into()),
        ..Properties::default()
    }
}

#[test]
fn a_message_that_the_broker_parked_is_read_from_its_deaths() {
    let failed = read_back(&parked_by_the_broker());
    assert_eq!(failed.reason, FailReason::DeliveryLimit);
    assert_eq!(failed.queue, "orders");
    assert_eq!(
        (&*failed.exchange, &*failed.routing_key),
        ("shop", "order.placed")
    );
    assert_eq!(failed.last_failed_at, at_millis(1_790_000_000_000));
    assert_eq!(failed.properties.expiration.as_deref(), Some("60000"));
    assert_eq!(
        failed.properties.headers,
        Headers::from([("tenant".into(), "acme".into())])
    );
    assert_eq!((failed.attempts, &*failed.message_id), (1, "m-1"));
}

#[test]
fn a_copy_that_the_broker_parked_keeps_what_the_copy_recorded() {
    let mut parked = parked_by_the_broker();
    parked.headers.extend([
        (header::RETRY_NUMS.into(), Value::I32(2)),
        (header::ORIG_EXCHANGE.into(), "first exchange".into()),
        (header::ORIG_ROUTING_KEY.into(), "first key".into()),
        (
            header::FAIL_FIRST_AT.into(),
            "2026-01-01T00:00:00.000Z".into(),
        ),
    ]);
    let failed = read_back(&parked);
    assert_eq!(
        (&*failed.exchange, &*failed.routing_key),
        ("first exchange", "first key")
    );
    assert_eq!(failed.attempts, 3);
    assert!(failed.first_failed_at < failed.last_failed_at);
}

#[test]
fn a_delayed_message_that_the_broker_parked_is_one_that_was_sent_to_its_queue() {
    let key = "0.".repeat(27) + "1.orders";
    let death = Headers::from([
        ("queue".into(), "orders".into()),
        ("reason".into(), "delivery_limit".into()),
        ("exchange".into(), "garenne.delay.03".into()),
        ("routing-keys".into(), vec![Value::from(key)].into()),
    ]);
    let headers = Headers::from([("x-death".into(), vec![Value::from(death)].into())]);
    let failed = read_back(&Properties {
        headers,
        ..Properties::default()
    });
    assert_eq!((&*failed.exchange, &*failed.routing_key), ("", "orders"));
}

#[test]
fn a_message_that_says_nothing_of_itself_is_still_read() {
    let bare = Properties::default();
    let failed = FailedMessage::from_parked(Some("orders"), "", "orders.failed", &bare, *b"body");
    assert_eq!(failed.queue, "orders");
    assert_eq!(failed.reason, FailReason::DeliveryLimit);
    assert_eq!(failed.last_failed_at, UNIX_EPOCH);
    assert_eq!(*failed.body, *b"body");
}

#[test]
fn a_message_that_died_elsewhere_belongs_to_the_queue_whose_parking_queue_it_lies_in() {
    let parked = parked_by_the_broker();
    let failed = FailedMessage::from_parked(Some("invoices"), "", "x", &parked, *b"body");
    assert_eq!(failed.queue, "invoices");
}

#[test]
fn where_a_message_died_is_known_without_its_list_of_deaths() {
    let headers = Headers::from([
        ("x-first-death-queue".into(), "orders.retry.20s".into()),
        ("x-last-death-queue".into(), "orders".into()),
    ]);
    assert_eq!(
        read_back(&Properties {
            headers,
            ..Properties::default()
        })
        .queue,
        "orders"
    );
}
