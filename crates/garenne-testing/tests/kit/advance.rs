//! Time passes on the broker, and the system does what falls due in it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use garenne::core::FailReason;
use garenne::prelude::*;
use garenne_testing::TestSystem;

use crate::orders::{charge, start};

#[tokio::test]
async fn a_retry_policy_of_six_hours_takes_less_than_a_second() {
    let mut best = Duration::MAX;
    // Others use the machine too, and some of these systems wait for them.
    for _ in 0..20 {
        best = best.min(six_hours().await);
        if best < Duration::from_secs(1) {
            break;
        }
    }
    assert!(best < Duration::from_secs(1), "it took {best:?}");
}

/// How long a policy of six hours takes, with its system's start and end.
async fn six_hours() -> Duration {
    let began = Instant::now();
    let ladder = [1.minutes(), 9.minutes(), 50.minutes(), 5.hours()];
    let queue = Queue::quorum("orders").retry(Retry::delays(ladder));
    let system = TestSystem::start(|builder| builder.consume_fn(queue, charge)).await;
    let sent = system.send("orders", "fail").await;

    system.advance(6.hours()).await;

    let parked = system.assert_parked(&sent).reason(FailReason::Exhausted);
    parked.attempts(5);
    system.finish().await;
    began.elapsed()
}

#[tokio::test]
async fn six_hours_less_a_minute_are_not_enough() {
    let ladder = [1.minutes(), 9.minutes(), 50.minutes(), 5.hours()];
    let queue = Queue::quorum("orders").retry(Retry::delays(ladder));
    let system = TestSystem::start(|builder| builder.consume_fn(queue, charge)).await;
    let sent = system.send("orders", "fail").await;

    system.advance(6.hours() - 1.minutes()).await;
    system.assert_retried(&sent).attempt(5).after(5.hours());

    system.advance(1.minutes()).await;
    system.assert_parked(&sent).attempts(5);
    system.finish().await;
}

#[tokio::test]
async fn the_retry_queue_of_the_go_package_is_a_lane_of_20_s() {
    let queue = Queue::golang_rabbitmq("orders");
    let system = TestSystem::start(|builder| builder.consume_fn(queue, charge)).await;
    let sent = system.send("orders", "fail:1").await;
    system.settled().await;

    system.assert_retried(&sent).attempt(2).after(20.secs());
    system.advance(20.secs()).await;
    system.assert_handled(&sent).attempt(2);
    system.finish().await;
}

#[tokio::test]
async fn messages_come_back_in_the_order_of_their_times() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let handler = move |order: Delivery<Text>| {
        let notes = Arc::clone(&notes);
        async move {
            if order.attempt().number() == 1 {
                let delay = Duration::from_secs(order.parse()?);
                return Err(Failure::retry_after(delay, "later"));
            }
            notes.lock().unwrap().push(order.into_body().0);
            Ok(())
        }
    };
    let queue = Queue::quorum("orders").retry(Retry::every(5.secs()).times(1));
    let system = TestSystem::start(|builder| builder.consume_fn(queue, handler)).await;
    for delay in ["3600", "5", "600", "60"] {
        system.send("orders", delay).await;
    }
    system.advance(10.minutes()).await;
    assert_eq!(*seen.lock().unwrap(), ["5", "60", "600"]);
    system.advance(50.minutes()).await;
    assert_eq!(*seen.lock().unwrap(), ["5", "60", "600", "3600"]);
    system.finish().await;
}

#[tokio::test]
async fn three_hundred_messages_go_through_a_ladder_in_seconds() {
    let system = start().await;
    let mut sent = Vec::new();
    for _ in 0..300 {
        sent.push(system.send("orders", "fail:3").await);
    }
    let began = Instant::now();
    system.advance(1.minutes()).await;
    for sent in &sent {
        system.assert_handled(sent).attempt(4);
    }
    // Its three lanes of 20 s would take longer.
    assert!(began.elapsed() < Duration::from_secs(60));
    system.finish().await;
}

#[tokio::test]
async fn a_message_that_expires_in_its_queue_ends_where_the_queue_sends_it() {
    // Nobody takes it in time: the worker holds one message, and is busy with that.
    let (let_go, busy) = tokio::sync::watch::channel(false);
    let handler = move |order: Delivery<Text>| {
        let mut busy = busy.clone();
        async move {
            if &**order == "slow" {
                busy.wait_for(|done| *done).await?;
            }
            Ok::<(), Failure>(())
        }
    };
    let queue = Queue::quorum("orders").prefetch(1);
    let system = TestSystem::start(|builder| builder.consume_fn(queue, handler)).await;
    // A worker's first message is taken with caution, and its prefetch settled afterwards.
    system.send("orders", "first").await;
    system.settled().await;
    let first = system.send("orders", "slow").await;
    let broker = system.broker();
    let in_hand = broker.wait_until(|view| view.unacked("orders") == 1);
    in_hand.await.unwrap();
    let late = Outgoing::to_queue("orders", "second").expires_after(30.secs());
    let late = system.send_message(late).await;
    system.broker().advance(30.secs()).await.unwrap();
    let_go.send_replace(true);
    system.settled().await;
    system.assert_handled(&first);
    assert_eq!(system.assert_parked(&late).record().body[..], *b"second");
    system.finish().await;
}
