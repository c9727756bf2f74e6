//! One message that ends every link over which it comes, and its neighbours.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use garenne::prelude::*;
use garenne_broker::{Broker, MessageView};
use garenne_testing::eventually;
use lapin::types::AMQPValue;
use tokio::sync::Semaphore;

use crate::log;
use crate::support::SOON;

/// More than the channel takes in at once: some are settled when their link is gone and nobody has said so.
const NEIGHBOURS: usize = 200;
const BEHIND: usize = 10;
/// How often a neighbour may come back, as the caution argues (`Caution`).
const MOST_RETURNS: u32 = 9;
/// After so many returns a message is parked. It is less than the default, to save time: the more often the
/// killer has come alone, the longer are the pauses.
const LIMIT: u32 = 12;

/// How many times each message was handled.
type Runs = Arc<Mutex<BTreeMap<String, usize>>>;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_ends_every_link_is_parked_alone_and_its_neighbours_are_handled_once() {
    log::listen();
    let broker = Broker::start().await.unwrap();
    let faults = broker.faults();
    faults.spoil_deliveries("killer").await.unwrap();
    let (runs, gate) = (Runs::default(), Arc::new(Semaphore::new(0)));
    let queue = Queue::quorum("killed").prefetch(300).delivery_limit(LIMIT);
    let waits = {
        let (runs, gate) = (Arc::clone(&runs), Arc::clone(&gate));
        move |message: Delivery<Text>| {
            let gate = Arc::clone(&gate);
            let mut runs = runs.lock().unwrap_or_else(PoisonError::into_inner);
            *runs.entry(message.body().to_string()).or_default() += 1;
            async move { gate.acquire().await.map(drop) }
        }
    };
    let builder = SystemBuilder::new(broker.url()).consume_fn(queue, waits);
    let running = builder.build().unwrap().start().unwrap();
    let publisher = running.publisher().when_down(WhenDown::WaitUpTo(SOON));
    let send = async |body: String| {
        let message = Outgoing::to_queue("killed", body);
        publisher.send(message).await.unwrap();
    };
    for number in 0..NEIGHBOURS {
        send(format!("before {number}")).await;
    }
    let in_hand = broker.wait_until_within(SOON, |view| view.unacked("killed") == NEIGHBOURS);
    in_hand.await.unwrap();
    send("killer".to_owned()).await;
    let port = broker.addr().port();
    eventually(SOON, "the link is lost", async || {
        let lost = log::about_links(port, "link_lost");
        if lost.is_empty() {
            Err("not yet".to_owned())
        } else {
            Ok(())
        }
    })
    .await;
    for number in 0..BEHIND {
        send(format!("behind {number}")).await;
    }
    gate.add_permits(NEIGHBOURS + BEHIND);
    let most = watch_until_parked(&broker).await;
    assert!(most <= MOST_RETURNS, "a neighbour came back {most} times");
    eventually(SOON, "the others are handled", async || {
        let view = broker.view().await.unwrap();
        let left = view.ready("killed") + view.unacked("killed");
        let runs = runs.lock().unwrap_or_else(PoisonError::into_inner);
        if left == 0 && runs.len() == NEIGHBOURS + BEHIND {
            Ok(())
        } else {
            Err(format!("{left} left, {runs:?}"))
        }
    })
    .await;
    let runs = runs.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(runs.values().all(|runs| *runs == 1), "{runs:?}");
    let parked = broker.messages("killed.failed").await.unwrap();
    assert_eq!(bodies(&parked), ["killer"]);
    let headers = parked[0].properties.headers().clone().unwrap();
    let returns = headers.inner().get("x-delivery-count");
    let kills = AMQPValue::LongLongInt((LIMIT + 1).into());
    assert_eq!(returns, Some(&kills));
    running.stop_now();
}

/// Waits until the delivery limit has ended the killer. Returns how often one of the others came back.
async fn watch_until_parked(broker: &Broker) -> u32 {
    let mut most = 0;
    let parked = async {
        while broker.messages("killed.failed").await.unwrap().is_empty() {
            let messages = broker.messages("killed").await.unwrap();
            let others = messages.iter().filter(|message| message.body != "killer");
            let returns = others.map(|message| message.delivery_count).max();
            most = most.max(returns.unwrap_or(0));
            tokio::task::yield_now().await;
        }
    };
    let parked = tokio::time::timeout(2 * SOON, parked).await;
    parked.unwrap_or_else(|_| panic!("the killer is not parked"));
    most
}

fn bodies(messages: &[MessageView]) -> Vec<String> {
    let text = |message: &MessageView| String::from_utf8_lossy(&message.body).into_owned();
    messages.iter().map(text).collect()
}
