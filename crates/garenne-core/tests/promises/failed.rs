//! Failure records: parked, and read back.

use std::time::UNIX_EPOCH;

use garenne_core::{FailReason, FailedMessage, Headers, Properties, Value, header};
use proptest::prelude::*;

use crate::samples::{at_millis, failed, read_back};

#[test]
fn a_parked_message_tells_a_person_everything() {
    let parked = failed().parking_properties(usize::MAX);
    let lines: Vec<_> = parked
        .headers
        .iter()
        .map(|(name, value)| format!("{name} = {value:?}"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
    assert_eq!((parked.expiration, parked.delivery_mode), (None, Some(2)));
}

#[test]
fn a_parked_message_has_an_id_even_if_the_original_had_none() {
    let failed = FailedMessage {
        properties: Properties::default(),
        ..failed()
    };
    assert_eq!(
        failed.parking_properties(usize::MAX).message_id.as_deref(),
        Some("m-1")
    );
}

#[test]
fn a_parked_message_starts_afresh_when_somebody_moves_it_back() {
    let mut failed = failed();
    failed
        .properties
        .headers
        .insert(header::RETRY_NUMS.into(), 3_i32.into());
    assert!(
        !failed
            .parking_properties(usize::MAX)
            .headers
            .contains_key(header::RETRY_NUMS)
    );
}

#[test]
fn a_clone_shares_the_body() {
    let failed = failed();
    assert!(std::sync::Arc::ptr_eq(&failed.body, &failed.clone().body));
}

fn short_text() -> impl Strategy<Value = String> {
    "\\PC{0,40}"
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Void),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::Timestamp),
        short_text().prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::ByteArray),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,8}", inner, 0..4).prop_map(Value::from),
        ]
    })
}

fn optional_text() -> impl Strategy<Value = Option<String>> {
    prop::option::of(short_text())
}

prop_compose! {
    fn properties()(
        content_type in optional_text(),
        headers in prop::collection::btree_map("(h-[a-z]{1,8}|CC|BCC)", value(), 0..6),
        priority in prop::option::of(any::<u8>()),
        correlation_id in optional_text(),
        expiration in prop::option::of("[0-9]{1,8}"),
        message_id in short_text(),
        timestamp in prop::option::of(any::<u64>()),
        user_id in optional_text(),
    ) -> Properties {
        Properties {
            content_type, headers, priority, correlation_id, expiration, timestamp, user_id,
            delivery_mode: Some(2),
            message_id: Some(message_id),
            ..Properties::default()
        }
    }
}

fn reason() -> impl Strategy<Value = FailReason> {
    use FailReason::{Deadline, DeliveryLimit, Exhausted, Panic, Permanent, Undecodable};
    prop::sample::select(
        &[
            Deadline,
            DeliveryLimit,
            Exhausted,
            Panic,
            Permanent,
            Undecodable,
        ][..],
    )
}

prop_compose! {
    fn any_failed()(
        properties in properties(),
        names in [short_text(), short_text(), short_text(), short_text(), short_text()],
        attempts in any::<u32>(),
        times in [0_u64..4_000_000_000_000, 0_u64..4_000_000_000_000],
        reason in reason(),
        error in short_text(),
        error_chain in prop::collection::vec(short_text(), 0..4),
    ) -> FailedMessage {
        let [queue, exchange, routing_key, host, service] = names;
        FailedMessage {
            message_id: properties.message_id.clone().unwrap_or_default(),
            body: b"{\"order_id\":7}".as_slice().into(),
            first_failed_at: at_millis(times[0]),
            last_failed_at: at_millis(times[1]),
            queue, exchange, routing_key, properties, attempts, reason, error, error_chain, host, service,
        }
    }
}

proptest! {
    #[test]
    fn a_failed_message_is_read_back_as_it_was_parked(failed in any_failed()) {
        prop_assert_eq!(read_back(&failed.parking_properties(usize::MAX)), failed);
    }
}

#[test]
fn a_record_with_holes_is_read_as_far_as_it_goes() {
    let headers = Headers::from([(header::FAIL_REASON.into(), "from the future".into())]);
    let failed = read_back(&Properties {
        headers,
        ..Properties::default()
    });
    assert_eq!(failed.reason, FailReason::Exhausted);
    assert_eq!((failed.attempts, failed.first_failed_at), (1, UNIX_EPOCH));
}
