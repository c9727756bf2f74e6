//! Failure records: parked, and read back.

use std::time::UNIX_EPOCH;

use garenne_core::{FailReason, FailedMessage, Headers, Properties, header};
use proptest::prelude::*;

use crate::generators::any_failed;
use crate::samples::{failed, read_back};

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

proptest! {
    #[test]
    fn a_failed_message_is_read_back_as_it_was_parked(failed in any_failed()) {
        prop_assert_eq!(read_back(&failed.parking_properties(usize::MAX)), failed);
    }
}

#[test]
fn a_record_from_before_versions_were_recorded_is_read() {
    let mut parked = failed().parking_properties(usize::MAX);
    parked.headers.remove(header::FAIL_VERSION).unwrap();
    let back = read_back(&parked);
    let expected = FailedMessage {
        version: String::new(),
        ..failed()
    };
    assert_eq!(back, expected);
    assert_eq!(back.parking_properties(usize::MAX), parked);
}

#[test]
fn the_trace_of_a_message_is_known_when_it_is_parked_and_after() {
    let mut failed = failed();
    assert_eq!(failed.trace_context(), None);
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    failed.properties.headers.extend([
        (header::TRACEPARENT.into(), parent.into()),
        (header::TRACESTATE.into(), "shop=1".into()),
    ]);
    let parked = failed.parking_properties(usize::MAX);
    assert_eq!(parked.headers[header::TRACEPARENT], parent.into());
    let back = read_back(&parked);
    let trace = back.trace_context().unwrap();
    assert_eq!(trace.trace_id(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!((trace.parent(), trace.state()), (parent, Some("shop=1")));
}

#[test]
fn a_record_with_holes_is_read_as_far_as_it_goes() {
    let headers = Headers::from([(header::FAIL_REASON.into(), "from the future".into())]);
    let failed = read_back(&Properties {
        headers,
        ..Properties::default()
    });
    assert_eq!(failed.reason, FailReason::Unknown);
    assert_eq!((failed.attempts, failed.first_failed_at), (1, UNIX_EPOCH));
}
