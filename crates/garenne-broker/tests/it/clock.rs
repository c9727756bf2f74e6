use std::time::{Duration, Instant};

use garenne_broker::Broker;
use lapin::options::BasicAckOptions;

use crate::support::{
    body, broker, confirming, consume, declare, int, next, reason, send, text, waiting,
};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn time_runs_by_itself_and_faster_when_it_is_pushed() {
    let broker = broker().await;
    let before = broker.now().await.unwrap();
    broker.advance(HOUR).await.unwrap();
    let after = broker.now().await.unwrap();
    assert!(after >= before + HOUR && after < before + HOUR + 10 * SECOND);
}

#[tokio::test]
async fn no_time_is_too_long() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[("x-message-ttl", int(i32::MAX))]).await;
    send(&channel, "q", "m").await;
    for _ in 0..2 {
        broker.advance(Duration::MAX).await.unwrap();
        assert!(waiting(&broker, "q").await.is_empty());
    }
    send(&channel, "q", "n").await;
    assert_eq!(waiting(&broker, "q").await, ["n"]);
}

#[tokio::test]
async fn a_ttl_ends_by_itself_when_nobody_pushes_the_clock() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[("x-message-ttl", int(50))]).await;
    send(&channel, "q", "m").await;
    broker
        .wait_until(|view| view.ready("q") == 0)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_message_falls_through_many_queues_each_in_its_own_time() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    for step in 0..10 {
        let next = format!("step{}", step + 1);
        let arguments = [
            ("x-message-ttl", int(10_000)),
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text(&next)),
        ];
        declare(&channel, &format!("step{step}"), &arguments).await;
    }
    declare(&channel, "step10", &[]).await;
    send(&channel, "step0", "m").await;
    // The clock runs on while the broker works, so each message expires some time after its turn.
    broker.advance(45 * SECOND).await.unwrap();
    assert_eq!(waiting(&broker, "step4").await, ["m"]);
    broker.advance(60 * SECOND).await.unwrap();
    assert_eq!(waiting(&broker, "step10").await, ["m"]);
}

#[tokio::test]
async fn a_retry_ladder_of_six_hours_takes_less_than_a_second() {
    let mut best = Duration::MAX;
    // Others use the machine too, and some of these ladders wait for them.
    for _ in 0..20 {
        best = best.min(six_hours().await);
        if best < SECOND {
            break;
        }
    }
    assert!(best < SECOND, "{best:?}");
}

/// How long a ladder of six hours takes, with its broker's start.
async fn six_hours() -> Duration {
    let start = Instant::now();
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "orders", &[]).await;
    let delays = [20, 60, 300, 1800, 5400, 14_400];
    for delay in delays {
        let arguments = [
            ("x-message-ttl", int(delay * 1000)),
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text("orders")),
        ];
        declare(&channel, &format!("orders.retry.{delay}s"), &arguments).await;
    }
    let mut consumer = consume(&channel, "orders", 1).await;
    send(&channel, "orders", "order").await;
    for delay in delays {
        let delivery = next(&mut consumer).await;
        send(
            &channel,
            &format!("orders.retry.{delay}s"),
            &body(&delivery),
        )
        .await;
        delivery.ack(BasicAckOptions::default()).await.unwrap();
        broker
            .advance(Duration::from_secs(delay.unsigned_abs().into()))
            .await
            .unwrap();
    }
    assert_eq!(body(&next(&mut consumer).await), "order");
    assert!(broker.now().await.unwrap() > 6 * HOUR);
    start.elapsed()
}

#[tokio::test]
async fn the_next_thing_that_is_due_can_be_jumped_to() {
    let broker = broker().await;
    assert_eq!(broker.next_due().await.unwrap(), None);
    assert_eq!(broker.advance_to_next().await.unwrap(), None);
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[("x-message-ttl", int(3_600_000))]).await;
    send(&channel, "q", "m").await;
    let due = broker.next_due().await.unwrap().unwrap();
    assert!(due <= HOUR && due > HOUR - 10 * SECOND, "{due:?}");
    assert_eq!(waiting(&broker, "q").await, ["m"], "asking changes nothing");
    let jumped = broker.advance_to_next().await.unwrap().unwrap();
    assert!(jumped <= due && jumped > due - 10 * SECOND, "{jumped:?}");
    assert!(waiting(&broker, "q").await.is_empty());
    assert_eq!(broker.next_due().await.unwrap(), None);
}

#[tokio::test]
async fn an_unused_queue_expires_and_a_used_one_does_not() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    let expires = [("x-expires", int(10_000))];
    declare(&channel, "used", &expires).await;
    declare(&channel, "unused", &expires).await;
    let consumer = consume(&channel, "used", 1).await;
    broker.advance(11 * SECOND).await.unwrap();
    assert!(broker.queue("unused").await.is_err());
    assert!(broker.queue("used").await.is_ok());
    channel
        .basic_cancel(consumer.tag(), Default::default())
        .await
        .unwrap();
    broker.advance(9 * SECOND).await.unwrap();
    declare(&channel, "used", &expires).await;
    broker.advance(9 * SECOND).await.unwrap();
    assert!(broker.queue("used").await.is_ok(), "a declaration is a use");
    broker.advance(2 * SECOND).await.unwrap();
    assert!(broker.queue("used").await.is_err());
}

#[tokio::test]
async fn a_ttl_of_zero_reaches_a_consumer_that_waits_and_nobody_else() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[("x-message-ttl", int(0))]).await;
    send(&channel, "q", "lost").await;
    assert!(waiting(&broker, "q").await.is_empty());
    let mut consumer = consume(&channel, "q", 1).await;
    send(&channel, "q", "caught").await;
    assert_eq!(body(&next(&mut consumer).await), "caught");
}

#[tokio::test]
async fn a_delivery_that_waits_too_long_for_its_ack_costs_the_channel() {
    let timeout = Duration::from_secs(1800);
    let broker = Broker::builder()
        .consumer_timeout(timeout)
        .start()
        .await
        .unwrap();
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    send(&channel, "q", "m").await;
    let mut consumer = consume(&channel, "q", 1).await;
    next(&mut consumer).await;
    broker.advance(timeout).await.unwrap();
    let view = broker
        .wait_until(|view| view.ready("q") == 1)
        .await
        .unwrap();
    assert_eq!(view.unacked("q"), 0);
    let error = crate::support::within(futures_util::StreamExt::next(&mut consumer)).await;
    let (code, why) = reason(&error.unwrap().unwrap_err());
    assert_eq!(code, 406);
    assert!(
        why.contains("timed out. Timeout value used: 1800000 ms"),
        "{why}"
    );
}
