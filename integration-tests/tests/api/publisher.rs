//! What an answer of the publisher says is true.

use futures_util::future::join_all;
use garenne::PublishError;
use garenne::prelude::*;
use integration_tests::{FaultProxy, NodeOptions, eventually};
use lapin::types::AMQPValue;

use super::support::{Place, Running, SOON, nothing, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_sent_lies_in_its_queue_with_all_that_was_set() {
    let place = Place::new().await;
    place.client.declare("orders", &[]).await;
    let running =
        Running::consuming(place.system().consume_fn(Queue::classic("idle"), nothing)).await;
    let message = Outgoing::to_queue("orders", Json([1, 2, 3]))
        .message_id("no-7")
        .header("tenant", "eu")
        .correlation_id("cart-1")
        .app_id("shop")
        .priority(3)
        .expires_after(3.hours());
    running.publisher().send(message).await.unwrap();

    let found = place.take_one("orders").await;
    let properties = &found.properties;
    let short = |text: &str| Some(lapin::types::ShortString::from(text));
    assert_eq!(found.data, b"[1,2,3]");
    assert_eq!(text(&found, "tenant"), "eu");
    assert_eq!(*properties.message_id(), short("no-7"));
    assert_eq!(*properties.correlation_id(), short("cart-1"));
    assert_eq!(*properties.app_id(), short("shop"));
    assert_eq!(*properties.content_type(), short("application/json"));
    assert_eq!(*properties.expiration(), short("10800000"));
    assert_eq!(
        (*properties.priority(), *properties.delivery_mode()),
        (Some(3), Some(2))
    );
    assert!(properties.timestamp().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_payload_arrives_as_its_bytes() {
    let place = Place::new().await;
    place.client.declare("q", &[]).await;
    let running =
        Running::consuming(place.system().consume_fn(Queue::classic("idle"), nothing)).await;
    let publisher = running.publisher();
    publisher
        .send(Outgoing::to_queue("q", "text"))
        .await
        .unwrap();
    publisher
        .send(Outgoing::to_queue("q", "owned".to_owned()))
        .await
        .unwrap();
    publisher
        .send(Outgoing::to_queue("q", Text("wrapped".into())))
        .await
        .unwrap();
    publisher
        .send(Outgoing::to_queue("q", Bytes::from_static(b"\xff\x00")))
        .await
        .unwrap();
    publisher
        .send(Outgoing::to_queue("q", Vec::new()))
        .await
        .unwrap();
    let bodies: Vec<_> = place
        .client
        .take_all("q")
        .await
        .into_iter()
        .map(|m| m.delivery.data)
        .collect();
    assert_eq!(
        bodies,
        [&b"text"[..], b"owned", b"wrapped", b"\xff\x00", b""]
    );

    // JSON has no object whose keys are lists.
    let unencodable = Json(std::collections::BTreeMap::from([(vec![1], 1)]));
    let refused = publisher
        .send(Outgoing::to_queue("q", unencodable))
        .await
        .unwrap_err();
    assert!(matches!(refused, PublishError::Encode(_)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_frame_can_carry_is_refused_and_harms_nobody() {
    let place = Place::new().await;
    place.client.declare("q", &[]).await;
    let running =
        Running::consuming(place.system().consume_fn(Queue::classic("idle"), nothing)).await;
    let publisher = running.publisher();
    let long = "x".repeat(300);
    let too_large = [
        (
            "headers over a frame",
            Outgoing::to_queue("q", "").header("h", "x".repeat(140_000)),
        ),
        (
            "a body over the limit",
            Outgoing::to_queue("q", vec![0; 128 * 1024 * 1024 + 1]),
        ),
        (
            "a routing key over 255 bytes",
            Outgoing::to_queue(&long, ""),
        ),
        (
            "an exchange over 255 bytes",
            Outgoing::to_exchange(&long, "", ""),
        ),
        (
            "a message id over 255 bytes",
            Outgoing::to_queue("q", "").message_id(&long),
        ),
        (
            "a correlation id over 255 bytes",
            Outgoing::to_queue("q", "").correlation_id(&long),
        ),
        (
            "a content type over 255 bytes",
            Outgoing::to_queue("q", "").content_type(&long),
        ),
        (
            "an app id over 255 bytes",
            Outgoing::to_queue("q", "").app_id(&long),
        ),
        (
            "a header's name over 255 bytes",
            Outgoing::to_queue("q", "").header(&long, 1),
        ),
    ];
    let sends = too_large.into_iter().map(|(what, message)| {
        let publisher = publisher.clone();
        async move { (what, publisher.send(message).await) }
    });
    let goods = (0..50).map(|_| publisher.send(Outgoing::to_queue("q", "good")));
    let (refused, accepted) = tokio::join!(join_all(sends), join_all(goods));
    for (what, answer) in refused {
        assert!(
            matches!(answer, Err(PublishError::TooLarge { .. })),
            "{what}: {answer:?}"
        );
    }
    assert!(accepted.iter().all(Result::is_ok), "{accepted:?}");
    place.holds("q", 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_brokers_own_limit_is_too_large_and_its_neighbours_arrive() {
    super::logs::capture();
    let node = NodeOptions::new()
        .config("max_message_size = 100000")
        .start()
        .await;
    let client = integration_tests::Client::connect(&node.url("/")).await;
    client.declare("q", &[]).await;
    let builder = SystemBuilder::new(node.url("/")).consume_fn(Queue::classic("idle"), nothing);
    let running = Running::consuming(builder).await;
    let publisher = running.publisher();
    let sends = (0..200).map(|n| {
        let size = if n % 50 == 25 { 100_001 + n } else { 10 };
        publisher.send(Outgoing::to_queue("q", vec![0; size]).message_id(n.to_string()))
    });
    let answers = join_all(sends).await;
    for (n, answer) in answers.iter().enumerate() {
        match answer {
            Err(PublishError::TooLarge { .. }) if n % 50 == 25 => {}
            Ok(()) if n % 50 != 25 => {}
            _ => panic!("message {n}: {answer:?}"),
        }
    }
    // Those in flight when the channel broke may have come twice.
    let stored = node.queue("/", "q").await.unwrap().messages();
    assert!(stored >= 196, "{stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_a_full_queue_refuses_is_nacked() {
    let place = Place::new().await;
    let full = [
        ("x-max-length", AMQPValue::LongLongInt(1)),
        ("x-overflow", AMQPValue::LongString("reject-publish".into())),
    ];
    place.client.declare("full", &full).await;
    place.client.declare("q", &[]).await;
    let running =
        Running::consuming(place.system().consume_fn(Queue::classic("idle"), nothing)).await;
    let publisher = running.publisher();
    publisher
        .send(Outgoing::to_queue("full", "first"))
        .await
        .unwrap();
    let sends = (0..100).map(|n| {
        let queue = if n % 3 == 0 { "full" } else { "q" };
        publisher.send(Outgoing::to_queue(queue, n.to_string()))
    });
    for (n, answer) in join_all(sends).await.into_iter().enumerate() {
        let expected = if n % 3 == 0 {
            Err(PublishError::Nacked)
        } else {
            Ok(())
        };
        assert_eq!(answer, expected, "message {n}");
    }
    place.holds("full", 1).await;
    place.holds("q", 66).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_link_a_send_fails_at_once_and_says_that_nothing_was_sent() {
    let place = Place::new().await;
    let proxy = FaultProxy::before(place.vhost.node()).await;
    let builder = place
        .system_behind(&proxy)
        .consume_fn(Queue::classic("q"), nothing);
    let running = Running::consuming(builder).await;
    let publisher = running.publisher();
    proxy.refuse().await;
    proxy.cut().await;
    let down = eventually(SOON, "sends fail", async || {
        let answer = publisher.send(Outgoing::to_queue("q", "")).await;
        match answer {
            Err(error @ PublishError::Disconnected { sent: false, .. }) => Ok(error),
            other => Err(format!("{other:?}")),
        }
    });
    assert!(!down.await.may_be_stored());
    proxy.accept().await;
    eventually(SOON, "sends arrive again", async || {
        let answer = publisher.send(Outgoing::to_queue("q", "")).await;
        answer.map_err(|error| error.to_string())
    })
    .await;
    running.stop().await;
    let stopped = publisher.send(Outgoing::to_queue("q", "")).await;
    assert!(
        matches!(stopped, Err(PublishError::Disconnected { .. })),
        "{stopped:?}"
    );
}
