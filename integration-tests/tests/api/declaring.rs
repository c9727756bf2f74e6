//! What a system does about queues that are there, or are not.

use garenne::core::StopReason;
use garenne::prelude::*;
use integration_tests::{Client, eventually};
use lapin::types::AMQPValue;

use super::logs;
use super::support::{Place, Running, SOON, Seen, id, nothing, text};

fn quorum() -> (&'static str, AMQPValue) {
    ("x-queue-type", AMQPValue::LongString("quorum".into()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_other_arguments_is_refused_with_78_and_says_in_what_it_differs() {
    let place = Place::new().await;
    let limited = ("x-max-length", AMQPValue::LongInt(7));
    place.client.declare("orders", &[quorum(), limited]).await;
    let running = Running::started(place.system().consume_fn(Queue::quorum("orders"), nothing));
    let reason = running.stopped().await;
    assert!(matches!(reason, StopReason::Configuration(_)), "{reason:?}");
    assert_eq!(reason.code(), 78);
    let text = reason.to_string();
    assert!(
        text.contains("`orders`") && text.contains("Declare::Verify"),
        "{text}"
    );
    // A service that cannot work leaves nothing behind.
    assert!(place.vhost.queue("orders.failed").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_adopts_a_queue_with_other_arguments_and_says_what_it_lacks() {
    let place = Place::new().await;
    // Names of its own: logs are shared by all tests of this process.
    let name = format!("adopted-{}", place.vhost.name());
    let (parking, lane) = (format!("{name}.failed"), format!("{name}.retry.100ms"));
    place
        .client
        .declare(&name, &[("x-max-length", AMQPValue::LongInt(1000))])
        .await;
    place.client.declare(&parking, &[quorum()]).await;
    let dead_letters = [
        ("x-message-ttl", AMQPValue::LongInt(100)),
        ("x-dead-letter-exchange", AMQPValue::LongString("".into())),
        (
            "x-dead-letter-routing-key",
            AMQPValue::LongString(name.as_str().into()),
        ),
    ];
    place.client.declare(&lane, &dead_letters).await;
    let attempts = Seen::default();
    let queue = Queue::quorum(&name)
        .declare(Declare::Verify)
        .retry(Retry::every(100.millis()).times(1));
    let builder = place.system().consume_fn(queue, {
        let attempts = attempts.clone();
        move |order: Delivery<Text>| {
            attempts.note(order.attempt().number());
            async { Err::<(), _>(Failure::transient("no")) }
        }
    });
    let running = Running::consuming(builder).await;
    place.send(&name, ["x"]).await;
    let parked = place.take_one(&parking).await;
    assert_eq!(text(&parked, "fail-reason"), "exhausted");
    assert_eq!(attempts.all(), [1, 2]);
    running.acked(2).await;
    let warnings = logs::lines_with(&["WARN", "queue_adopted", &name]);
    assert!(!warnings.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_creates_nothing_and_refuses_what_is_missing_with_78() {
    let place = Place::new().await;
    let queue = Queue::quorum("orders").declare(Declare::Verify);
    let running = Running::started(place.system().consume_fn(queue.clone(), nothing));
    let reason = running.stopped().await;
    assert_eq!(reason.code(), 78, "{reason}");
    assert!(reason.to_string().contains("orders"), "{reason}");
    assert!(place.vhost.queue("orders").await.is_err());
    assert!(place.vhost.queue("orders.failed").await.is_err());
    // What one service created, another may verify.
    let creator = place.system().consume_fn(Queue::quorum("orders"), nothing);
    Running::consuming(creator).await.stop().await;
    let running = Running::consuming(place.system().consume_fn(queue, nothing)).await;
    place.send("orders", ["x"]).await;
    running.acked(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn off_consumes_from_what_is_there_and_declares_nothing() {
    let place = Place::new().await;
    place.client.declare("orders", &[]).await;
    let queue = Queue::quorum("orders").declare(Declare::Off);
    let running = Running::consuming(place.system().consume_fn(queue, nothing)).await;
    place.send("orders", ["x"]).await;
    running.acked(1).await;
    let queues = place.vhost.node().queues(place.vhost.name()).await.unwrap();
    assert_eq!(queues.len(), 1, "{queues:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_only_read_and_write_can_work_with_verify() {
    let place = Place::new().await;
    let retry = Retry::every(100.millis()).times(1);
    let queue = Queue::quorum("orders").retry(retry.clone());
    Running::consuming(place.system().consume_fn(queue, nothing))
        .await
        .stop()
        .await;

    let url = place.reader_url().await;
    let attempts = Seen::default();
    let queue = Queue::quorum("orders")
        .declare(Declare::Verify)
        .retry(retry);
    let builder = SystemBuilder::new(url).consume_fn(queue, {
        let attempts = attempts.clone();
        move |order: Delivery<Text>| {
            attempts.note(order.attempt().number());
            async move {
                match &**order {
                    // A lane that it may not declare: the next longer one serves, or the longest.
                    "own delay" => Err(Failure::retry_after(7.secs(), "busy")),
                    _ => Err(Failure::transient("no")),
                }
            }
        }
    });
    let running = Running::consuming(builder).await;
    place.send("orders", ["policy", "own delay"]).await;
    place.holds("orders.failed", 2).await;
    assert_eq!(attempts.all().len(), 4);
    running.acked(4).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_bound_to_exchanges_gets_what_they_route_to_it() {
    let place = Place::new().await;
    let seen = Seen::default();
    let queue = Queue::quorum("orders")
        .bind("topic", ExchangeKind::Topic, "order.*.new")
        .bind("fanout", ExchangeKind::Fanout, "")
        .bind("direct", ExchangeKind::Direct, "one")
        .bind("direct", ExchangeKind::Direct, "two");
    let builder = place.system().consume_fn(queue, {
        let seen = seen.clone();
        move |order: Delivery<Text>| {
            seen.note((order.exchange().to_owned(), order.routing_key().to_owned()));
            async { Ok::<(), Failure>(()) }
        }
    });
    let running = Running::consuming(builder).await;
    let publisher = running.publisher();
    let routed = [
        ("topic", "order.eu.new"),
        ("fanout", "any"),
        ("direct", "one"),
        ("direct", "two"),
        ("", "orders"),
    ];
    for (exchange, key) in routed {
        publisher
            .send(Outgoing::to_exchange(exchange, key, "x"))
            .await
            .unwrap();
    }
    let unrouted = publisher
        .send(Outgoing::to_exchange("topic", "order.new", "x"))
        .await;
    assert!(
        matches!(unrouted, Err(PublishError::Unroutable { .. })),
        "{unrouted:?}"
    );
    let mut expected: Vec<_> = routed.map(|(e, k)| (e.to_owned(), k.to_owned())).to_vec();
    let mut seen = seen.reach(5).await;
    seen.sort_unstable();
    expected.sort_unstable();
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_of_another_type_is_refused_with_78() {
    let place = Place::new().await;
    let queue = |kind| Queue::quorum("orders").bind("shop", kind, "k");
    let first = place
        .system()
        .consume_fn(queue(ExchangeKind::Direct), nothing);
    Running::consuming(first).await.stop().await;
    let second = place
        .system()
        .consume_fn(queue(ExchangeKind::Topic), nothing);
    let reason = Running::started(second).stopped().await;
    assert_eq!(reason.code(), 78, "{reason}");
    assert!(reason.to_string().contains("shop"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_deleted_under_its_consumer_is_declared_and_consumed_again() {
    let place = Place::new().await;
    let builder = place.system().consume_fn(Queue::quorum("orders"), nothing);
    let running = Running::consuming(builder).await;
    place.send("orders", ["before"]).await;
    running.acked(1).await;
    let deleted = place
        .client
        .channel()
        .queue_delete("orders".into(), Default::default());
    deleted.await.unwrap();
    eventually(SOON, "it is consumed again", async || {
        match place.vhost.queue("orders").await?.consumers {
            1 => Ok(()),
            other => Err(format!("{other} consumers")),
        }
    })
    .await;
    let client = Client::connect(&place.vhost.url()).await;
    client.publish("", "orders", b"after", id("after")).await;
    running.acked(2).await;
}
