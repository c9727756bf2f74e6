//! What `build` refuses, and that it says everything at once.

use garenne::BrokerUrl;
use garenne::prelude::*;

use super::support::nothing;

fn faults(builder: SystemBuilder) -> Vec<String> {
    match builder.build() {
        Ok(_) => Vec::new(),
        Err(error) => error.faults().iter().map(ToString::to_string).collect(),
    }
}

fn with_every_fault() -> SystemBuilder {
    let long = "q".repeat(255);
    SystemBuilder::new("http://mq, amqp://mq:99999")
        .drain_deadline(0.secs())
        .confirm_timeout(0.secs())
        .consume_fn(Queue::quorum("twice"), nothing)
        .consume_fn(Queue::quorum("twice"), nothing)
        .consume_fn(Queue::quorum(""), nothing)
        .consume_fn(Queue::quorum("amq.mine"), nothing)
        .consume_fn(Queue::quorum(&long), nothing)
        .consume_fn(
            Queue::quorum("numbers")
                .prefetch(0)
                .workers(0)
                .deadline(0.secs()),
            nothing,
        )
        .consume_fn(
            Queue::quorum("more")
                .prefetch(10)
                .concurrency(11)
                .workers(257),
            nothing,
        )
        .consume_fn(
            Queue::quorum("less").concurrency(0).delivery_limit(0),
            nothing,
        )
        .consume_fn(
            Queue::quorum("retries").retry(Retry::every(0.secs()).times(1001)),
            nothing,
        )
        .consume_fn(
            Queue::quorum("late").retry(Retry::delays([9000.hours()])),
            nothing,
        )
        .consume_fn(
            Queue::quorum("down").retry(Retry::exponential(9.secs(), 1.secs())),
            nothing,
        )
        .consume_fn(
            Queue::quorum("bound").bind("", ExchangeKind::Direct, &long),
            nothing,
        )
        .consume_fn(
            Queue::quorum("far").bind("x".repeat(256), ExchangeKind::Direct, ""),
            nothing,
        )
}

#[test]
fn build_reports_every_fault_at_once_and_names_value_and_remedy() {
    let faults = faults(with_every_fault());
    let wanted = [
        "broker address, address 1 of 2",
        "no port from 1 to 65535",
        "drain deadline is `0s`",
        "confirm timeout is `0s`",
        "`twice`",
        "queue ``: name",
        "amq.mine",
        "at most",
        "queue `numbers`: prefetch is `0`",
        "queue `numbers`: workers is `0`",
        "queue `numbers`: deadline is `0s`",
        "queue `more`: concurrency is `11`",
        "queue `more`: workers is `257`",
        "queue `less`: concurrency is `0`",
        "queue `less`: delivery limit is `0`",
        "queue `retries`: retry times is `1001`",
        "queue `retries`: retry delay is `0s`",
        "queue `late`: retry delay",
        "queue `down`: first retry delay is `9s`",
        "queue `bound`: exchange",
        "queue `far`: exchange",
    ];
    for part in wanted {
        assert!(
            faults.iter().any(|fault| fault.contains(part)),
            "{part} is not in {faults:#?}"
        );
    }
    assert!(
        faults.iter().all(|fault| fault.contains("accepted: ")),
        "{faults:#?}"
    );
}

#[test]
fn a_system_without_a_queue_is_refused() {
    let faults = faults(SystemBuilder::new("amqp://mq"));
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("consume"), "{faults:?}");
}

#[test]
fn a_system_default_that_a_queue_cannot_use_is_refused() {
    let builder = || SystemBuilder::new("amqp://mq").consume_fn(Queue::quorum("q"), nothing);
    assert!(faults(builder()).is_empty());
    assert!(faults(builder().prefetch(0))[0].contains("prefetch"));
    assert!(faults(builder().workers(0))[0].contains("workers"));
    let narrow = SystemBuilder::new("amqp://mq")
        .prefetch(5)
        .consume_fn(Queue::quorum("q").concurrency(6), nothing);
    assert!(faults(narrow)[0].contains("concurrency"));
}

#[test]
fn names_that_would_meet_on_the_broker_are_refused() {
    // The parking queue of one is the other: what failed would be handled again.
    let builder = SystemBuilder::new("amqp://mq")
        .consume_fn(Queue::quorum("orders"), nothing)
        .consume_fn(Queue::quorum("orders.failed"), nothing);
    let faults = faults(builder);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("`orders.failed`"), "{faults:?}");
}

#[test]
fn an_address_that_cannot_be_one_is_refused_before_any_dial() {
    for address in [
        "",
        " , ",
        "mq:5672",
        "http://mq",
        "amqp://",
        "amqp://:5672",
        "amqp://mq:port",
    ] {
        let builder = SystemBuilder::new(address).consume_fn(Queue::quorum("q"), nothing);
        assert_eq!(faults(builder).len(), 1, "{address}");
    }
    for address in [
        "amqp://mq",
        "amqps://a:b@mq:5671/%2f?heartbeat=3",
        "amqp://[::1]:5672/v",
    ] {
        assert!(BrokerUrl::parse(address).is_ok(), "{address}");
    }
}
