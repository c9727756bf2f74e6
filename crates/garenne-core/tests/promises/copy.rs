//! Copies of messages: what they keep, and what they put aside.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::samples::{death, out_of_lane};
use garenne_core::{
    Attempt, Headers, Origin, Original, Properties, PropertyList, Value, header, is_copy, original,
    retry_copy,
};

const PUBLISHED: Origin<'_> = Origin::new("orders", "shop", "order.placed");

/// A copy that comes back from its lane does so through the default exchange.
const BACK_FROM_LANE: Origin<'_> = Origin::new("orders", "", "orders");

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
        out_of_lane(first),
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
        out_of_lane(first.clone()),
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
        out_of_lane(first.clone()),
        BACK_FROM_LANE,
        Attempt::from_failed(2),
        "another",
        at(200),
    );
    for copy in [first, second] {
        let original = original(out_of_lane(copy), BACK_FROM_LANE);
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

/// What is read out of a copy that came in this way, with these deaths on it.
fn read(copy: &Properties, origin: Origin<'_>, deaths: &[Value]) -> Original {
    let mut delivered = copy.clone();
    if !deaths.is_empty() {
        let deaths = Value::Array(deaths.to_vec());
        delivered.headers.insert("x-death".into(), deaths);
    }
    let encoded = {
        let mut bytes = Vec::new();
        delivered.encode(&mut bytes);
        bytes
    };
    let read = original(delivered, origin);
    let says_copy = is_copy(PropertyList::new(&encoded), origin);
    assert_eq!(says_copy, read.exchange == "forged", "both read the same");
    read
}

/// A message with all headers of a copy, of a replay and of a record, which name another exchange.
fn forged() -> Properties {
    let mut forged = first_copy(&every_property());
    forged.headers.extend([
        (header::ORIG_EXCHANGE.into(), "forged".into()),
        (header::REPLAY_ID.into(), "m-1#1".into()),
        (header::FAIL_REASON.into(), "exhausted".into()),
        (header::FAIL_ERROR.into(), "made up".into()),
    ]);
    forged
}

#[test]
fn only_what_came_by_a_way_of_garennes_own_is_a_copy() {
    let lane = "orders.retry.20s";
    let out_of = |queue: &str| death(queue, "expired", "", queue);
    let ours: [&[Value]; 3] = [
        &[],
        &[out_of(lane)],
        &[out_of("orders.retry.1h"), out_of("elsewhere")],
    ];
    for deaths in ours {
        let original = read(&forged(), BACK_FROM_LANE, deaths);
        assert_eq!(original.exchange, "forged", "{deaths:?}");
        assert_eq!(original.first_failed_at, Some(at(100)));
    }
    let others: [&[Value]; 8] = [
        &[out_of("elsewhere")],
        &[out_of("elsewhere"), out_of(lane)],
        &[out_of("invoices.retry.20s")],
        &[out_of("orders")],
        // Somebody without a right to the default exchange has filled the lane.
        &[death(lane, "expired", "shop", lane)],
        &[death(lane, "expired", "", "order.placed")],
        &[death(lane, "rejected", "", lane)],
        &["no table".into()],
    ];
    for deaths in others {
        let original = read(&forged(), BACK_FROM_LANE, deaths);
        let address = (&*original.exchange, &*original.routing_key);
        assert_eq!(address, ("", "orders"), "{deaths:?}");
        assert_eq!(original.first_failed_at, None);
    }
}

#[test]
fn what_came_through_another_exchange_is_no_copy_whatever_it_says() {
    let lane = "orders.retry.20s";
    for deaths in [vec![], vec![death(lane, "expired", "", lane)]] {
        let original = read(&forged(), PUBLISHED, &deaths);
        let address = (&*original.exchange, &*original.routing_key);
        assert_eq!(address, ("shop", "order.placed"));
        assert_eq!(original.first_failed_at, None);
        assert_eq!(original.properties.expiration, None);
        let left: Vec<_> = original.properties.headers.keys().collect();
        assert_eq!(left, ["replay-id", "tenant", "x-trace"]);
    }
}

#[test]
fn a_lane_that_is_shared_brings_copies_back_through_its_exchange() {
    let shared = Origin {
        shared_lane: Some("orders_retry_3"),
        ..PUBLISHED
    };
    let ours = death("orders_retry_3", "expired", "", "orders_retry_3");
    assert_eq!(
        read(&forged(), shared, std::slice::from_ref(&ours)).exchange,
        "forged"
    );
    assert_eq!(read(&forged(), PUBLISHED, &[ours]).exchange, "shop");
    // So does the Go package, which writes nothing of that; or anybody who may write to the exchange.
    let theirs = death("orders_retry_3", "expired", "shop", "order.placed_retry_3");
    assert_eq!(read(&forged(), shared, &[theirs]).exchange, "shop");
}

#[test]
fn a_first_copy_that_comes_straight_is_one_that_somebody_has_sent() {
    let original = original(first_copy(&every_property()), BACK_FROM_LANE);
    assert_eq!((&*original.exchange, original.first_failed_at), ("", None));
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
    let back = original(out_of_lane(copy), BACK_FROM_LANE).properties;
    assert_eq!(back.fatal_header(), Some("ratio"));
    let Some(Value::F64(ratio)) = back.headers.get("ratio") else {
        panic!("{back:?}");
    };
    assert_eq!(ratio.to_bits(), f64::NAN.to_bits());
    assert_eq!(back.headers.get("table"), message.headers.get("table"));
    assert!(back.unread.is_empty());
}
