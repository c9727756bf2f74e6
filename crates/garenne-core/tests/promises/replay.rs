//! What a failed message looks like when it is sent again.

use garenne_core::{
    Attempt, FailReason, FailedMessage, Origin, Value, header, original, read_attempt, retry_copy,
};

use crate::samples::{at_millis, failed, out_of_lane, read_back};

const QUEUE: Origin<'_> = Origin::new("orders", "", "orders");

#[test]
fn a_replayed_message_is_at_its_first_attempt_and_says_which_replay_it_is() {
    let sent = failed().replay_properties("fresh");
    assert_eq!(
        read_attempt(sent.headers.get(header::RETRY_NUMS)),
        Attempt::FIRST
    );
    assert_eq!(sent.headers[header::REPLAY_ID], "m-1#1".into());
    assert_eq!(sent.headers[header::REPLAY_COUNT], Value::I32(1));
    assert_eq!(sent.message_id.as_deref(), Some("m-1"));
    assert_eq!(sent.delivery_mode, Some(2));
}

#[test]
fn a_replay_that_is_repeated_has_the_same_id_and_the_next_one_another() {
    let stored = failed();
    assert_eq!(
        stored.replay_properties("a"),
        stored.replay_properties("b"),
        "a message with an id needs no fresh one"
    );
    let again = FailedMessage {
        properties: original(stored.replay_properties("a"), QUEUE).properties,
        ..stored
    };
    let sent = again.replay_properties("a");
    assert_eq!(sent.headers[header::REPLAY_ID], "m-1#2".into());
    assert_eq!(sent.headers[header::REPLAY_COUNT], Value::I32(2));
}

#[test]
fn a_message_without_an_id_gets_the_fresh_one() {
    let mut nameless = failed();
    nameless.message_id.clear();
    nameless.properties.message_id = None;
    let sent = nameless.replay_properties("fresh");
    assert_eq!(sent.message_id.as_deref(), Some("fresh"));
    assert_eq!(sent.headers[header::REPLAY_ID], "fresh#1".into());
}

#[test]
fn nothing_acts_on_a_replayed_message_and_nothing_of_it_is_forgotten() {
    let stored = failed();
    let sent = stored.replay_properties("fresh");
    assert_eq!(sent.expiration, None);
    assert!(!sent.headers.contains_key("CC"));
    assert!(
        sent.headers
            .keys()
            .all(|name| !name.starts_with("fail-") && !name.starts_with("x-"))
    );

    let seen = original(sent, QUEUE);
    assert_eq!(seen.exchange, "shop");
    assert_eq!(seen.routing_key, "order.placed");
    assert_eq!(seen.properties.expiration, stored.properties.expiration);
    assert_eq!(
        seen.properties.headers["CC"],
        stored.properties.headers["CC"]
    );
    assert_eq!(seen.first_failed_at, None);
}

#[test]
fn the_replays_are_still_counted_when_the_message_is_retried_and_fails_again() {
    let sent = failed().replay_properties("fresh");
    let next = Attempt::FIRST.next();
    let retried = retry_copy(sent, QUEUE, next, "other", at_millis(1));
    let seen = original(out_of_lane(retried), QUEUE);
    let failed = FailedMessage {
        properties: seen.properties,
        exchange: seen.exchange,
        routing_key: seen.routing_key,
        ..failed()
    };
    let stored = read_back(&failed.parking_properties(1 << 17));
    assert_eq!(stored.replays(), 1);
    assert_eq!(stored.exchange, "shop");
    assert_eq!(stored.properties.expiration.as_deref(), Some("60000"));
}

#[test]
fn a_parked_message_that_is_put_back_is_the_same_record() {
    let mut parked = failed().parking_properties(1 << 17);
    parked.headers.extend([
        ("x-delivery-count".to_owned(), Value::I64(7)),
        ("fail-invented-later".to_owned(), "kept".into()),
    ]);
    let record = read_back(&parked);
    let again = record.parked_again(&parked, 1 << 17).unwrap();
    assert!(!again.headers.contains_key("x-delivery-count"));
    assert_eq!(again.headers["fail-invented-later"], "kept".into());
    assert_eq!(read_back(&again), record);
}

#[test]
fn what_somebody_put_there_is_known_after_it_was_put_back() {
    let parked = failed().properties;
    let record = read_back(&parked);
    assert_eq!(record.reason, FailReason::Unknown);
    let again = record.parked_again(&parked, 1 << 17).unwrap();
    assert_eq!(read_back(&again), record);
}
