//! Who declares first does not matter, and what differs is said once.

use garenne::GolangRabbitmq;
use garenne::core::StopReason;
use garenne::prelude::*;
use lapin::types::{AMQPValue, FieldTable};

use super::ground::{Ground, Runs, contract, obeys};
use super::script::{QUEUE, RETRY, Script};
use crate::api::support::{Running, nothing};

/// The package's `ExName` and `RtKey`, in every way that they may be set.
const SHAPES: [(&str, &str); 4] = [("shop", "placed"), ("", "orders"), ("", ""), ("shop", "")];

fn shape((exchange, key): (&'static str, &'static str)) -> GolangRabbitmq {
    GolangRabbitmq::new(QUEUE).exchange(exchange, ExchangeKind::Direct, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn either_side_may_declare_first_on_rabbitmq() {
    for names in SHAPES {
        declare_in_turn([Ground::rabbit().await, Ground::rabbit().await], names).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn either_side_may_declare_first() {
    for names in SHAPES {
        declare_in_turn([Ground::embedded().await, Ground::embedded().await], names).await;
    }
}

async fn declare_in_turn([here, there]: [Ground; 2], names: (&'static str, &'static str)) {
    let system = |ground: &Ground| {
        let queue = Queue::golang_rabbitmq(shape(names));
        ground.system().consume_fn(queue, nothing)
    };
    let running = Running::consuming(system(&here)).await;
    let script = Script::connect(&here.url(), names.0, names.1).await;
    script.declare().await;
    script.declare_retry().await;
    running.stop().await;

    let script = Script::connect(&there.url(), names.0, names.1).await;
    script.declare().await;
    script.declare_retry().await;
    let running = Running::consuming(system(&there)).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_come_back_however_the_names_are_set() {
    for names in SHAPES {
        let ground = Ground::embedded().await;
        let script = Script::connect(&ground.url(), names.0, names.1).await;
        script.send("doomed").await;
        let runs = Runs::default();
        let queue = Queue::golang_rabbitmq(shape(names));
        let system = ground.system().consume_fn(queue, obeys(&runs));
        let running = Running::consuming(system).await;
        ground.comes_to_hold(&script, "orders.failed", 1).await;
        let attempts: Vec<_> = runs.all().into_iter().map(|(_, attempt)| attempt).collect();
        assert_eq!(attempts, [1, 2, 3, 4], "{names:?}");
        running.stop().await;
    }
}

/// The package does not say what type its queues are of, so the virtual host does.
#[tokio::test(flavor = "multi_thread")]
async fn the_virtual_hosts_default_queue_type_is_that_of_the_shared_queues() {
    let ground = Ground::rabbit_with_default_type("quorum").await;
    let script = ground.script().await;
    script.declare().await;
    script.declare_retry().await;
    let queue = Queue::golang_rabbitmq(contract());
    let running = Running::consuming(ground.system().consume_fn(queue, nothing)).await;
    running.stop().await;
}

/// An operator may change the default under queues that are there: the package then cannot declare
/// them any more.
#[tokio::test(flavor = "multi_thread")]
async fn classic_queues_are_used_where_the_default_type_became_another() {
    let ground = Ground::rabbit_with_default_type("quorum").await;
    let script = ground.script().await;
    let mut classic = FieldTable::default();
    classic.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("classic".into()),
    );
    script.declare_queue(QUEUE, classic).await;
    let runs = Runs::default();
    let queue = Queue::golang_rabbitmq(contract());
    let system = ground.system().consume_fn(queue, obeys(&runs));
    let running = Running::consuming(system).await;
    script
        .publish("shop", "placed", "fresh", Default::default())
        .await;
    runs.reach(1).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_queue_with_another_ttl_is_refused_once_with_both_values() {
    let ground = Ground::embedded().await;
    let script = changed_ttl(&ground).await;
    let queue = Queue::golang_rabbitmq(contract());
    let running = Running::started(ground.system().consume_fn(queue, nothing));
    let reason = running.stopped().await;
    assert!(matches!(reason, StopReason::Configuration(_)), "{reason:?}");
    assert_eq!(reason.code(), 78);
    let text = reason.to_string();
    for told in [RETRY, "x-message-ttl", "20000", "5000"] {
        assert!(text.contains(told), "{text}");
    }
    drop(script);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_delay_is_another_lane_and_no_conflict() {
    let ground = Ground::embedded().await;
    let script = changed_ttl(&ground).await;
    let runs = Runs::default();
    let queue = Queue::golang_rabbitmq(contract()).retry(Retry::every(7.secs()).times(1));
    let system = ground.system().consume_fn(queue, obeys(&runs));
    let running = Running::consuming(system).await;
    script
        .publish("", QUEUE, "doomed", Default::default())
        .await;
    ground.holds(&script, "orders.retry.7s", 1).await;
    ground.comes_to_hold(&script, "orders.failed", 1).await;
    assert_eq!(runs.all().len(), 2);
    running.stop().await;
}

/// A fork of the package that waits 5 s.
async fn changed_ttl(ground: &Ground) -> Script {
    let script = ground.script().await;
    script.declare().await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(5_000));
    arguments.insert(
        "x-dead-letter-exchange".into(),
        AMQPValue::LongString("shop".into()),
    );
    arguments.insert(
        "x-dead-letter-routing-key".into(),
        AMQPValue::LongString("placed".into()),
    );
    script.declare_queue(RETRY, arguments).await;
    script
}
