//! Failure records that are too large, cut to fit.

use garenne_core::{FailReason, FailedMessage, Headers, Properties, Value, header};
use proptest::prelude::*;

use crate::samples::{failed, read_back};

/// The payload of the smallest frame that AMQP allows.
const SMALLEST: usize = 4096 - 8;

prop_compose! {
    /// A record in which everything that can be large may be.
    fn large_failed()(
        header_sizes in prop::collection::vec((0_usize..250, 0_usize..5000), 0..40),
        error_size in 0_usize..6000,
        chain_sizes in prop::collection::vec(0_usize..1000, 0..10),
    ) -> FailedMessage {
        let mut failed = failed();
        for (n, (name_size, size)) in header_sizes.into_iter().enumerate() {
            let name = format!("{n}{}", "n".repeat(name_size));
            failed.properties.headers.insert(name, Value::ByteArray(vec![7; size]));
        }
        let error = "ü".repeat(error_size);
        let error_chain = chain_sizes.into_iter().map(|size| "é".repeat(size)).collect();
        FailedMessage { error, error_chain, ..failed }
    }
}

proptest! {
    #[test]
    fn however_large_a_record_is_it_fits_and_is_not_cut_without_need(
        failed in large_failed(),
        max in prop_oneof![SMALLEST..5000, SMALLEST..200_000],
    ) {
        let whole = failed.parking_properties(usize::MAX);
        let parked = failed.parking_properties(max);
        prop_assert!(parked.encoded_len() <= max, "{} > {max}", parked.encoded_len());
        if whole.encoded_len() <= max {
            prop_assert_eq!(parked, whole, "cut for no reason");
        }
    }
}

#[test]
fn the_worst_record_fits_in_the_smallest_frame() {
    let long = || "ü".repeat(100_000);
    let text = || Some(long());
    let mut worst = FailedMessage {
        message_id: long(),
        queue: long(),
        exchange: long(),
        routing_key: long(),
        properties: Properties {
            content_type: text(),
            content_encoding: text(),
            headers: Headers::new(),
            delivery_mode: Some(1),
            priority: Some(1),
            correlation_id: text(),
            reply_to: text(),
            expiration: text(),
            message_id: text(),
            timestamp: Some(1),
            kind: text(),
            user_id: text(),
            app_id: text(),
            cluster_id: text(),
            unread: Vec::new(),
        },
        reason: FailReason::DeliveryLimit,
        error: long(),
        error_chain: vec![long(); 100],
        host: long(),
        service: long(),
        version: long(),
        ..failed()
    };
    for n in 0..500 {
        worst
            .properties
            .headers
            .insert(format!("{n:0255}"), Value::Void);
    }
    worst.properties.headers.insert("CC".into(), long().into());
    let parked = worst.parking_properties(SMALLEST);
    assert!(
        parked.encoded_len() <= SMALLEST,
        "{} bytes",
        parked.encoded_len()
    );
    assert_eq!(read_back(&parked).reason, FailReason::DeliveryLimit);
}

#[test]
fn the_chain_is_cut_first_and_from_its_end() {
    let chain: Vec<_> = (0..100)
        .map(|n| format!("cause {n} {}", "x".repeat(100)))
        .collect();
    let failed = FailedMessage {
        error_chain: chain.clone(),
        ..failed()
    };
    let back = read_back(&failed.parking_properties(SMALLEST));
    let (mark, kept) = back.error_chain.split_last().unwrap();
    assert!(kept.len() > 20, "{} kept", kept.len());
    assert_eq!(kept, &chain[..kept.len()]);
    assert_eq!(*mark, format!("… ({} more)", 100 - kept.len()));
    assert_eq!(
        (back.error, back.properties),
        (failed.error, failed.properties)
    );
}

#[test]
fn a_long_error_is_cut_between_characters_and_says_so() {
    let error = "ü".repeat(5000);
    let failed = FailedMessage {
        error: error.clone(),
        ..failed()
    };
    let parked = failed.parking_properties(SMALLEST);
    assert!(
        parked.encoded_len() > SMALLEST - 100,
        "cut more than needed"
    );
    let (kept, mark) = read_back(&parked)
        .error
        .split_once('…')
        .map(|(k, m)| (k.to_owned(), m.to_owned()))
        .unwrap();
    assert!(error.starts_with(&kept));
    assert_eq!(mark, format!(" (cut, {} bytes)", error.len() - kept.len()));
}

#[test]
fn the_largest_headers_are_dropped_and_named_before_the_error_is_lost() {
    let mut failed = failed();
    failed.properties.headers.extend([
        ("huge".into(), "x".repeat(100_000).into()),
        ("large".into(), "x".repeat(3900).into()),
    ]);
    let parked = failed.parking_properties(SMALLEST);
    let dropped = &parked.headers[header::FAIL_DROPPED_HEADERS];
    assert_eq!(
        *dropped,
        vec![Value::from("huge"), Value::from("large")].into()
    );
    let back = read_back(&parked);
    assert_eq!(back.error, failed.error);
    assert_eq!(back.properties.headers["tenant"], "acme".into());
}

#[test]
fn a_bare_record_has_no_header_of_the_message_and_names_what_it_dropped() {
    let mut failed = failed();
    failed.properties.headers = Headers::from([
        ("tenant".into(), "acme".into()),
        (
            "x".into(),
            vec![Value::from(1_i64), Value::from(2_i64)].into(),
        ),
    ]);
    let parked = failed.bare_parking_properties(SMALLEST);
    assert!(!parked.headers.contains_key("tenant") && !parked.headers.contains_key("x"));
    let names: Value = vec![Value::from("x"), Value::from("tenant")].into();
    assert_eq!(
        parked.headers.get(header::FAIL_DROPPED_HEADERS),
        Some(&names)
    );
    let back = read_back(&parked);
    assert_eq!(
        (back.error, back.queue),
        (failed.error.clone(), failed.queue.clone())
    );
    // Where there is nothing to drop, nothing is said to be.
    failed.properties.headers.clear();
    let parked = failed.bare_parking_properties(SMALLEST);
    assert_eq!(parked.headers.get(header::FAIL_DROPPED_HEADERS), None);
}
