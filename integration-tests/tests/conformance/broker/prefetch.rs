//! How much a consumer holds.

use amq_protocol::protocol::{AMQPClass, basic};
use lapin::options::{BasicConsumeOptions, BasicQosOptions};

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::say;
use crate::conformance::tools::{ack, consume, consume_with, next_bodies, quorum, send};
use crate::conformance::wire::Wire;

cases![
    a_prefetch_bounds_what_a_consumer_holds,
    a_prefetch_is_for_each_consumer,
    a_shared_prefetch_is_for_the_channel,
    a_changed_prefetch_counts_for_new_consumers,
    a_changed_shared_prefetch_counts_at_once,
    no_prefetch_means_all,
    a_consumer_without_acks_gets_all_at_once,
    queues_that_share_a_prefetch_do_not_starve,
    consumers_that_share_a_prefetch_do_not_starve,
    a_short_queue_does_not_wait_for_the_end_of_a_long_one,
];

/// A queue with so many messages, each its name.
async fn fill(lab: &Lab, queue: &str, count: usize) {
    let client = lab.client().await;
    client.declare(queue, &[]).await;
    send(&client, queue, &vec![queue; count]).await;
}

/// The consumers of one channel, which together hold this many, each known by its tag.
async fn share(lab: &Lab, prefetch: u16, consumers: &[(&str, &str)]) -> Wire {
    let mut wire = lab.wire().await;
    wire.call(1, say::qos(prefetch, true)).await;
    for (queue, tag) in consumers {
        wire.send(1, say::consume(queue, tag)).await;
    }
    wire
}

/// The tags of so many deliveries; each is acked as it comes.
async fn tags(wire: &mut Wire, count: usize) -> Vec<String> {
    let mut tags = Vec::new();
    while tags.len() < count {
        let heard = wire.hear().await;
        if let Some(AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver))) = heard.method() {
            tags.push(deliver.consumer_tag.to_string());
            wire.send(1, say::ack(deliver.delivery_tag, false)).await;
        }
    }
    tags
}

/// Whether not all are one consumer's. RabbitMQ draws lots between queues, so that of three one may
/// have no luck.
fn are_shared(tags: &[String]) -> bool {
    tags.iter().any(|tag| *tag != tags[0])
}

async fn queues_that_share_a_prefetch_do_not_starve(lab: Lab) {
    for queue in ["q1", "q2", "q3"] {
        fill(&lab, queue, 80).await;
    }
    let mut wire = share(&lab, 10, &[("q1", "a"), ("q2", "b"), ("q3", "c")]).await;
    let tags = tags(&mut wire, 70).await;
    lab.note("not all are one queue's", are_shared(&tags[10..]));
}

async fn consumers_that_share_a_prefetch_do_not_starve(lab: Lab) {
    fill(&lab, "q", 80).await;
    let mut wire = share(&lab, 10, &[("q", "a"), ("q", "b")]).await;
    let tags = tags(&mut wire, 70).await;
    lab.note("not all are one consumer's", are_shared(&tags[10..]));
}

async fn a_short_queue_does_not_wait_for_the_end_of_a_long_one(lab: Lab) {
    fill(&lab, "long", 200).await;
    fill(&lab, "short", 5).await;
    let mut wire = share(&lab, 5, &[("long", "long"), ("short", "short")]).await;
    let tags = tags(&mut wire, 205).await;
    let last = tags.iter().rposition(|tag| tag == "short");
    // Which queue is asked first is drawn by lot each time.
    let soon = last.is_some_and(|last| last < 100);
    lab.note("the short one is empty before half of the long one", soon);
}

async fn a_prefetch_bounds_what_a_consumer_holds(lab: Lab) {
    let client = lab.client().await;
    for (name, arguments) in [("classic", vec![]), ("quorum", vec![quorum()])] {
        client.declare(name, &arguments).await;
        send(&client, name, &["1", "2", "3", "4", "5"]).await;
        let channel = client.new_channel().await;
        let mut consumer = consume(&channel, name, 2).await;
        lab.note("at first", next_bodies(&mut consumer, 2).await);
        lab.until(name, |depth| depth.unacked == 2 && depth.ready == 3)
            .await;
        ack(&channel, 1, false).await;
        lab.note("after an ack", next_bodies(&mut consumer, 1).await);
        lab.until(name, |depth| depth.unacked == 2 && depth.ready == 2)
            .await;
        ack(&channel, 3, true).await;
        lab.note("after an ack of all", next_bodies(&mut consumer, 2).await);
    }
}

async fn a_prefetch_is_for_each_consumer(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    let channel = client.new_channel().await;
    let mut first = consume(&channel, "q", 1).await;
    let mut second = consume(&channel, "q", 2).await;
    send(&client, "q", &["1", "2", "3", "4"]).await;
    lab.until("q", |depth| depth.unacked == 3).await;
    lab.note("first", next_bodies(&mut first, 1).await);
    lab.note("second", next_bodies(&mut second, 2).await);
}

async fn a_shared_prefetch_is_for_the_channel(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    let channel = client.new_channel().await;
    channel
        .basic_qos(3, BasicQosOptions { global: true })
        .await
        .expect("what the case sets up");
    let options = BasicConsumeOptions::default;
    let mut consumers = Vec::new();
    for _ in 0..2 {
        let consumer = channel.basic_consume("q".into(), "".into(), options(), Default::default());
        consumers.push(consumer.await.expect("what the case sets up"));
    }
    send(&client, "q", &["1", "2", "3", "4", "5"]).await;
    lab.until("q", |depth| depth.unacked == 3).await;
    ack(&channel, 3, true).await;
    lab.until("q", |depth| depth.unacked == 2).await;
    lab.note("held at most", "3, then the rest");
}

async fn a_changed_prefetch_counts_for_new_consumers(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    let channel = client.new_channel().await;
    let mut first = consume(&channel, "q", 1).await;
    channel
        .basic_qos(3, BasicQosOptions::default())
        .await
        .expect("what the case sets up");
    send(&client, "q", &["1", "2", "3", "4", "5", "6"]).await;
    lab.until("q", |depth| depth.unacked == 1).await;
    let options = BasicConsumeOptions::default();
    let mut second = channel
        .basic_consume("q".into(), "".into(), options, Default::default())
        .await
        .expect("what the case sets up");
    lab.until("q", |depth| depth.unacked == 4).await;
    lab.note("first", next_bodies(&mut first, 1).await);
    lab.note("second", next_bodies(&mut second, 3).await);
}

async fn a_changed_shared_prefetch_counts_at_once(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    let channel = client.new_channel().await;
    channel
        .basic_qos(1, BasicQosOptions { global: true })
        .await
        .expect("what the case sets up");
    let options = BasicConsumeOptions::default();
    let mut consumer = channel
        .basic_consume("q".into(), "".into(), options, Default::default())
        .await
        .expect("what the case sets up");
    send(&client, "q", &["1", "2", "3", "4"]).await;
    lab.until("q", |depth| depth.unacked == 1).await;
    channel
        .basic_qos(3, BasicQosOptions { global: true })
        .await
        .expect("what the case sets up");
    lab.until("q", |depth| depth.unacked == 3).await;
    channel
        .basic_qos(0, BasicQosOptions { global: true })
        .await
        .expect("what the case sets up");
    lab.until("q", |depth| depth.unacked == 4).await;
    lab.note("in order", next_bodies(&mut consumer, 4).await);
}

async fn no_prefetch_means_all(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 0).await;
    for _ in 0..100 {
        send(&client, "q", &["m", "m", "m"]).await;
    }
    next_bodies(&mut consumer, 300).await;
    lab.note("unacked", format!("{:?}", lab.depth("q").await));
}

async fn a_consumer_without_acks_gets_all_at_once(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2", "3"]).await;
    let channel = client.new_channel().await;
    let options = BasicConsumeOptions {
        no_ack: true,
        ..Default::default()
    };
    let mut consumer = consume_with(&channel, "q", 1, options, &[])
        .await
        .expect("what the case sets up");
    lab.note("all", next_bodies(&mut consumer, 3).await);
    lab.note("left", format!("{:?}", lab.depth("q").await));
}
