use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
    BasicQosOptions, BasicRecoverOptions, BasicRejectOptions, QueueDeleteOptions,
};
use lapin::types::AMQPValue;

use crate::support::{
    body, broker, channel, confirming, connect, consume, consume_with, declare, int, next,
    persistent, publish, send, text, waiting, within,
};

#[tokio::test]
async fn messages_come_in_order_and_are_gone_after_their_ack() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    for number in 0..20 {
        send(&channel, "q", &number.to_string()).await;
    }
    let mut consumer = consume(&channel, "q", 5).await;
    for number in 0..20 {
        let delivery = next(&mut consumer).await;
        assert_eq!(body(&delivery), number.to_string());
        assert!(!delivery.redelivered);
        delivery.ack(BasicAckOptions::default()).await.unwrap();
    }
    broker
        .wait_until(|view| view.ready("q") + view.unacked("q") == 0)
        .await
        .unwrap();
}

#[tokio::test]
async fn prefetch_bounds_what_a_consumer_holds() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    for number in 0..10 {
        send(&channel, "q", &number.to_string()).await;
    }
    let mut consumer = consume(&channel, "q", 3).await;
    let view = broker
        .wait_until(|view| view.unacked("q") == 3)
        .await
        .unwrap();
    assert_eq!(view.ready("q"), 7);
    let _first = next(&mut consumer).await;
    let second = next(&mut consumer).await;
    second
        .ack(BasicAckOptions { multiple: true })
        .await
        .unwrap();
    let view = broker
        .wait_until(|view| view.ready("q") == 5)
        .await
        .unwrap();
    assert_eq!(view.unacked("q"), 3);
}

#[tokio::test]
async fn a_global_prefetch_counts_for_the_whole_channel() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    for queue in ["a", "b"] {
        declare(&channel, queue, &[]).await;
        for _ in 0..5 {
            send(&channel, queue, "m").await;
        }
    }
    channel
        .basic_qos(4, BasicQosOptions { global: true })
        .await
        .unwrap();
    let mut a = consume_with(&channel, "a", BasicConsumeOptions::default(), &[]).await;
    let _b = consume_with(&channel, "b", BasicConsumeOptions::default(), &[]).await;
    let held = |view: &garenne_broker::View| view.unacked("a") + view.unacked("b");
    broker.wait_until(|view| held(view) == 4).await.unwrap();
    next(&mut a)
        .await
        .ack(BasicAckOptions::default())
        .await
        .unwrap();
    let left = |view: &garenne_broker::View| view.ready("a") + view.ready("b");
    let view = broker.wait_until(|view| left(view) == 5).await.unwrap();
    assert_eq!(held(&view), 4);
}

#[tokio::test]
async fn requeued_messages_take_their_old_place_and_say_redelivered() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    for name in ["a", "b", "c", "d"] {
        send(&channel, "q", name).await;
    }
    let mut consumer = consume(&channel, "q", 3).await;
    let (a, b, c) = (
        next(&mut consumer).await,
        next(&mut consumer).await,
        next(&mut consumer).await,
    );
    // Nothing is delivered again to a consumer that is gone.
    channel
        .basic_cancel(consumer.tag(), BasicCancelOptions::default())
        .await
        .unwrap();
    c.reject(BasicRejectOptions { requeue: true })
        .await
        .unwrap();
    a.nack(BasicNackOptions {
        requeue: true,
        ..BasicNackOptions::default()
    })
    .await
    .unwrap();
    b.ack(BasicAckOptions::default()).await.unwrap();
    broker
        .wait_until(|view| view.ready("q") == 3)
        .await
        .unwrap();
    assert_eq!(waiting(&broker, "q").await, ["a", "c", "d"]);
    let again = channel
        .basic_get("q".into(), BasicGetOptions::default())
        .await
        .unwrap()
        .unwrap();
    assert!(again.delivery.redelivered);
    assert_eq!(again.message_count, 2);
}

#[tokio::test]
async fn consumers_of_one_priority_take_turns_and_higher_ones_come_first() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    channel
        .basic_qos(2, BasicQosOptions::default())
        .await
        .unwrap();
    let low = consume_with(&channel, "q", BasicConsumeOptions::default(), &[]).await;
    let prior = [("x-priority", int(5))];
    let mut high = consume_with(&channel, "q", BasicConsumeOptions::default(), &prior).await;
    let mut other = consume_with(&channel, "q", BasicConsumeOptions::default(), &prior).await;
    for number in 0..5 {
        send(&channel, "q", &number.to_string()).await;
    }
    let mut bodies = Vec::new();
    for consumer in [&mut high, &mut other] {
        bodies.push(body(&next(consumer).await));
        bodies.push(body(&next(consumer).await));
    }
    assert_eq!(bodies, ["0", "2", "1", "3"]);
    let mut low = low;
    assert_eq!(body(&next(&mut low).await), "4");
}

#[tokio::test]
async fn a_single_active_consumer_has_the_queue_until_it_goes() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(
        &channel,
        "q",
        &[("x-single-active-consumer", AMQPValue::Boolean(true))],
    )
    .await;
    let mut first = consume(&channel, "q", 10).await;
    let important = [("x-priority", int(5))];
    let mut second = consume_with(&channel, "q", BasicConsumeOptions::default(), &important).await;
    for number in 0..3 {
        send(&channel, "q", &number.to_string()).await;
        let delivery = next(&mut first).await;
        assert_eq!(body(&delivery), number.to_string());
        delivery.ack(BasicAckOptions::default()).await.unwrap();
    }
    channel
        .basic_cancel(first.tag(), BasicCancelOptions::default())
        .await
        .unwrap();
    // Its successor is chosen when it goes, not when there is something to do.
    let urgent = [("x-priority", int(9))];
    let _third = consume_with(&channel, "q", BasicConsumeOptions::default(), &urgent).await;
    send(&channel, "q", "3").await;
    assert_eq!(body(&next(&mut second).await), "3");
}

#[tokio::test]
async fn a_priority_queue_delivers_the_important_first() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[("x-max-priority", int(5))]).await;
    for (priority, name) in [(0, "a"), (9, "b"), (3, "c"), (3, "d")] {
        publish(
            &channel,
            "",
            "q",
            name,
            persistent().with_priority(priority),
        )
        .await;
    }
    send(&channel, "q", "e").await;
    assert_eq!(waiting(&broker, "q").await, ["b", "c", "d", "a", "e"]);
}

#[tokio::test]
async fn a_closed_channel_gives_back_what_it_held() {
    let broker = broker().await;
    let (connection, publisher) = confirming(&broker).await;
    declare(&publisher, "q", &[]).await;
    for name in ["a", "b"] {
        send(&publisher, "q", name).await;
    }
    let channel = connection.create_channel().await.unwrap();
    let mut consumer = consume(&channel, "q", 10).await;
    next(&mut consumer).await;
    next(&mut consumer).await;
    channel.close(200, "bye".into()).await.unwrap();
    broker
        .wait_until(|view| view.ready("q") == 2)
        .await
        .unwrap();
    assert_eq!(waiting(&broker, "q").await, ["a", "b"]);
    assert!(
        broker
            .messages("q")
            .await
            .unwrap()
            .iter()
            .all(|message| message.redelivered)
    );
}

#[tokio::test]
async fn recover_delivers_everything_again() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    send(&channel, "q", "m").await;
    let mut consumer = consume(&channel, "q", 10).await;
    assert!(!next(&mut consumer).await.redelivered);
    channel
        .basic_recover(BasicRecoverOptions { requeue: true })
        .await
        .unwrap();
    assert!(next(&mut consumer).await.redelivered);
}

#[tokio::test]
async fn a_consumer_of_a_deleted_queue_is_told() {
    let broker = broker().await;
    let connection = connect(&broker).await;
    let (channel, other) = (
        connection.create_channel().await.unwrap(),
        connection.create_channel().await.unwrap(),
    );
    declare(&channel, "q", &[]).await;
    let mut consumer = consume(&channel, "q", 1).await;
    other
        .queue_delete("q".into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    assert!(within(consumer.next()).await.is_none());
}

#[tokio::test]
async fn messages_without_ack_are_gone_when_sent() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    let no_ack = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    let mut consumer = consume_with(&channel, "q", no_ack, &[]).await;
    send(&channel, "q", "m").await;
    assert_eq!(body(&next(&mut consumer).await), "m");
    let view = broker.view().await.unwrap();
    assert_eq!((view.ready("q"), view.unacked("q")), (0, 0));
}

#[tokio::test]
async fn a_quorum_queue_counts_deliveries_and_gives_up_at_its_limit() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "parked", &[]).await;
    let arguments = [
        ("x-queue-type", text("quorum")),
        ("x-delivery-limit", int(2)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("parked")),
    ];
    declare(&channel, "q", &arguments).await;
    send(&channel, "q", "poison").await;
    let mut consumer = consume(&channel, "q", 1).await;
    for count in 0..3_i64 {
        let delivery = next(&mut consumer).await;
        let headers = delivery.properties.headers().clone().unwrap_or_default();
        let counted = headers.inner().get("x-delivery-count").cloned();
        let expected = (count > 0).then_some(AMQPValue::LongLongInt(count));
        assert_eq!(counted, expected);
        assert_eq!(delivery.redelivered, count > 0);
        delivery
            .reject(BasicRejectOptions { requeue: true })
            .await
            .unwrap();
    }
    broker
        .wait_until(|view| view.ready("parked") == 1)
        .await
        .unwrap();
    let parked = broker.messages("parked").await.unwrap().remove(0);
    let headers = parked.properties.headers().clone().unwrap();
    assert_eq!(
        headers.inner()["x-first-death-reason"],
        text("delivery_limit")
    );
}

#[tokio::test]
async fn a_slow_reader_does_not_make_the_broker_hold_everything_twice() {
    let broker = broker().await;
    let (_connection, channel) = channel(&broker).await;
    declare(&channel, "q", &[]).await;
    let large = "x".repeat(100_000);
    for _ in 0..300 {
        send(&channel, "q", &large).await;
    }
    broker
        .wait_until(|view| view.ready("q") == 300)
        .await
        .unwrap();
    // A client that reads nothing: a socket that only speaks.
    let no_ack = super::limits::raw_consumer(&broker, "q").await;
    broker
        .wait_until(|view| view.consumers("q") == 1)
        .await
        .unwrap();
    let view = broker.view().await.unwrap();
    assert!(
        view.ready("q") > 100,
        "only what fits the buffers is on its way: {view:?}"
    );
    drop(no_ack);
}
