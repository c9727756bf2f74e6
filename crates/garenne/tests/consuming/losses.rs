//! What is in hand when a channel is lost.

use std::sync::Arc;

use garenne::prelude::*;
use garenne_broker::{Broker, ChannelPick};
use tokio::sync::Semaphore;

use crate::support::{LANE, is_settled, until};

/// How many messages fail at once.
const MESSAGES: usize = 90;

/// The consumer's channel is closed while many copies are being confirmed. What was settled in that
/// moment could not be acked any more, and its redelivery must not wait for more news of it.
#[tokio::test(flavor = "multi_thread")]
async fn copies_confirmed_in_the_moment_of_a_loss_keep_no_message_waiting() {
    for copied in (0..MESSAGES).step_by(15) {
        close_the_channel_when_copied(copied).await;
    }
}

async fn close_the_channel_when_copied(copied: usize) {
    let broker = Broker::start().await.unwrap();
    let gate = Arc::new(Semaphore::new(0));
    let fails = {
        let gate = Arc::clone(&gate);
        move |order: Delivery<Text>| {
            let gate = Arc::clone(&gate);
            async move {
                if order.starts_with("waits") && !order.redelivered() {
                    gate.acquire().await.unwrap().forget();
                }
                Err::<(), _>(Failure::transient("as ever"))
            }
        }
    };
    let queue = Queue::quorum("q").retry(Retry::every(1.hours()).times(1));
    let builder = SystemBuilder::new(broker.url()).consume_fn(queue, fails);
    let running = builder.build().unwrap().start().unwrap();
    until(&broker, is_settled).await;
    let publisher = Publisher::builder(broker.url()).connect().await.unwrap();
    // The channel of the copies is open once one of them is confirmed.
    send(&publisher, "first").await;
    until(&broker, |view| view.ready(LANE) == 1 && is_settled(view)).await;
    for _ in 0..MESSAGES {
        send(&publisher, "waits").await;
    }
    until(&broker, |view| view.unacked("q") == MESSAGES).await;
    gate.add_permits(MESSAGES);
    until(&broker, |view| view.ready(LANE) > 1 + copied).await;
    let consuming = ChannelPick::Consuming("q".into());
    let faults = broker.faults();
    let closing = faults.close_channel(consuming, 541, "as told");
    assert_eq!(closing.await.unwrap(), 1);
    until(&broker, is_settled).await;
    running.stop_now();
}

async fn send(publisher: &Publisher, body: &str) {
    let message = Outgoing::to_queue("q", body);
    publisher.send(message).await.unwrap();
}
