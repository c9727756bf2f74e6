//! Queues: what they need on the broker, and what is wrong with them.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use garenne_core::{DurationExt, Entity, ExchangeKind, Queue, QueueKind, Retry, Value};

/// One entity per line, arguments below it.
pub(crate) fn listing(entities: &[Entity]) -> String {
    let mut listing = String::new();
    for entity in entities {
        match entity {
            Entity::Queue(queue) => {
                writeln!(listing, "queue {} ({})", queue.name, queue.kind).unwrap();
                for (name, value) in &queue.args {
                    writeln!(listing, "    {name} = {value:?}").unwrap();
                }
            }
            Entity::Exchange(exchange) => {
                writeln!(listing, "exchange {} ({})", exchange.name, exchange.kind).unwrap();
            }
            Entity::Binding(binding) => {
                let (from, key, to) = (&binding.exchange, &binding.routing_key, &binding.queue);
                writeln!(listing, "binding {from} -- {key} --> {to}").unwrap();
            }
            Entity::ExchangeBinding(binding) => panic!("a queue needs no {binding:?}"),
        }
    }
    listing
}

#[test]
fn a_quorum_queue_loses_nothing_to_dead_lettering() {
    let queue = Queue::quorum("orders")
        .retry(Retry::delays([1500.millis(), 20.secs()]))
        .bind("shop", ExchangeKind::Topic, "order.#");
    insta::assert_snapshot!(listing(&queue.topology()));
}

#[test]
fn a_classic_queue_has_no_arguments_that_only_quorum_queues_know() {
    insta::assert_snapshot!(listing(&Queue::classic("orders").topology()));
}

#[test]
fn whatever_is_dead_lettered_or_bound_to_exists_before() {
    for queue in [Queue::quorum("orders"), Queue::classic("orders")] {
        let queue = queue.bind("shop", ExchangeKind::Direct, "order");
        let mut existing = BTreeSet::new();
        for entity in queue.topology() {
            match entity {
                Entity::Queue(queue) => {
                    let target = queue
                        .args
                        .get("x-dead-letter-routing-key")
                        .and_then(Value::as_str);
                    assert!(
                        target.is_none_or(|target| existing.contains(target)),
                        "{queue:?}"
                    );
                    existing.insert(queue.name);
                }
                Entity::Exchange(exchange) => {
                    existing.insert(exchange.name);
                }
                Entity::Binding(binding) => {
                    assert!(
                        existing.contains(&binding.exchange) && existing.contains(&binding.queue)
                    );
                }
                Entity::ExchangeBinding(binding) => panic!("a queue needs no {binding:?}"),
            }
        }
    }
}

#[test]
fn a_changed_delay_is_another_lane() {
    let queue = Queue::quorum("orders");
    assert_eq!(queue.lane_name(20.secs()), "orders.retry.20s");
    assert_eq!(queue.lane_name(1500.millis()), "orders.retry.1500ms");
    assert_eq!(queue.parking_name(), "orders.failed");
}

#[test]
fn a_lanes_delay_is_one_that_the_broker_accepts() {
    for delay in [Duration::ZERO, Duration::MAX] {
        let Entity::Queue(lane) = Queue::quorum("orders").lane(delay) else {
            panic!("no queue")
        };
        let ttl = lane.args["x-message-ttl"].as_integer().unwrap();
        assert!((1..1 << 32).contains(&ttl), "{delay:?} became {ttl}");
    }
}

#[test]
fn what_is_not_set_is_left_to_the_systems_defaults() {
    let queue = Queue::quorum("orders").prefetch(7);
    assert_eq!((queue.prefetch, queue.workers), (Some(7), None));
    let queue = queue.or_defaults(200, 2);
    assert_eq!((queue.prefetch, queue.workers), (Some(7), Some(2)));
}

#[test]
fn a_queue_as_it_comes_has_no_faults() {
    assert_eq!(Queue::quorum("orders").faults(), []);
    assert_eq!(Queue::new("orders", QueueKind::Classic).faults(), []);
}

#[test]
fn all_faults_are_told_at_once() {
    let queue = Queue::quorum("amq.orders")
        .prefetch(0)
        .concurrency(0)
        .workers(257)
        .deadline(Duration::ZERO)
        .delivery_limit(0)
        .retry(Retry::every(0.secs()))
        .bind("", ExchangeKind::Direct, "order")
        .bind("x".repeat(256), ExchangeKind::Direct, "k".repeat(256));
    let faults: Vec<_> = queue.faults().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(faults.join("\n"));
}

#[test]
fn no_more_handlers_can_run_than_messages_are_held() {
    assert_eq!(
        Queue::quorum("orders")
            .prefetch(10)
            .concurrency(10)
            .faults(),
        []
    );
    assert_eq!(
        Queue::quorum("orders")
            .prefetch(10)
            .concurrency(11)
            .faults()
            .len(),
        1
    );
    assert_eq!(
        Queue::quorum("orders").concurrency(101).faults().len(),
        1,
        "the default is 100"
    );
    assert_eq!(
        Queue::quorum("orders")
            .or_defaults(200, 1)
            .concurrency(101)
            .faults(),
        []
    );
}

#[test]
fn a_name_leaves_room_for_the_names_of_its_lanes() {
    let room = 255 - ".retry.2073600s".len();
    assert_eq!(Queue::quorum("q".repeat(room)).faults(), []);
    assert_eq!(Queue::quorum("q".repeat(room + 1)).faults().len(), 1);
    assert_eq!(Queue::quorum("").faults().len(), 1);

    let long_lane = Retry::every(4_294_967_295.millis());
    let room = 255 - ".retry.4294967295ms".len();
    assert_eq!(
        Queue::quorum("q".repeat(room + 1))
            .retry(long_lane)
            .faults()
            .len(),
        1
    );
}
