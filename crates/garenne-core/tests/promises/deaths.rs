//! Messages that the broker itself has parked.

use std::time::UNIX_EPOCH;

use garenne_core::{
    FailReason, FailedMessage, Headers, Properties, Value, header, within_years_of_four_digits,
};

use crate::samples::{at_millis, death, failed, read_back};

/// As it is read out of the parking queue of `orders`.
fn parked_in_orders(parked: &Properties) -> FailedMessage {
    FailedMessage::from_parked(Some("orders"), "", "orders.failed", parked, *b"body")
}

fn with_deaths(mut properties: Properties, deaths: Vec<Value>) -> Properties {
    properties.headers.insert("x-death".into(), deaths.into());
    properties
}

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

/// A retry copy that came out of its lane and then back to its queue too often.
fn copy_parked_by_the_broker() -> Properties {
    let lane = "orders.retry.20s";
    let deaths = vec![
        death("orders", "delivery_limit", "", "orders"),
        death(lane, "expired", "", lane),
    ];
    let mut parked = parked_by_the_broker();
    parked.headers.insert("x-death".into(), deaths.into());
    parked.headers.extend([
        (header::RETRY_NUMS.into(), Value::I32(2)),
        (header::ORIG_EXCHANGE.into(), "first exchange".into()),
        (header::ORIG_ROUTING_KEY.into(), "first key".into()),
        (
            header::FAIL_FIRST_AT.into(),
            "2026-01-01T00:00:00.000Z".into(),
        ),
    ]);
    parked
}

#[test]
fn a_copy_that_the_broker_parked_keeps_what_the_copy_recorded() {
    let failed = read_back(&copy_parked_by_the_broker());
    assert_eq!(failed.doubt(), None);
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
    let failed = parked_in_orders(&bare);
    assert_eq!(failed.queue, "orders");
    assert_eq!(failed.reason, FailReason::Unknown);
    assert!(failed.is_unclear() && failed.doubt().is_none());
    assert_eq!(failed.last_failed_at, UNIX_EPOCH);
    assert_eq!(*failed.body, *b"body");
    assert!(failed.error.contains("neither garenne nor the broker"));
}

#[test]
fn a_message_that_died_elsewhere_belongs_to_the_queue_whose_parking_queue_it_lies_in() {
    let parked = parked_by_the_broker();
    let failed = FailedMessage::from_parked(Some("invoices"), "", "x", &parked, *b"body");
    assert_eq!(failed.queue, "invoices");
    let doubt = failed.doubt().unwrap();
    assert!(
        doubt.contains("`invoices`") && doubt.contains("`orders`"),
        "{doubt}"
    );
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

#[test]
fn what_the_broker_says_of_a_death_is_the_reason() {
    let reasons = [
        ("expired", FailReason::Expired),
        ("maxlen", FailReason::MaxLength),
        ("rejected", FailReason::Rejected),
        ("delivery_limit", FailReason::DeliveryLimit),
        ("a reason from the future", FailReason::Unknown),
    ];
    for (said, reason) in reasons {
        let deaths = vec![death("orders", said, "shop", "order.placed")];
        let failed = parked_in_orders(&with_deaths(Properties::default(), deaths));
        assert_eq!(failed.reason, reason);
        assert_eq!(failed.doubt(), None);
        let of_handler = failed.error.contains("handler probably ends the process");
        assert_eq!(of_handler, reason == FailReason::DeliveryLimit);
        assert_eq!(failed.last_failed_at, at_millis(1_790_000_000_000));
        assert_eq!(failed.exchange, "shop");
    }
}

#[test]
fn a_time_of_a_death_that_nobody_can_write_is_the_last_that_can_be_written() {
    for secs in [253_402_300_800, 1 << 60, u64::MAX] {
        let mut entry = Headers::from([("queue".into(), "orders".into())]);
        entry.insert("time".into(), Value::Timestamp(secs));
        let parked = with_deaths(Properties::default(), vec![entry.into()]);
        let failed = parked_in_orders(&parked);
        assert_eq!(failed.last_failed_at, at_millis(253_402_300_799_999));
        assert_eq!(
            within_years_of_four_digits(failed.last_failed_at),
            failed.last_failed_at
        );
    }
}

/// A record as a producer makes it up, on a message of his own that expired in `orders`.
fn forged(died: Vec<Value>) -> Properties {
    let record = FailedMessage {
        queue: "admin-commands".into(),
        exchange: "forged".into(),
        ..failed()
    };
    with_deaths(record.parking_properties(usize::MAX), died)
}

#[test]
fn a_record_beside_the_brokers_deaths_is_its_producers_and_says_nothing() {
    let failed = parked_in_orders(&forged(vec![death("orders", "expired", "shop", "k")]));
    assert_eq!((&*failed.queue, &*failed.exchange), ("orders", "shop"));
    assert_eq!((failed.reason, failed.attempts), (FailReason::Expired, 1));
    assert_eq!(failed.last_failed_at, at_millis(1_790_000_000_000));
    assert!(failed.host.is_empty() && failed.error_chain.is_empty());
    let doubt = failed.doubt().unwrap();
    assert!(
        doubt.contains("fail-") && doubt.contains("`admin-commands`"),
        "{doubt}"
    );
}

#[test]
fn whatever_a_forged_record_says_it_belongs_where_it_lies_and_is_in_doubt() {
    let lane = "orders.retry.20s";
    let deaths = [
        vec![death("orders", "expired", "", "orders")],
        vec![
            death("orders", "expired", "shop", "k"),
            death(lane, "expired", "", lane),
        ],
        vec![death("admin-commands", "expired", "", "admin-commands")],
        vec![death(lane, "expired", "", lane)],
        vec![death("", "", "", "")],
        vec![],
        vec!["no table".into()],
    ];
    for deaths in deaths {
        let failed = parked_in_orders(&forged(deaths.clone()));
        assert_eq!(failed.queue, "orders", "{deaths:?}");
        assert!(failed.doubt().is_some(), "{deaths:?}");
        let replayed = failed.replay_properties("fresh");
        assert_eq!(replayed.headers[header::ORIG_QUEUE], "orders".into());
        assert!(!replayed.headers.contains_key(header::FAIL_DOUBT));
    }
}

#[test]
fn headers_of_a_copy_on_what_was_none_are_not_believed() {
    for name in [
        header::ORIG_QUEUE,
        header::ORIG_EXCHANGE,
        header::FAIL_FIRST_AT,
    ] {
        let deaths = vec![death("orders", "expired", "shop", "k")];
        let mut parked = with_deaths(Properties::default(), deaths);
        parked
            .headers
            .insert(name.into(), "2020-01-01T00:00:00Z".into());
        let failed = parked_in_orders(&parked);
        assert_eq!((&*failed.exchange, &*failed.routing_key), ("shop", "k"));
        assert_eq!(failed.first_failed_at, failed.last_failed_at);
        assert!(failed.doubt().unwrap().contains(name));
    }
}

#[test]
fn a_replay_or_a_copy_that_the_broker_parked_is_not_in_doubt() {
    let replayed = with_deaths(
        failed().replay_properties("fresh"),
        vec![death("orders", "delivery_limit", "", "orders")],
    );
    let again = parked_in_orders(&replayed);
    assert_eq!((again.doubt(), &*again.exchange), (None, "shop"));
    assert_eq!(again.replays(), 1);
    assert_eq!(parked_in_orders(&copy_parked_by_the_broker()).doubt(), None);
}

#[test]
fn a_record_that_came_by_another_way_or_lacks_something_is_in_doubt() {
    let whole = failed().parking_properties(usize::MAX);
    assert_eq!(parked_in_orders(&whole).doubt(), None);
    let elsewhere = FailedMessage::from_parked(Some("orders"), "shop", "k", &whole, *b"");
    assert!(elsewhere.doubt().unwrap().contains("`shop`"));
    let of_invoices =
        FailedMessage::from_parked(Some("invoices"), "", "invoices.failed", &whole, *b"");
    assert_eq!(of_invoices.queue, "invoices");
    assert!(of_invoices.doubt().unwrap().contains("`orders`"));
    for name in [
        header::FAIL_LAST_AT,
        header::ORIG_QUEUE,
        header::FAIL_ATTEMPTS,
    ] {
        let mut holed = whole.clone();
        holed.headers.remove(name);
        let doubt = parked_in_orders(&holed).doubt().unwrap().to_owned();
        assert!(doubt.contains(name), "{doubt}");
    }
}

#[test]
fn a_doubt_goes_with_the_record_when_it_is_parked_again_and_nobody_can_take_it_away() {
    let parked = forged(vec![death("orders", "expired", "shop", "k")]);
    let record = parked_in_orders(&parked);
    let again = record.parked_again(&parked, 1 << 17).unwrap();
    assert!(!again.headers.contains_key("x-death"));
    assert_eq!(again.headers[header::ORIG_QUEUE], "orders".into());
    assert_eq!(parked_in_orders(&again), record);
    let third = parked_in_orders(&again).parked_again(&again, 1 << 17);
    assert_eq!(third, Some(again));
}

#[test]
fn a_doubt_is_short_however_long_the_names_are_and_steers_nobody() {
    let mut parked = forged(vec![death(&"q".repeat(300), "expired", "", "k")]);
    let steering = "\u{1b}[2J\u{202e}".repeat(100);
    parked
        .headers
        .insert(header::ORIG_QUEUE.into(), steering.into());
    let failed = parked_in_orders(&parked);
    let doubt = failed.doubt().unwrap();
    assert!(doubt.len() <= 503, "{}", doubt.len());
    assert!(!doubt.chars().any(char::is_control) && !doubt.contains('\u{202e}'));
    let smallest = failed.parking_properties(4088);
    assert!(smallest.encoded_len() <= 4088);
    assert!(parked_in_orders(&smallest).doubt().is_some());
}

#[test]
fn what_acts_on_a_copy_of_a_parked_message_is_put_aside_and_the_record_stays_as_it_is() {
    for mut parked in [failed().parking_properties(1 << 17), Properties::default()] {
        let is_record = parked.headers.contains_key(header::FAIL_REASON);
        parked.user_id = Some("app".into());
        parked.expiration = Some("1".into());
        let to: Value = vec![Value::from("elsewhere")].into();
        parked.headers.insert("CC".into(), to.clone());
        parked.headers.insert("BCC".into(), to);
        let record = parked_in_orders(&parked);
        // garenne parks nothing like that.
        assert_eq!(record.doubt().is_some(), is_record);
        let again = record.parked_again(&parked, 1 << 17).unwrap();
        assert_eq!((&again.user_id, &again.expiration), (&None, &None));
        assert!(!again.headers.contains_key("CC") && !again.headers.contains_key("BCC"));
        let mut expected = record;
        expected.properties.delivery_mode = Some(2);
        assert_eq!(parked_in_orders(&again), expected);
    }
}

#[test]
fn a_copy_that_would_lack_something_is_none() {
    let mut parked = Properties::default();
    let filler = "f".repeat(4000);
    parked.headers.insert("filler".into(), filler.into());
    let plain = parked_in_orders(&parked).parked_again(&parked, 4088);
    let as_it_is = Properties {
        delivery_mode: Some(2),
        ..parked.clone()
    };
    assert_eq!(plain, Some(as_it_is), "it needs no record");
    let died = vec![death("orders", "expired", "shop", "k")];
    let died = with_deaths(parked, died);
    let record = parked_in_orders(&died);
    assert_eq!(record.parked_again(&died, 4088), None);
    assert!(record.parked_again(&died, 1 << 17).is_some());
}
