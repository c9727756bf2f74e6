//! What the package gets wrong, point by point, and what happens here on the same queues.
//!
//! How long an outage may last, and that each has a window of its own, is decided without knowing
//! queues at all: see the tests of `Outage` in `garenne-core`.

use garenne::prelude::*;
use garenne::status::Status;
use garenne_broker::How;
use integration_tests::{FaultProxy, eventually};
use lapin::types::{AMQPValue, FieldTable};

use super::ground::{Ground, LATE, Runs, contract, obeys};
use super::script::{QUEUE, RETRY, plain};
use crate::api::support::{DropGuard, Gate, Running, Seen, text};
use crate::support::{assert_kept, rich_properties};

fn queue() -> Queue {
    Queue::golang_rabbitmq(contract())
}

/// The package publishes the copy without a confirm, then acks it and whatever came before.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_dies_before_it_confirms_a_copy_loses_neither_it_nor_its_neighbour() {
    let ground = Ground::embedded().await;
    let (broker, script) = (ground.broker(), ground.script().await);
    let (runs, gate) = (Runs::default(), Gate::closed());
    let obey = obeys(&runs);
    let system = ground.system().consume_fn(queue(), {
        let gate = gate.clone();
        move |order: Delivery<Text>| {
            let gate = gate.clone();
            let slow = order.contains("slow");
            let obeyed = obey(order);
            async move {
                if slow {
                    gate.pass().await;
                }
                obeyed.await
            }
        }
    });
    let running = Running::consuming(system).await;
    broker.faults().hold_confirms().await.unwrap();
    script
        .publish("shop", "placed", "slow", plain().with_delivery_mode(2))
        .await;
    script
        .publish("shop", "placed", "doomed", plain().with_delivery_mode(2))
        .await;
    let in_hand = |view: &garenne_broker::View| view.unacked(QUEUE) == 2 && view.ready(RETRY) == 1;
    broker.wait_until(in_hand).await.unwrap();
    drop(script);
    broker.faults().clear().await.unwrap();
    broker.faults().crash_and_restart().await.unwrap();
    gate.open();
    gate.open();
    // Both came again: the copy may be there twice, the message never not at all.
    let seen = runs.reach(4).await;
    assert_eq!(
        seen.iter().filter(|(body, _)| body == "slow").count(),
        2,
        "{seen:?}"
    );
    let settled = |view: &garenne_broker::View| {
        view.ready(QUEUE) + view.unacked(QUEUE) == 0 && view.ready(RETRY) == 2
    };
    broker.wait_until(settled).await.unwrap();
    running.stop().await;
}

/// The package's copies are transient and keep nothing but the body.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_persistent_and_keeps_every_property_and_header() {
    let ground = Ground::embedded().await;
    let script = ground.script().await;
    let runs = Runs::default();
    let running = Running::consuming(ground.system().consume_fn(queue(), obeys(&runs))).await;
    let sent = rich_properties();
    script
        .publish("shop", "placed", "doomed", sent.clone())
        .await;
    ground.holds(&script, RETRY, 1).await;
    running.stop().await;
    ground.broker().faults().crash_and_restart().await.unwrap();
    let script = ground.script().await;
    let copy = script
        .take(RETRY)
        .await
        .expect("the copy outlives the broker");
    assert_kept(&sent, &copy.properties);
}

/// The package takes a number of another width for none, and retries for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_any_width_is_counted() {
    let ground = Ground::embedded().await;
    let script = ground.script().await;
    script.declare().await;
    let threes = [
        AMQPValue::ShortShortInt(3),
        AMQPValue::ShortShortUInt(3),
        AMQPValue::ShortInt(3),
        AMQPValue::LongUInt(3),
        AMQPValue::LongLongInt(3),
        AMQPValue::LongString("3".into()),
    ];
    for three in &threes {
        let mut headers = FieldTable::default();
        headers.insert("retry_nums".into(), three.clone());
        script
            .publish("", QUEUE, "doomed", plain().with_headers(headers))
            .await;
    }
    let runs = Runs::default();
    let running = Running::consuming(ground.system().consume_fn(queue(), obeys(&runs))).await;
    ground.holds(&script, "orders.failed", 6).await;
    assert_eq!(runs.all(), vec![("doomed".to_owned(), 4); threes.len()]);
    running.stop().await;
}

struct Database;

impl Actor for Database {
    type Context = Context<Self>;
}

impl Handler<FailedMessage> for Database {
    type Result = Result<(), SinkError>;

    fn handle(&mut self, _: FailedMessage, _: &mut Self::Context) -> Self::Result {
        Err(SinkError::new("the database is down"))
    }
}

/// The package acks a message whose fail action did not succeed.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_fail_sink_cannot_store_is_parked() {
    let ground = Ground::embedded().await;
    let script = ground.script().await;
    script.declare().await;
    script.retry("doomed", 3).await;
    let runs = Runs::default();
    let system = ground
        .system()
        .fail_sink(|| Database)
        .consume_fn(queue(), obeys(&runs));
    let running = Running::consuming(system).await;
    ground.comes_to_hold(&script, "orders.failed", 1).await;
    let parked = script.take("orders.failed").await.unwrap();
    assert_eq!(parked.data, b"doomed");
    assert_eq!(text(&parked, "fail-reason"), "exhausted");
    running.stop().await;
}

/// The package ends at once then, with exit code 0.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_down_at_the_start_is_waited_for() {
    let ground = Ground::embedded().await;
    let faults = ground.broker().faults();
    let script = ground.script().await;
    script.send("fresh").await;
    drop(script);
    faults.refuse().await.unwrap();
    let impatient = ground.system().outage_window(OutageWindow::FailFast);
    let reason = Running::started(impatient.consume_fn(queue(), obeys(&Runs::default())));
    assert_eq!(reason.stopped().await.code(), 75);

    let runs = Runs::default();
    let patient = ground.system().outage_window(OutageWindow::Never);
    let running = Running::started(patient.consume_fn(queue(), obeys(&runs)));
    running
        .until("it has tried", |status| {
            status
                .outage
                .as_ref()
                .is_some_and(|outage| outage.attempts > 0)
        })
        .await;
    faults.accept().await.unwrap();
    runs.reach(1).await;
    running.stop().await;
}

/// In the package every task dials for itself, over one another's connection; and every message that
/// is sent or has failed is a connection of its own.
#[tokio::test(flavor = "multi_thread")]
async fn all_workers_and_all_copies_share_two_links_also_after_a_loss() {
    let ground = Ground::embedded().await;
    let broker = ground.broker();
    let proxy = FaultProxy::before_port(broker.addr().port()).await;
    let script = ground.script().await;
    let runs = Runs::default();
    let system = SystemBuilder::new(proxy.url("/")).consume_fn(queue().workers(4), obeys(&runs));
    let running = Running::consuming(system).await;
    for _ in 0..50 {
        script.publish("shop", "placed", "doomed", plain()).await;
    }
    running.acked(50).await;
    broker
        .wait_until(|view| view.unacked(QUEUE) == 0)
        .await
        .unwrap();
    assert_eq!(proxy.accepted(), 2);
    drop(script);

    broker.faults().drop_connections(How::Reset).await.unwrap();
    let back = |view: &garenne_broker::View| view.consumers(QUEUE) == 4 && proxy.accepted() > 2;
    broker.wait_until(back).await.unwrap();
    let script = ground.script().await;
    for _ in 0..50 {
        script.publish("shop", "placed", "doomed", plain()).await;
    }
    let retried = |status: &Status| status.queues[0].retried >= 100;
    running.until("they have failed too", retried).await;
    assert_eq!(proxy.accepted(), 4);
    running.stop().await;
}

/// A panic in its handler ends a program on the package.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_its_message_an_attempt_and_nothing_else() {
    let ground = Ground::embedded().await;
    let script = ground.script().await;
    let handled = Seen::default();
    let system = ground.system().consume_fn(queue(), {
        let handled = handled.clone();
        move |order: Delivery<Text>| {
            assert!(*order.0 != *"poison", "the handler's own fault");
            handled.note(order.into_body().0);
            async { Ok::<(), Failure>(()) }
        }
    });
    let running = Running::consuming(system).await;
    script.send("poison").await;
    script.send("fresh").await;
    handled.reach(1).await;
    ground.holds(&script, RETRY, 1).await;
    let copy = script.take(RETRY).await.unwrap();
    assert_eq!(
        (&copy.data[..], super::script::failed(&copy)),
        (&b"poison"[..], 1)
    );
    running.stop().await;
}

/// The package takes one message at a time, and drops it when its process is told to end.
#[tokio::test(flavor = "multi_thread")]
async fn many_are_handled_at_once_and_a_stop_waits_for_them() {
    let ground = Ground::embedded().await;
    let script = ground.script().await;
    let (gate, begun, ended) = (Gate::closed(), Seen::default(), Seen::default());
    let system = ground
        .system()
        .drain_deadline(600.secs())
        .consume_fn(queue(), {
            let (gate, begun, ended) = (gate.clone(), begun.clone(), ended.clone());
            move |_: Delivery<Text>| {
                let (gate, begun, ended) = (gate.clone(), begun.clone(), ended.clone());
                async move {
                    begun.note(());
                    let _cut_off = DropGuard(ended.clone(), "cut off");
                    gate.pass().await;
                    ended.note("finished");
                    Ok::<(), Failure>(())
                }
            }
        });
    let running = Running::consuming(system).await;
    for _ in 0..8 {
        script.send("fresh").await;
    }
    begun.reach(8).await;
    SystemHandle::stop(&running);
    (0..8).for_each(|_| gate.open());
    running.stopped().await;
    let finished = ended.all().iter().filter(|end| **end == "finished").count();
    assert_eq!(finished, 8);
    eventually(LATE, "nothing is left", async || {
        match script.ready(QUEUE).await {
            0 => Ok(()),
            left => Err(format!("{left} are left")),
        }
    })
    .await;
}

/// This the package gets wrong, and the contract with it: the retry queue's arguments say so.
#[tokio::test(flavor = "multi_thread")]
async fn other_queues_with_the_same_key_get_a_retried_message_too() {
    let ground = Ground::embedded().await;
    let script = ground.script().await;
    script.declare().await;
    script.declare_queue("audit", FieldTable::default()).await;
    script.bind("audit", "placed").await;
    let runs = Runs::default();
    let running = Running::consuming(ground.system().consume_fn(queue(), obeys(&runs))).await;
    script.send("doomed").await;
    ground.holds(&script, "audit", 1).await;
    ground.comes_to_hold(&script, "audit", 2).await;
    // They do not get the copy on its way into the retry queue as well: one for each attempt.
    ground.comes_to_hold(&script, "orders.failed", 1).await;
    assert_eq!(script.ready("audit").await, 4);
    running.stop().await;
}
