//! Channels that refuse what the broker would take, and queues that refuse for a good reason.

use std::time::{Duration, Instant};

use garenne::prelude::*;
use garenne::status::Status;

use super::requests::Answering;
use super::support::{Post, PublishError, SOON, answered, declare, declare_full, to_q};

async fn refuse_on_open_channels(post: &Post, queue: &str) {
    let refusing = post.broker.faults().refuse_on_open_channels(queue).await;
    refusing.unwrap();
}

/// Sends until the broker takes it; until then it must refuse.
async fn taken_in_the_end(post: &Post, message: impl Fn() -> Outgoing) {
    let sending = async {
        while let Err(error) = post.publisher.send(message()).await {
            assert_eq!(error, PublishError::Nacked);
        }
    };
    answered(sending).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_channel_never_takes_again_goes_over_another() {
    let post = Post::open().await;
    post.send("before").await.unwrap();
    refuse_on_open_channels(&post, "q").await;
    let refused = post.send("refused").await;
    assert_eq!(refused, Err(PublishError::Nacked));
    taken_in_the_end(&post, || to_q("taken")).await;
    assert_eq!(post.bodies().await, ["before", "taken"]);
    assert_eq!(post.publisher.status().possible_duplicates, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_taken_after_the_broker_has_closed_more_channels_than_a_connection_has() {
    let post = Post::open().await;
    let few_channels = format!("{}?channel_max=3", post.broker.url());
    let publisher = Publisher::connect(few_channels).await.unwrap();
    for n in 0..8 {
        let lost = publisher.send(Outgoing::to_exchange("missing", "key", "x"));
        let good = publisher.send(to_q(&n.to_string()));
        let (lost, good) = answered(async { tokio::join!(lost, good) }).await;
        assert!(
            matches!(lost, Err(PublishError::Unroutable { .. })),
            "{lost:?}"
        );
        assert_eq!(good, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_confirmed_when_a_channel_is_left_is_sent_over_the_next_one_and_counted() {
    let post = Post::with(|builder| builder.confirm_timeout(SOON)).await;
    declare(&post.broker, "silent").await;
    let faults = post.broker.faults();
    faults.confirm_nothing_for("silent").await.unwrap();
    let message = Outgoing::to_queue("silent", "x").message_id("one");
    let unconfirmed = post.sending(message);
    post.queue(|view| view.ready("silent") == 1).await;
    faults.clear().await.unwrap();
    refuse_on_open_channels(&post, "q").await;
    taken_in_the_end(&post, || to_q("taken")).await;
    assert_eq!(answered(unconfirmed).await.unwrap(), Ok(()));
    let stored = post.broker.messages("silent").await.unwrap();
    let ids = stored.iter().map(|one| one.properties.message_id().clone());
    let ids: Vec<_> = ids.flatten().map(|id| id.to_string()).collect();
    assert_eq!(ids, ["one", "one"]);
    assert_eq!(post.publisher.status().possible_duplicates, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_full_queue_makes_channels_new_other_queues_get_each_message_once() {
    let post = Post::open().await;
    declare_full(&post.broker, "full").await;
    declare(&post.broker, "witness").await;
    // Who gets in there came over a new channel.
    refuse_on_open_channels(&post, "witness").await;
    let mut sent = Vec::new();
    let sending = async {
        for n in 0.. {
            let full = post.publisher.send(Outgoing::to_queue("full", "x"));
            let body = n.to_string();
            let (full, other) = tokio::join!(full, post.send(&body));
            assert_eq!((full, other), (Err(PublishError::Nacked), Ok(())));
            sent.push(body);
            let witness = post.publisher.send(Outgoing::to_queue("witness", "x"));
            if witness.await.is_ok() {
                break;
            }
        }
    };
    answered(sending).await;
    assert_eq!(post.bodies().await, sent);
    assert_eq!(post.publisher.status().possible_duplicates, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_goes_over_another_channel_when_one_never_takes_copies_for_its_lane_again() {
    let post = Post::open().await;
    let queue = Queue::quorum("orders").retry(Retry::every(100.millis()).times(3));
    let system = SystemBuilder::new(post.broker.url());
    let system = system.consume_fn(queue, async |order: Delivery<Text>| {
        match order.attempt().number() {
            1 => Err(Failure::transient("not yet")),
            _ => Ok(()),
        }
    });
    let system = system.build().unwrap().start().unwrap();
    answered(system.wait_until(Status::is_ready)).await.unwrap();
    refuse_on_open_channels(&post, "orders.retry.100ms").await;
    for _ in 0..10 {
        let order = Outgoing::to_queue("orders", "x");
        post.publisher.send(order).await.unwrap();
    }
    let handled = |status: &Status| status.queues[0].handled == 10 && status.in_flight() == 0;
    let status = answered(system.wait_until(handled)).await.unwrap();
    let counted = &status.queues[0];
    assert_eq!((counted.retried, counted.failed), (10, 0));
    system.stop_now();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_its_reply_while_others_are_refused_and_then_those_go_over_another_channel()
{
    let answering = Answering::closed().await;
    let post = &answering.post;
    declare(&post.broker, "deaf").await;
    let asking = answering.ask(1, Duration::MAX);
    let refused = async {
        answering.asked(1).await;
        refuse_on_open_channels(post, "deaf").await;
        // Longer than it takes to want another channel.
        let start = Instant::now();
        while start.elapsed() < 4.secs() {
            assert_eq!(
                ask_the_deaf(post).await,
                RequestError::Publish(PublishError::Nacked)
            );
        }
        answering.gate.add_permits(1);
    };
    let (answer, ()) = tokio::join!(asking, refused);
    assert_eq!(answer, Ok(2));
    let sending =
        async { while ask_the_deaf(post).await == RequestError::Publish(PublishError::Nacked) {} };
    answered(sending).await;
    post.queue(|view| view.ready("deaf") > 0).await;
}

async fn ask_the_deaf(post: &Post) -> RequestError {
    let question = Outgoing::to_queue("deaf", "hello?");
    let asking = post.publisher.request::<Text>(question, 2.secs());
    answered(asking).await.map(|_| ()).unwrap_err()
}
