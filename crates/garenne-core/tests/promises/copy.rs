//! Copies of messages: what they keep, and what they put aside.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use garenne_core::{Attempt, Headers, Origin, Properties, Value, header, original, retry_copy};

const PUBLISHED: Origin<'_> = Origin {
    queue: "orders",
    exchange: "shop",
    routing_key: "order.placed",
};

/// A copy that comes back from its lane does so through the default exchange.
const BACK_FROM_LANE: Origin<'_> = Origin {
    queue: "orders",
    exchange: "",
    routing_key: "orders",
};

fn at(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(secs)
}

fn every_property() -> Properties {
    Properties {
        content_type: Some("application/json".into()),
        content_encoding: Some("gzip".into()),
        headers: Headers::from([
            ("tenant".into(), "acme".into()),
            ("x-trace".into(), Value::LongString(vec![0xff, 0])),
            ("CC".into(), vec![Value::from("audit")].into()),
            ("BCC".into(), vec![Value::from("secret audit")].into()),
        ]),
        delivery_mode: Some(2),
        priority: Some(3),
        correlation_id: Some("c-1".into()),
        reply_to: Some("answers".into()),
        expiration: Some("60000".into()),
        message_id: Some("m-1".into()),
        timestamp: Some(1_790_000_000),
        kind: Some("order".into()),
        user_id: Some("till".into()),
        app_id: Some("shop".into()),
        cluster_id: Some("old".into()),
        unread: Vec::new(),
    }
}

fn first_copy(of: &Properties) -> Properties {
    retry_copy(
        of.clone(),
        PUBLISHED,
        Attempt::FIRST.next(),
        "given",
        at(100),
    )
}

#[test]
fn what_would_act_on_a_copy_is_put_aside_and_everything_else_kept() {
    let copy = first_copy(&every_property());
    let expected = Properties {
        expiration: None,
        user_id: None,
        headers: Headers::from([
            ("tenant".into(), "acme".into()),
            ("x-trace".into(), Value::LongString(vec![0xff, 0])),
            (header::ORIG_CC.into(), vec![Value::from("audit")].into()),
            (
                header::ORIG_BCC.into(),
                vec![Value::from("secret audit")].into(),
            ),
            (header::ORIG_EXPIRATION.into(), "60000".into()),
            (header::ORIG_USER_ID.into(), "till".into()),
            (header::ORIG_QUEUE.into(), "orders".into()),
            (header::ORIG_EXCHANGE.into(), "shop".into()),
            (header::ORIG_ROUTING_KEY.into(), "order.placed".into()),
            (
                header::FAIL_FIRST_AT.into(),
                "1970-01-01T00:01:40.000Z".into(),
            ),
            (header::RETRY_NUMS.into(), Value::I32(1)),
        ]),
        ..every_property()
    };
    assert_eq!(copy, expected);
}

#[test]
fn a_copy_is_persistent_even_when_the_original_was_not() {
    let transient = Properties {
        delivery_mode: Some(1),
        ..Properties::default()
    };
    for properties in [transient, Properties::default()] {
        assert_eq!(first_copy(&properties).delivery_mode, Some(2));
    }
}

#[test]
fn a_message_without_an_id_is_given_one_and_keeps_it() {
    let first = first_copy(&Properties::default());
    assert_eq!(first.message_id.as_deref(), Some("given"));
    let second = retry_copy(
        first,
        BACK_FROM_LANE,
        Attempt::from_failed(2),
        "another",
        at(200),
    );
    assert_eq!(second.message_id.as_deref(), Some("given"));
}

#[test]
fn later_copies_keep_what_the_first_one_recorded() {
    let first = first_copy(&every_property());
    let second = retry_copy(
        first.clone(),
        BACK_FROM_LANE,
        Attempt::from_failed(2),
        "another",
        at(200),
    );
    let mut expected = first;
    expected
        .headers
        .insert(header::RETRY_NUMS.into(), Value::I32(2));
    assert_eq!(second, expected);
}

#[test]
fn the_brokers_own_headers_are_not_copied() {
    let deaths: Value = vec![Headers::from([("count".into(), 1_i64.into())]).into()].into();
    let headers = Headers::from([
        ("x-death".into(), deaths),
        ("x-first-death-queue".into(), "orders.retry.20s".into()),
        ("x-last-death-reason".into(), "expired".into()),
        ("x-delivery-count".into(), 3_i64.into()),
        ("x-acquired-count".into(), 3_i64.into()),
        ("x-tenant".into(), "acme".into()),
    ]);
    let copy = first_copy(&Properties {
        headers,
        ..Properties::default()
    });
    let kept: Vec<_> = copy
        .headers
        .keys()
        .filter(|name| name.starts_with("x-"))
        .collect();
    assert_eq!(kept, ["x-tenant"]);
}

#[test]
fn the_original_is_read_out_of_any_copy() {
    let first = first_copy(&every_property());
    let second = retry_copy(
        first.clone(),
        BACK_FROM_LANE,
        Attempt::from_failed(2),
        "another",
        at(200),
    );
    for copy in [first, second] {
        let original = original(copy, BACK_FROM_LANE);
        assert_eq!(original.properties, every_property());
        assert_eq!(
            (&*original.exchange, &*original.routing_key),
            ("shop", "order.placed")
        );
        assert_eq!(original.first_failed_at, Some(at(100)));
    }
}

#[test]
fn a_message_that_has_not_failed_is_its_own_original() {
    let original = original(every_property(), PUBLISHED);
    assert_eq!(original.properties, every_property());
    assert_eq!(
        (&*original.exchange, &*original.routing_key),
        ("shop", "order.placed")
    );
    assert_eq!(original.first_failed_at, None);
}

#[test]
fn headers_that_somebody_passed_on_from_another_message_are_not_believed() {
    let mut passed_on = first_copy(&every_property());
    passed_on.headers.remove(header::RETRY_NUMS);
    let original = original(passed_on, PUBLISHED);
    assert_eq!(original.first_failed_at, None);
    assert_eq!(original.properties.expiration, None);
    let left: Vec<_> = original.properties.headers.keys().collect();
    assert_eq!(left, ["tenant", "x-trace"]);
}

#[test]
fn a_header_that_is_no_number_is_put_aside_as_the_bytes_that_it_would_be() {
    let nested = Headers::from([("deep".into(), vec![Value::F32(f32::INFINITY)].into())]);
    let headers = Headers::from([
        ("ratio".into(), Value::F64(f64::NAN)),
        ("table".into(), Value::Table(nested)),
        ("half".into(), Value::F64(0.5)),
    ]);
    let message = Properties {
        headers,
        ..Properties::default()
    };
    assert_eq!(message.fatal_header(), Some("ratio"));
    let copy = first_copy(&message);
    assert_eq!(copy.fatal_header(), None);
    assert_eq!(copy.headers.get("half"), Some(&Value::F64(0.5)));
    let back = original(copy, BACK_FROM_LANE).properties;
    assert_eq!(back.fatal_header(), Some("ratio"));
    let Some(Value::F64(ratio)) = back.headers.get("ratio") else {
        panic!("{back:?}");
    };
    assert_eq!(ratio.to_bits(), f64::NAN.to_bits());
    assert_eq!(back.headers.get("table"), message.headers.get("table"));
    assert!(back.unread.is_empty());
}
