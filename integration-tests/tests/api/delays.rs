//! Delays on a real RabbitMQ: when messages arrive, and that they do.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use garenne::prelude::*;
use integration_tests::{Client, NodeOptions, eventually};

use super::logs;
use super::support::{Place, Running, SOON, Seen, nothing};

/// What two clocks of one machine may differ by over ten seconds, and a millisecond for each hop.
const CLOCKS: Duration = Duration::from_millis(100);

const BOTH: [Delays; 2] = [Delays::quorum(), Delays::classic()];

/// When the messages of a queue come, by their bodies.
async fn arrivals(client: &Client, queue: &str, count: usize) -> Vec<(String, Instant)> {
    let all = tokio::time::timeout(SOON, client.arrivals(queue, count));
    all.await.expect("every message arrives")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_delayed_message_comes_early_or_to_another_queue() {
    let place = Place::new().await;
    let running =
        Running::consuming(place.system().consume_fn(Queue::classic("idle"), nothing)).await;
    for queue in ["orders", "eu.orders"] {
        place.client.declare(queue, &[]).await;
    }
    let sends = BOTH.into_iter().flat_map(|delays| {
        let publisher = running.publisher().delays(delays);
        (1..=10_u64).flat_map(move |secs| {
            ["orders", "eu.orders"].map(|queue| (publisher.clone(), secs, queue))
        })
    });
    let sends = join_all(sends.map(async |(publisher, secs, queue)| {
        let begun = Instant::now();
        let body = format!("{secs}");
        let sent = publisher
            .send_after(Outgoing::to_queue(queue, body), secs.secs())
            .await;
        sent.unwrap();
        begun
    }));
    let (begun, orders, eu_orders) = tokio::join!(
        sends,
        arrivals(&place.client, "orders", 20),
        arrivals(&place.client, "eu.orders", 20)
    );
    // The first to be sent of each kind waits for the levels: nothing was sent before that.
    let first = begun.iter().min().unwrap();
    for (secs, at) in orders.iter().chain(&eu_orders) {
        let delay = secs.parse::<u64>().unwrap().secs();
        let took = *at - *first + CLOCKS;
        assert!(took >= delay, "{delay:?}: after {took:?}");
    }
    place.holds("orders", 0).await;
    place.holds("eu.orders", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_message_is_there_after_a_restart_of_the_broker() {
    logs::capture();
    let mut node = NodeOptions::default().start().await;
    let system = SystemBuilder::new(node.url("/")).consume_fn(Queue::classic("idle"), nothing);
    let running = Running::consuming(system).await;
    let client = Client::connect(&node.url("/")).await;
    client.declare("orders", &[]).await;
    for delays in BOTH {
        let publisher = running.publisher().delays(delays);
        let message = Outgoing::to_queue("orders", "m");
        publisher.send_after(message, 3.secs()).await.unwrap();
    }
    node.kill().await;
    node.restart().await;
    let client = Client::connect(&node.url("/")).await;
    assert_eq!(arrivals(&client, "orders", 2).await.len(), 2);
}

/// A message that died on its way and is made into a new one brings its deaths along. A broker
/// before RabbitMQ 4 reads them, and takes a second wait in the same queue for a circle.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_can_delay_a_message_again_and_again_with_the_headers_it_came_with() {
    let place = Place::new().await;
    let system = place.system();
    let (publisher, seen) = (system.publisher(), Seen::default());
    let noted = seen.clone();
    let handler = move |order: Delivery<Text>| {
        let (publisher, noted) = (publisher.clone(), noted.clone());
        async move {
            let mut again = Outgoing::to_queue("orders", order.body().clone());
            let headers = order.properties().headers;
            noted.note(headers.contains_key("x-death"));
            for (name, value) in headers {
                again = again.header(name, value);
            }
            // Two levels: the second is one of those that the message brings along.
            publisher.send_after(again, 3.secs()).await
        }
    };
    let running = Running::consuming(system.consume_fn(Queue::quorum("orders"), handler)).await;
    running
        .publisher()
        .send(Outgoing::to_queue("orders", "m"))
        .await
        .unwrap();
    assert_eq!(seen.reach(4).await[..4], [false, true, true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_was_made_again_gets_what_waits_for_it() {
    let place = Place::new().await;
    let running =
        Running::consuming(place.system().consume_fn(Queue::classic("idle"), nothing)).await;
    place.client.declare("orders", &[]).await;
    let publisher = running.publisher();
    publisher
        .send_after(Outgoing::to_queue("orders", "m"), 3.secs())
        .await
        .unwrap();
    let channel = place.client.channel();
    channel
        .queue_delete("orders".into(), Default::default())
        .await
        .unwrap();
    place.client.declare("orders", &[]).await;
    // A publisher that does not know the queue yet binds it.
    let other = publisher.delays(Delays::quorum());
    other
        .send_after(Outgoing::to_queue("orders", "n"), 1.secs())
        .await
        .unwrap();
    place.holds("orders", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_of_other_arguments_are_told_and_not_fought() {
    let place = Place::new().await;
    let running =
        Running::consuming(place.system().consume_fn(Queue::classic("idle"), nothing)).await;
    place.client.declare("orders", &[]).await;
    place.client.declare("garenne.delay.05", &[]).await;
    let message = || Outgoing::to_queue("orders", "m");
    let refusal = running
        .publisher()
        .send_after(message(), 1.secs())
        .await
        .unwrap_err();
    let text = refusal.to_string();
    assert!(
        text.contains("garenne.delay.05") && text.contains("x-queue-type"),
        "{text}"
    );

    let channel = place.client.channel();
    channel
        .queue_delete("garenne.delay.05".into(), Default::default())
        .await
        .unwrap();
    eventually(SOON, "the send is taken", async || {
        let sent = running.publisher().send_after(message(), 1.secs()).await;
        sent.map_err(|e| e.to_string())
    })
    .await;
    place.holds("orders", 1).await;
}
