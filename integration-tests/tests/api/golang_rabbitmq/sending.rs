//! What is sent here is what a program on the package would have sent, and better kept.

use garenne::GolangRabbitmqPublisher;
use garenne::core::DelayError;
use garenne::prelude::*;
use integration_tests::{FaultProxy, Vhost, eventually};
use lapin::types::{AMQPValue, FieldTable};

use super::ground::{Ground, LATE, Runs, contract, obeys};
use super::script::{QUEUE, Script};
use crate::api::support::{Running, header};

/// A publisher for a program that consumes nothing.
async fn sender(url: &str) -> GolangRabbitmqPublisher {
    let publisher = Publisher::connect(url).await.unwrap();
    publisher.golang_rabbitmq(contract()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_on_the_package_gets_what_is_sent_on_rabbitmq() {
    send_there(&Ground::rabbit().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_on_the_package_gets_what_is_sent() {
    send_there(&Ground::embedded().await).await;
}

async fn send_there(ground: &Ground) {
    // Nobody has declared anything yet.
    let orders = sender(&ground.url()).await;
    orders.send(orders.message("now")).await.unwrap();
    let delayed = orders.message("later").expires_after(10.millis());
    orders.send_after(delayed, 1.secs()).await.unwrap();
    let script = ground.script().await;
    script.declare().await;
    script.declare_delay(1).await;

    let now = script.take(QUEUE).await.expect("its send is confirmed");
    assert_eq!(now.data, b"now");
    assert_eq!(
        (now.exchange.as_str(), now.routing_key.as_str()),
        ("shop", "placed")
    );
    assert_eq!(
        now.properties.content_type().as_ref().unwrap().as_str(),
        "text/plain"
    );
    assert_eq!(*now.properties.delivery_mode(), Some(2));
    assert_eq!(header(&now, "retry_nums"), None);

    ground.comes_to_hold(&script, QUEUE, 1).await;
    let later = script.take(QUEUE).await.unwrap();
    assert_eq!(later.data, b"later");
    assert_eq!(
        (later.exchange.as_str(), later.routing_key.as_str()),
        ("shop", "placed")
    );
    assert_eq!(
        later.properties.content_type().as_ref().unwrap().as_str(),
        "text/plain"
    );
    assert_eq!(*later.properties.delivery_mode(), Some(2));
    assert_eq!(header(&later, "retry_nums"), Some(AMQPValue::LongInt(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_uses_what_the_package_has_declared() {
    for names in [("shop", "placed"), ("", "orders")] {
        let ground = Ground::embedded().await;
        let script = Script::connect(&ground.url(), names.0, names.1).await;
        script.send_delayed("theirs", 7).await;
        let publisher = Publisher::connect(ground.url()).await.unwrap();
        let shape =
            garenne::GolangRabbitmq::new(QUEUE).exchange(names.0, ExchangeKind::Direct, names.1);
        let orders = publisher.golang_rabbitmq(shape).unwrap();
        orders
            .send_after(orders.message("ours"), 7.secs())
            .await
            .unwrap();
        ground.comes_to_hold(&script, QUEUE, 2).await;
    }
}

/// A delayed message of the package is transient, and gone when the broker restarts.
#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_message_outlives_the_broker() {
    let ground = Ground::embedded().await;
    let orders = sender(&ground.url()).await;
    orders
        .send_after(orders.message("later"), 30.secs())
        .await
        .unwrap();
    ground.broker().faults().crash_and_restart().await.unwrap();
    let script = ground.script().await;
    ground.comes_to_hold(&script, QUEUE, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_somebody_deleted_is_declared_again_and_nothing_is_lost() {
    let ground = Ground::embedded().await;
    let script = ground.script().await;
    let orders = sender(&ground.url()).await;
    orders
        .send_after(orders.message("first"), 5.secs())
        .await
        .unwrap();
    orders.send(orders.message("second")).await.unwrap();
    for queue in [QUEUE, "orders_delay_5"] {
        script.delete(queue).await;
    }
    orders
        .send_after(orders.message("third"), 5.secs())
        .await
        .unwrap();
    orders.send(orders.message("fourth")).await.unwrap();
    ground.comes_to_hold(&script, QUEUE, 2).await;
}

/// The package has the second of two different declarations close the channel, sees no error, and
/// sends into nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_delay_queue_with_other_arguments_is_an_error_that_names_them() {
    let ground = Ground::embedded().await;
    let script = ground.script().await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(5));
    script.declare_queue("orders_delay_5", arguments).await;
    let orders = sender(&ground.url()).await;
    let sending = orders.send_after(orders.message("later"), 5.secs());
    let error = sending.await.unwrap_err();
    assert!(matches!(error, PublishError::Refused { .. }), "{error:?}");
    assert!(!error.is_transient());
    for told in ["orders_delay_5", "x-message-ttl", "5000"] {
        assert!(error.to_string().contains(told), "{error}");
    }
    // What does not need that queue is sent.
    orders.send(orders.message("now")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_queue_can_be_called_or_wait_for_is_refused_before_anything_is_sent() {
    let ground = Ground::embedded().await;
    let publisher = Publisher::connect(ground.url()).await.unwrap();
    assert!(publisher.golang_rabbitmq("").is_err());
    let error = publisher.golang_rabbitmq("q".repeat(242)).unwrap_err();
    assert_eq!(error.faults().len(), 1);
    let orders = publisher.golang_rabbitmq(contract()).unwrap();
    for wrong in [999.millis(), 5_000_000.secs()] {
        let error = orders.send_after(orders.message("x"), wrong).await;
        let error = error.unwrap_err();
        assert!(matches!(error, PublishError::Delay(_)), "{error:?}");
    }
    let copied = orders.message("x").header("CC", "audit");
    let error = orders.send_after(copied, 1.secs()).await.unwrap_err();
    let expected = DelayError::SenderSelected { header: "CC" };
    assert_eq!(error, PublishError::Delay(expected));
    assert!(ground.broker().queues().await.unwrap().is_empty());
}

/// The package opens a connection for each message.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_messages_of_both_kinds_take_one_connection() {
    let ground = Ground::embedded().await;
    let proxy = FaultProxy::before_port(ground.broker().addr().port()).await;
    let orders = sender(&proxy.url("/")).await;
    let sends = (0..50).map(|_| async {
        orders.send(orders.message("now")).await?;
        orders.send_after(orders.message("later"), 600.secs()).await
    });
    for sent in futures_util::future::join_all(sends).await {
        sent.unwrap();
    }
    assert_eq!(proxy.accepted(), 1);
    let script = ground.script().await;
    assert_eq!(script.ready(QUEUE).await, 50);
    assert_eq!(script.ready("orders_delay_600").await, 50);
}

/// Delay queues of the package stay for ever. Their arguments leave only a policy to end them.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_ends_delay_queues_that_are_not_used_and_no_message_with_them() {
    let vhost = Vhost::new().await;
    let policy = format!(
        r#"rabbit_policy:set(<<"{}">>, <<"delays">>, <<"_delay_[0-9]+$">>, [{{<<"expires">>, 4000}}], 0, <<"queues">>, <<"guest">>)"#,
        vhost.name()
    );
    vhost.node().eval(&policy).await.unwrap();
    let ground = Ground::Rabbit(vhost.clone());
    let script = ground.script().await;
    let orders = sender(&ground.url()).await;
    for nth in 1..=2 {
        orders
            .send_after(orders.message("later"), 1.secs())
            .await
            .unwrap();
        ground.comes_to_hold(&script, QUEUE, nth).await;
        eventually(LATE, "the queue is gone", async || {
            match vhost.queue("orders_delay_1").await {
                Ok(depth) => Err(format!("{depth:?}")),
                Err(_) => Ok(()),
            }
        })
        .await;
    }
}

/// garenne's own delays have no queue for each, and end in a shared queue as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_any_delay_of_garennes_own_reaches_the_shared_queue() {
    let ground = Ground::embedded().await;
    let script = ground.script().await;
    script.declare().await;
    let runs = Runs::default();
    let queue = Queue::golang_rabbitmq(contract());
    let running = Running::consuming(ground.system().consume_fn(queue, obeys(&runs))).await;
    let message = Outgoing::to_queue(QUEUE, "doomed");
    running
        .publisher()
        .send_after(message, 90.secs())
        .await
        .unwrap();
    ground.comes_to_hold(&script, "orders.failed", 1).await;
    let attempts: Vec<_> = runs.all().into_iter().map(|(_, attempt)| attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4]);
    running.stop().await;
}
