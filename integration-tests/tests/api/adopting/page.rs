//! The steps of `docs/replace-an-existing-consumer.md`, one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use garenne::admin::{BrokerAdmin, Declared};
use garenne::core::{Entity, StopReason};
use garenne::prelude::*;
use integration_tests::eventually;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
    BasicQosOptions,
};
use lapin::types::{AMQPValue, FieldTable};

use crate::api::support::{Place, Running, SOON, nothing, text};

/// A consumer as people write it.
async fn old_consumer(place: &Place, handled: &Arc<AtomicU64>) -> lapin::Channel {
    let channel = place.client.new_channel().await;
    let prefetch = channel.basic_qos(1, BasicQosOptions::default());
    prefetch.await.unwrap();
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let consuming = channel.basic_consume("orders".into(), "old".into(), options, arguments);
    let mut consumer = consuming.await.unwrap();
    let handled = Arc::clone(handled);
    tokio::spawn(async move {
        while let Some(Ok(message)) = consumer.next().await {
            handled.fetch_add(1, Ordering::Relaxed);
            let _ = message.ack(BasicAckOptions::default()).await;
        }
    });
    channel
}

/// Gives the message at the head back until the broker has had enough.
async fn wear_out(place: &Place) {
    let channel = place.client.new_channel().await;
    eventually(SOON, "it reaches the delivery limit", async || {
        let getting = channel.basic_get("orders".into(), BasicGetOptions::default());
        let got = getting.await.map_err(|error| error.to_string())?;
        let Some(message) = got else { return Ok(()) };
        let requeue = BasicNackOptions {
            requeue: true,
            ..BasicNackOptions::default()
        };
        let returned = message.nack(requeue).await;
        returned.map_err(|error| error.to_string())?;
        Err("it came back".to_owned())
    })
    .await;
}

/// Makes lanes and parking queue of a queue that is there, and differs from what garenne would make.
async fn declare_what_is_missing(place: &Place, adopted: &Queue) {
    let admin = BrokerAdmin::connect(Some(&place.vhost.url()))
        .await
        .unwrap();
    let declared = admin.declare_each(adopted).await.unwrap();
    admin.close().await;
    let name = |entity: &Entity| match entity {
        Entity::Queue(queue) => queue.name.clone(),
        other => panic!("{other:?}"),
    };
    for (entity, declared) in &declared {
        match (name(entity).as_str(), declared) {
            ("orders", Declared::Adopted { differences }) => {
                let differs = |argument: &str| differences.iter().any(|d| d.argument == argument);
                assert!(differs("x-delivery-limit") && differs("x-dead-letter-exchange"));
            }
            ("orders.failed" | "orders.retry.20s", Declared::Made) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_written_by_hand_is_replaced_step_by_step() {
    let place = Place::new().await;
    let own = [
        ("x-queue-type", AMQPValue::LongString("quorum".into())),
        ("x-delivery-limit", AMQPValue::LongInt(2)),
    ];
    place.client.declare("orders", &own).await;
    let by_old = Arc::<AtomicU64>::default();
    let old = old_consumer(&place, &by_old).await;

    // As it is, garenne does not touch it, and says what to do.
    let refused = place.system().consume_fn(Queue::quorum("orders"), nothing);
    let reason = Running::started(refused).stopped().await;
    assert!(matches!(reason, StopReason::Configuration(_)), "{reason}");
    assert!(reason.to_string().contains("`Declare::Verify`"), "{reason}");

    // Lanes and parking queue, made by somebody who may.
    let adopted = Queue::quorum("orders").declare(Declare::Verify);
    declare_what_is_missing(&place, &adopted).await;

    // Side by side, with no more rights than to read and write.
    let url = place.reader_url().await;
    let new = SystemBuilder::new(url).consume_fn(adopted, nothing);
    let new = Running::consuming(new).await;
    let bodies: Vec<_> = (0..40).map(|n| n.to_string()).collect();
    place
        .send("orders", bodies.iter().map(String::as_str))
        .await;
    let both = || by_old.load(Ordering::Relaxed) + new.counts().acked;
    eventually(SOON, "all are handled", async || match both() {
        40 => Ok(()),
        other => Err(format!("{other}")),
    })
    .await;
    assert!(
        by_old.load(Ordering::Relaxed) > 0,
        "the old one takes its share"
    );

    // The old one goes; the new one takes all.
    let before = new.counts().acked;
    let cancelled = old.basic_cancel("old".into(), BasicCancelOptions::default());
    cancelled.await.unwrap();
    place.send("orders", ["alone"]).await;
    new.acked(before + 1).await;
    new.stop().await;

    // A policy gives the queue what it lacks, without declaring it again.
    let definition = r#"{\"dead-letter-exchange\":\"\",\"dead-letter-routing-key\":\"orders.failed\",\"dead-letter-strategy\":\"at-least-once\",\"overflow\":\"reject-publish\"}"#;
    let vhost = place.vhost.name();
    let policy = format!(
        "rabbit_policy:parse_set(<<\"{vhost}\">>, <<\"orders\">>, <<\"^orders$\">>, <<\"{definition}\">>, <<\"0\">>, <<\"queues\">>, <<\"test\">>)"
    );
    place.vhost.node().eval(&policy).await.unwrap();
    place.send("orders", ["killer"]).await;
    wear_out(&place).await;
    let parked = place.take_one("orders.failed").await;
    assert_eq!(parked.data, b"killer");
    assert_eq!(text(&parked, "x-first-death-reason"), "delivery_limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_moves_to_a_queue_of_its_own_while_messages_come() {
    let place = Place::new().await;
    let own = [("x-queue-type", AMQPValue::LongString("classic".into()))];
    place.client.declare("orders", &own).await;
    let publisher = Publisher::connect(place.vhost.url()).await.unwrap();
    let shop = Topology::new()
        .exchange("shop", ExchangeKind::Topic)
        .bind("orders", "shop", "order.#");
    publisher.declare(shop).await.unwrap();
    let order = || Outgoing::to_exchange("shop", "order.new", "x");
    publisher.send(order()).await.unwrap();

    let queue = Queue::quorum("orders.v2").bind("shop", ExchangeKind::Topic, "order.#");
    let new = Running::consuming(place.system().consume_fn(queue, nothing)).await;
    let channel = place.client.new_channel().await;
    let unbound = channel.queue_unbind(
        "orders".into(),
        "shop".into(),
        "order.#".into(),
        FieldTable::default(),
    );
    unbound.await.unwrap();
    publisher.send(order()).await.unwrap();
    new.acked(1).await;
    place.holds("orders", 1).await;
    publisher.close().await;
}
