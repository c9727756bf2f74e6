//! What has finished behind a message that has not.

use garenne::prelude::*;
use garenne_broker::Broker;
use tokio::sync::watch;

use crate::support::{LANE, is_settled, until};

const PREFETCH: u16 = 20;
/// Many times the prefetch: they all come only if the acks of some do not wait for the first.
const BEHIND: usize = 200;

/// Waits until its handlers may go on; what it does with the first message, it says.
async fn handle(
    message: Delivery<Text>,
    mut may_go_on: watch::Receiver<bool>,
) -> Result<(), Failure> {
    may_go_on.wait_for(|may| *may).await?;
    match &**message {
        "fails" => Err(Failure::transient("as told")),
        "hangs" => std::future::pending().await,
        _ => Ok(()),
    }
}

/// A service that has its hands full: this message is the first, many are behind it, and its handlers
/// wait for the word.
async fn behind(first: &str) -> (Broker, SystemHandle, watch::Sender<bool>) {
    let broker = Broker::start().await.unwrap();
    let may_go_on = watch::Sender::new(false);
    let queue = Queue::quorum("q")
        .prefetch(PREFETCH)
        .retry(Retry::every(1.hours()).times(1));
    let handler = {
        let may_go_on = may_go_on.subscribe();
        move |message| handle(message, may_go_on.clone())
    };
    let builder = SystemBuilder::new(broker.url()).consume_fn(queue, handler);
    let running = builder.build().unwrap().start().unwrap();
    until(&broker, is_settled).await;
    let publisher = Publisher::builder(broker.url()).connect().await.unwrap();
    let bodies = std::iter::once(first).chain(std::iter::repeat_n("is fine", BEHIND));
    for body in bodies {
        let message = Outgoing::to_queue("q", body.to_owned());
        publisher.send(message).await.unwrap();
    }
    until(&broker, |view| view.unacked("q") >= usize::from(PREFETCH)).await;
    (broker, running, may_go_on)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_not_confirmed_keeps_no_other_message_from_its_ack() {
    let (broker, running, may_go_on) = behind("fails").await;
    broker.faults().hold_confirms().await.unwrap();
    may_go_on.send_replace(true);
    until(&broker, |view| {
        (view.ready("q"), view.unacked("q"), view.ready(LANE)) == (0, 1, 1)
    })
    .await;
    broker.faults().release_confirms().await.unwrap();
    until(&broker, is_settled).await;
    running.stop_now();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_takes_long_keeps_no_other_message_from_its_ack() {
    let (broker, running, may_go_on) = behind("hangs").await;
    may_go_on.send_replace(true);
    until(&broker, |view| {
        (view.ready("q"), view.unacked("q")) == (0, 1)
    })
    .await;
    running.stop_now();
}
