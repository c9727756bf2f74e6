//! Refusals that a roll-out brings about and time mends.

use garenne::core::StopReason;
use garenne::prelude::*;
use integration_tests::eventually;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::FieldTable;

use crate::api::logs;
use crate::api::support::{Place, Running, SOON, nothing};

/// Waits until the log says all of these on one line.
async fn said(words: &[&str]) {
    eventually(
        SOON,
        &format!("{words:?} is logged"),
        async || match logs::lines_with(words).is_empty() {
            false => Ok(()),
            true => Err("not yet".to_owned()),
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_consumer_elsewhere_is_waited_for() {
    let place = Place::new().await;
    let name = format!("exclusive-{}", place.vhost.name());
    place.client.declare(&name, &[]).await;
    let before = place.client.new_channel().await;
    let exclusive = BasicConsumeOptions {
        exclusive: true,
        ..BasicConsumeOptions::default()
    };
    let arguments = FieldTable::default();
    let consuming = before.basic_consume(name.as_str().into(), "".into(), exclusive, arguments);
    let _consumer = consuming.await.unwrap();
    let queue = Queue::classic(&name).declare(Declare::Verify);
    let running = Running::started(place.system().consume_fn(queue, nothing));
    said(&[
        "worker_refused",
        &name,
        "perhaps one that this service replaces",
    ])
    .await;
    before.close(200, "rolled out".into()).await.unwrap();
    running
        .until("it consumes", garenne::status::Status::is_ready)
        .await;
    place.send(&name, ["x"]).await;
    running.acked(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_another_connection_is_waited_for() {
    let place = Place::new().await;
    let name = format!("theirs-{}", place.vhost.name());
    let theirs = integration_tests::Client::connect(&place.vhost.url()).await;
    let exclusive = QueueDeclareOptions {
        exclusive: true,
        ..QueueDeclareOptions::default()
    };
    let declaring =
        theirs
            .channel()
            .queue_declare(name.as_str().into(), exclusive, FieldTable::default());
    declaring.await.unwrap();
    let running = Running::started(place.system().consume_fn(Queue::classic(&name), nothing));
    said(&[
        "link_attempt_failed",
        &name,
        "RESOURCE_LOCKED",
        "the broker is there",
    ])
    .await;
    drop(theirs);
    running
        .until("it consumes", garenne::status::Status::is_ready)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_queues_is_told_as_one_and_waited_for() {
    let place = Place::new().await;
    let (node, vhost) = (place.vhost.node(), place.vhost.name());
    let limit =
        |limits: &str| format!("rabbit_vhost_limit:set(<<\"{vhost}\">>, [{limits}], <<\"test\">>)");
    node.eval(&limit("{<<\"max-queues\">>, 0}")).await.unwrap();
    let name = format!("limited-{vhost}");
    let builder = place.system().outage_window("1s".parse().unwrap());
    let running = Running::started(builder.consume_fn(Queue::quorum(&name), nothing));
    let reason = running.stopped().await;
    assert!(matches!(reason, StopReason::GaveUp(_)), "{reason:?}");
    let said = reason.to_string();
    for word in ["queue limit", "set_vhost_limits"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let running = Running::started(place.system().consume_fn(Queue::quorum(&name), nothing));
    node.eval(&limit("")).await.unwrap();
    running
        .until("it consumes", garenne::status::Status::is_ready)
        .await;
}
