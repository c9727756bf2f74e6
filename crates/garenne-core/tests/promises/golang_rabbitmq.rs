//! The wire contract of the Go package `golang-rabbitmq`, as data.

use std::collections::BTreeSet;
use std::time::Duration;

use garenne_core::golang_rabbitmq::DELAY_MAX;
use garenne_core::{
    Attempt, DurationExt, Entity, ExchangeKind, FailReason, GolangRabbitmq, Outcome, Properties,
    Queue, QueueKind, Retry, Settlement, Value, Wish, decide, read_attempt,
};

use crate::queue::listing;

fn shop() -> GolangRabbitmq {
    GolangRabbitmq::new("orders").exchange("shop", ExchangeKind::Direct, "placed")
}

fn keyless(kind: ExchangeKind) -> GolangRabbitmq {
    GolangRabbitmq::new("orders").exchange("shop", kind, "")
}

#[test]
fn a_queue_on_an_exchange_has_the_names_and_arguments_of_the_contract() {
    insta::assert_snapshot!(listing(&Queue::golang_rabbitmq(shop()).topology()));
}

#[test]
fn a_queue_on_the_default_exchange_has_the_names_and_arguments_of_the_contract() {
    insta::assert_snapshot!(listing(&Queue::golang_rabbitmq("orders").topology()));
}

#[test]
fn delay_queues_have_the_names_and_arguments_of_the_contract() {
    let delays = [shop(), "orders".into()].map(|contract| contract.delay_entities(90.secs()));
    insta::assert_snapshot!(listing(&delays.concat()));
}

#[test]
fn without_a_routing_key_what_waits_comes_back_nevertheless() {
    let contract = keyless(ExchangeKind::Fanout);
    let entities = [
        contract.entities(),
        contract.retry_entities(),
        contract.delay_entities(1.secs()),
    ];
    insta::assert_snapshot!(listing(&entities.concat()));
}

#[test]
fn an_exchange_that_ignores_routing_keys_puts_nothing_into_the_waiting_queues() {
    for kind in [ExchangeKind::Fanout, ExchangeKind::Headers] {
        let contract = GolangRabbitmq::new("orders").exchange("shop", kind, "placed");
        let entities = [contract.retry_entities(), contract.delay_entities(1.secs())];
        let entities = entities.concat();
        assert_eq!(entities.len(), 2, "{entities:?}");
        assert!(entities.iter().all(|e| matches!(e, Entity::Queue(_))));
    }
}

/// Whatever dead-letters does so to where the queue itself is bound, or to the queue.
#[test]
fn no_message_of_the_contract_is_dead_lettered_into_nothing() {
    let contracts = [
        shop(),
        "orders".into(),
        keyless(ExchangeKind::Direct),
        keyless(ExchangeKind::Topic),
    ];
    for contract in contracts {
        let mut reaches = BTreeSet::from([(String::new(), "orders".to_owned())]);
        let entities = [
            contract.entities(),
            contract.retry_entities(),
            contract.delay_entities(7.secs()),
        ];
        for entity in entities.concat() {
            match entity {
                Entity::Binding(binding) if binding.queue == "orders" => {
                    reaches.insert((binding.exchange, binding.routing_key));
                }
                Entity::Queue(queue) if queue.name != "orders" => {
                    let text = |name: &str| queue.args[name].as_str().unwrap().to_owned();
                    let target = (
                        text("x-dead-letter-exchange"),
                        text("x-dead-letter-routing-key"),
                    );
                    assert!(reaches.contains(&target), "{target:?} of {contract:?}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn the_ttl_is_the_64_bit_integer_that_the_package_declares() {
    for entity in [shop().retry_entities(), shop().delay_entities(20.secs())].map(|e| e[0].clone())
    {
        let Entity::Queue(queue) = entity else {
            panic!("{entity:?}")
        };
        assert_eq!(queue.args["x-message-ttl"], Value::I64(20_000));
    }
}

#[test]
fn messages_are_published_to_the_exchange_only_with_a_routing_key() {
    assert_eq!(shop().address(), ("shop", "placed"));
    assert_eq!(GolangRabbitmq::from("orders").address(), ("", "orders"));
    assert_eq!(keyless(ExchangeKind::Direct).address(), ("", "orders"));
    let unnamed = GolangRabbitmq::new("orders").exchange("", ExchangeKind::Direct, "placed");
    assert_eq!(unnamed, "orders".into());
}

#[test]
fn a_delayed_message_says_as_a_32_bit_integer_that_it_has_not_failed_yet() {
    let sent = Properties {
        expiration: Some("500".into()),
        content_type: Some("text/plain".into()),
        ..Properties::default()
    };
    let delayed = GolangRabbitmq::delayed(sent).unwrap();
    assert_eq!(delayed.headers["retry_nums"], Value::I32(0));
    assert_eq!(delayed.content_type.as_deref(), Some("text/plain"));
    assert_eq!(delayed.expiration, None, "it would end the delay");
}

#[test]
fn a_message_is_run_once_and_retried_three_times_as_the_package_does() {
    let queue = Queue::golang_rabbitmq(shop());
    let failed = Outcome::Failed(Wish::Retry);
    let after = |retry_nums: Option<Value>| {
        decide(&failed, read_attempt(retry_nums.as_ref()), &queue.retry)
    };
    let retried = Settlement::Retry(20.secs());
    for retry_nums in [None, Some(0.into()), Some(1.into()), Some(2.into())] {
        assert_eq!(after(retry_nums), retried);
    }
    let exhausted = Settlement::Fail(FailReason::Exhausted);
    assert_eq!(after(Some(3.into())), exhausted);
    // What reads as absent in the package, and is then retried for ever.
    assert_eq!(after(Some(3_i64.into())), exhausted);
    assert_eq!(Attempt::FIRST.next().header(), Value::I32(1));
}

#[test]
fn only_the_lane_of_20_s_is_shared_with_the_package() {
    let queue = Queue::golang_rabbitmq(shop());
    assert_eq!(queue.lane_name(20.secs()), "orders_retry_3");
    assert_eq!(queue.lane_name(5.secs()), "orders.retry.5s");
    assert_eq!(queue.parking_name(), "orders.failed");
    assert_eq!(queue.kind(), QueueKind::Classic);
}

/// A fork of the package may have changed the TTL; a policy that says so leaves its queue alone.
#[test]
fn a_policy_without_20_s_leaves_the_retry_queue_alone() {
    let queue = Queue::golang_rabbitmq(shop()).retry(Retry::every(60.secs()).times(5));
    assert_eq!(queue.lane_name(20.secs()), "orders.retry.20s");
    let listing = listing(&queue.topology());
    assert!(!listing.contains("_retry_3"), "{listing}");
    assert!(listing.contains("queue orders.retry.60s"), "{listing}");
}

#[test]
fn a_delay_is_whole_seconds_and_never_shorter_than_asked() {
    let name = |delay: Duration| shop().delay_queue_name(delay);
    assert_eq!(name(Duration::ZERO), "orders_delay_1");
    assert_eq!(name(1.secs()), "orders_delay_1");
    assert_eq!(name(1001.millis()), "orders_delay_2");
    assert_eq!(GolangRabbitmq::check_delay(1.secs()), Ok(()));
    assert_eq!(GolangRabbitmq::check_delay(DELAY_MAX), Ok(()));
    for wrong in [999.millis(), DELAY_MAX + 1.millis()] {
        let error = GolangRabbitmq::check_delay(wrong).unwrap_err();
        assert!(error.to_string().contains("accepted"), "{error}");
    }
}

#[test]
fn names_leave_room_for_what_the_contract_adds() {
    let longest = "q".repeat(255 - "_delay_4294967".len());
    assert_eq!(GolangRabbitmq::new(&longest).faults(), []);
    assert_eq!(GolangRabbitmq::new(longest + "q").faults().len(), 1);
    assert_eq!(GolangRabbitmq::new("").faults().len(), 1);
    let key = |len| GolangRabbitmq::new("q").exchange("e", ExchangeKind::Direct, "k".repeat(len));
    assert_eq!(Queue::golang_rabbitmq(key(247)).faults(), []);
    assert_eq!(Queue::golang_rabbitmq(key(248)).faults().len(), 1);
}
