use std::time::Duration;

use garenne_broker::MessageView;
use lapin::options::{BasicGetOptions, BasicNackOptions};
use lapin::types::{AMQPValue, FieldTable};

use crate::support::{
    broker, confirming, consume, declare, int, next, persistent, publish, send, table, text,
    waiting,
};

const SECOND: Duration = Duration::from_secs(1);

fn headers(message: &MessageView) -> FieldTable {
    message.properties.headers().clone().unwrap_or_default()
}

/// The entries of `x-death`: queue, reason, count.
fn deaths(message: &MessageView) -> Vec<(String, String, i64)> {
    let headers = headers(message);
    let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get("x-death") else {
        return Vec::new();
    };
    let death = |death: &AMQPValue| {
        let AMQPValue::FieldTable(death) = death else {
            panic!("{death:?}")
        };
        let text = |key: &str| match &death.inner()[key] {
            AMQPValue::LongString(text) => text.to_string(),
            other => panic!("{other:?}"),
        };
        let AMQPValue::LongLongInt(count) = death.inner()["count"] else {
            panic!("{death:?}")
        };
        (text("queue"), text("reason"), count)
    };
    deaths.as_slice().iter().map(death).collect()
}

#[tokio::test]
async fn a_rejected_message_goes_to_its_exchange_with_its_history() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "dead", &[]).await;
    let target = [
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("dead")),
    ];
    declare(&channel, "q", &target).await;
    let forged = table(&[
        ("x-death", text("a client's own word")),
        ("mine", text("kept")),
    ]);
    publish(&channel, "", "q", "m", persistent().with_headers(forged)).await;
    let delivery = next(&mut consume(&channel, "q", 1).await).await;
    delivery.nack(BasicNackOptions::default()).await.unwrap();
    broker
        .wait_until(|view| view.ready("dead") == 1)
        .await
        .unwrap();
    let dead = broker.messages("dead").await.unwrap().remove(0);
    assert_eq!(deaths(&dead), [("q".to_owned(), "rejected".to_owned(), 1)]);
    let headers = headers(&dead);
    for (key, value) in [
        ("x-first-death-queue", "q"),
        ("x-first-death-reason", "rejected"),
        ("x-first-death-exchange", ""),
        ("x-last-death-queue", "q"),
        ("mine", "kept"),
    ] {
        assert_eq!(headers.inner()[key], text(value), "{key}");
    }
    assert!(!dead.redelivered);
}

#[tokio::test]
async fn a_ttl_of_the_queue_or_the_message_ends_at_the_head_only() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "dead", &[]).await;
    let arguments = [
        ("x-message-ttl", int(20_000)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("dead")),
    ];
    declare(&channel, "q", &arguments).await;
    send(&channel, "q", "long").await;
    let short = persistent().with_expiration("1000".into());
    publish(&channel, "", "q", "short", short).await;
    broker.advance(5 * SECOND).await.unwrap();
    assert_eq!(
        waiting(&broker, "q").await,
        ["long", "short"],
        "the short waits behind the long"
    );
    broker.advance(20 * SECOND).await.unwrap();
    assert_eq!(waiting(&broker, "dead").await, ["long", "short"]);
    let messages = broker.messages("dead").await.unwrap();
    let headers = headers(&messages[1]);
    let AMQPValue::FieldArray(death) = &headers.inner()["x-death"] else {
        panic!()
    };
    let AMQPValue::FieldTable(death) = &death.as_slice()[0] else {
        panic!()
    };
    assert_eq!(death.inner()["original-expiration"], text("1000"));
    assert!(
        messages[1].properties.expiration().is_none(),
        "it counts for one queue only"
    );
}

#[tokio::test]
async fn what_overflows_is_dead_lettered_with_maxlen() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "dead", &[]).await;
    let arguments = [
        ("x-max-length", int(1)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("dead")),
    ];
    declare(&channel, "q", &arguments).await;
    send(&channel, "q", "first").await;
    send(&channel, "q", "second").await;
    assert_eq!(waiting(&broker, "dead").await, ["first"]);
    let dead = broker.messages("dead").await.unwrap().remove(0);
    assert_eq!(deaths(&dead), [("q".to_owned(), "maxlen".to_owned(), 1)]);
}

#[tokio::test]
async fn a_ladder_counts_its_rounds_in_one_entry_for_each_queue_and_reason() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    let to = |queue| {
        [
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text(queue)),
        ]
    };
    declare(&channel, "q", &to("lane")).await;
    let [exchange, key] = to("q");
    declare(
        &channel,
        "lane",
        &[exchange, key, ("x-message-ttl", int(20_000))],
    )
    .await;
    send(&channel, "q", "m").await;
    for round in 1..=3 {
        let get = channel
            .basic_get("q".into(), BasicGetOptions::default())
            .await
            .unwrap();
        get.unwrap()
            .nack(BasicNackOptions::default())
            .await
            .unwrap();
        broker
            .wait_until(|view| view.ready("lane") == 1)
            .await
            .unwrap();
        broker.advance(20 * SECOND).await.unwrap();
        let message = broker.messages("q").await.unwrap().remove(0);
        let expected = [("lane", "expired", round), ("q", "rejected", round)]
            .map(|(queue, reason, count)| (queue.to_owned(), reason.to_owned(), count));
        assert_eq!(deaths(&message), expected);
    }
}

#[tokio::test]
async fn a_circle_that_no_client_broke_drops_the_message() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    let arguments = |to| {
        [
            ("x-message-ttl", int(1000)),
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text(to)),
        ]
    };
    declare(&channel, "a", &arguments("b")).await;
    declare(&channel, "b", &arguments("a")).await;
    send(&channel, "a", "m").await;
    broker.advance(SECOND).await.unwrap();
    assert_eq!(waiting(&broker, "b").await, ["m"]);
    broker.advance(SECOND).await.unwrap();
    assert!(waiting(&broker, "a").await.is_empty());
    assert!(waiting(&broker, "b").await.is_empty());
}

#[tokio::test]
async fn at_least_once_keeps_a_dead_letter_until_its_target_is_there() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    let arguments = [
        ("x-queue-type", text("quorum")),
        ("x-message-ttl", int(1000)),
        ("x-overflow", text("reject-publish")),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("later")),
    ];
    declare(&channel, "q", &arguments).await;
    send(&channel, "q", "m").await;
    broker.advance(SECOND).await.unwrap();
    assert_eq!(broker.queue("q").await.unwrap().stranded, 1);
    declare(&channel, "later", &[]).await;
    broker.advance(180 * SECOND).await.unwrap();
    assert_eq!(waiting(&broker, "later").await, ["m"]);
    assert_eq!(broker.queue("q").await.unwrap().stranded, 0);
}
