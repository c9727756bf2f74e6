//! Time to live: of messages and of queues.

use std::time::Duration;

use integration_tests::Client;
use lapin::Consumer;
use lapin::message::Delivery;

use super::dead_letter::dead_letters_to;
use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::tools::{
    ack, cancel, consume, count, drain, get, int, nack, next, plain, quorum, send, take, within,
    word,
};

cases![
    a_message_expires_behind_no_other,
    a_message_behind_one_that_lives_longer_waits_with_it,
    a_message_behind_one_that_lives_longer_waits_in_quorum_queues_too,
    an_expired_message_is_never_delivered,
    the_shorter_of_two_lives_counts,
    a_message_without_time_reaches_a_consumer_that_waits,
    a_queue_without_time_keeps_nothing,
    a_message_that_comes_back_has_no_new_life,
    a_message_in_somebodys_hands_does_not_expire,
    an_unused_queue_expires,
    a_queue_with_a_consumer_does_not_expire,
    a_queue_that_is_looked_at_does_not_expire,
    an_expiring_queue_takes_its_messages_along,
    a_transient_dead_end_is_only_emptied_from_its_head,
];

fn lives(millis: &str) -> lapin::BasicProperties {
    plain().with_expiration(millis.into())
}

async fn a_message_expires_behind_no_other(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    client.publish("", "q", b"short", lives("30")).await;
    client.publish("", "q", b"long", lives("60000")).await;
    client.publish("", "q", b"for ever", plain()).await;
    lab.ready("q", 2).await;
    lab.note("left", drain(&client, "q").await);
}

async fn a_message_behind_one_that_lives_longer_waits_with_it(lab: Lab) {
    let client = lab.client().await;
    client.declare("dead", &[]).await;
    client.declare("q", &dead_letters_to("dead")).await;
    client.publish("", "q", b"long", lives("6000")).await;
    client.publish("", "q", b"short", lives("20")).await;
    lab.passes(Duration::from_millis(300)).await;
    let depth = lab.depth("q").await;
    lab.note("after the short time", format!("{depth:?}"));
    lab.passes(Duration::from_secs(6)).await;
    lab.ready("dead", 2).await;
    lab.note("after the long time", drain(&client, "dead").await);
}

async fn a_message_behind_one_that_lives_longer_waits_in_quorum_queues_too(lab: Lab) {
    let client = lab.client().await;
    client.declare("dead", &[]).await;
    let mut arguments = dead_letters_to("dead").to_vec();
    arguments.push(quorum());
    client.declare("q", &arguments).await;
    client.publish("", "q", b"long", lives("6000")).await;
    client.publish("", "q", b"short", lives("20")).await;
    lab.passes(Duration::from_millis(300)).await;
    let depth = lab.depth("q").await;
    lab.note("after the short time", format!("{depth:?}"));
    lab.passes(Duration::from_secs(6)).await;
    lab.ready("dead", 2).await;
    lab.note("after the long time", drain(&client, "dead").await);
}

async fn an_expired_message_is_never_delivered(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    client.publish("", "q", b"blocks", plain()).await;
    client.publish("", "q", b"short", lives("10")).await;
    client.publish("", "q", b"stays", plain()).await;
    lab.passes(Duration::from_millis(60)).await;
    // The one that blocked is taken away; the short one is past its time and is not handed out.
    let channel = client.new_channel().await;
    let first = get(&channel, "q").await.expect("what the case sets up");
    lab.note("first", word(&first));
    lab.note(
        "second",
        word(&get(&channel, "q").await.expect("what the case sets up")),
    );
}

async fn the_shorter_of_two_lives_counts(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[("x-message-ttl", int(60_000))]).await;
    client.publish("", "q", b"short", lives("20")).await;
    client.publish("", "q", b"long", lives("100000")).await;
    lab.ready("q", 1).await;
    lab.note("left", drain(&client, "q").await);
    client.declare("r", &[("x-message-ttl", int(20))]).await;
    client.publish("", "r", b"long", lives("100000")).await;
    lab.ready("r", 0).await;
    lab.note("left", drain(&client, "r").await);
}

/// Publishes until the consumer gets one: what has no time may be dropped whenever the broker has not yet
/// noticed that the consumer is ready.
async fn caught(
    client: &Client,
    consumer: &mut Consumer,
    body: &str,
    properties: &lapin::BasicProperties,
) -> Delivery {
    let trying = async {
        loop {
            client
                .publish("", "q", body.as_bytes(), properties.clone())
                .await;
            let soon = tokio::time::timeout(Duration::from_millis(300), next(consumer));
            if let Ok(delivery) = soon.await {
                return delivery;
            }
        }
    };
    within(trying).await
}

async fn a_message_without_time_reaches_a_consumer_that_waits(lab: Lab) {
    let client = lab.client().await;
    client.declare("dead", &[]).await;
    client.declare("q", &dead_letters_to("dead")).await;
    client.publish("", "q", b"nobody waits", lives("0")).await;
    lab.note("dead", word(&take(&client, "dead").await));
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 1).await;
    let delivery = caught(&client, &mut consumer, "somebody waits", &lives("0")).await;
    lab.note("delivered", word(&delivery));
    client
        .publish("", "q", b"somebody is busy", lives("0"))
        .await;
    // Those that were not caught lie there before it.
    let busy = loop {
        let dead = word(&take(&client, "dead").await);
        if dead != word(&delivery) {
            break dead;
        }
    };
    lab.note("dead", busy);
    ack(&channel, delivery.delivery_tag, false).await;
}

async fn a_queue_without_time_keeps_nothing(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[("x-message-ttl", int(0))]).await;
    send(&client, "q", &["gone"]).await;
    lab.note("waits", format!("{:?}", count(client.channel(), "q").await));
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 1).await;
    let delivery = caught(&client, &mut consumer, "caught", &plain()).await;
    lab.note("delivered", word(&delivery));
    // Back in the queue it has no time either: the same consumer does not get it again.
    nack(&channel, delivery.delivery_tag, false, true).await;
    lab.until("q", |depth| depth.ready == 0 && depth.unacked == 0)
        .await;
    let next = caught(&client, &mut consumer, "next", &plain()).await;
    lab.note("then", word(&next));
}

async fn a_message_that_comes_back_has_no_new_life(lab: Lab) {
    let client = lab.client().await;
    client.declare("dead", &[]).await;
    let mut arguments = dead_letters_to("dead").to_vec();
    arguments.push(("x-message-ttl", int(5000)));
    client.declare("q", &arguments).await;
    send(&client, "q", &["m"]).await;
    let channel = client.new_channel().await;
    let message = get(&channel, "q").await.expect("what the case sets up");
    lab.passes(Duration::from_millis(5100)).await;
    nack(&channel, message.delivery_tag, false, true).await;
    lab.note("dead", word(&take(&client, "dead").await));
}

async fn a_message_in_somebodys_hands_does_not_expire(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[("x-message-ttl", int(5000))]).await;
    send(&client, "q", &["held"]).await;
    let channel = client.new_channel().await;
    let message = get(&channel, "q").await.expect("what the case sets up");
    send(&client, "q", &["waits"]).await;
    lab.passes(Duration::from_secs(5)).await;
    lab.until("q", |depth| depth.ready == 0).await;
    lab.note("held", format!("{:?}", lab.depth("q").await));
    ack(&channel, message.delivery_tag, false).await;
    lab.until("q", |depth| depth.unacked == 0).await;
    lab.note("acked", format!("{:?}", lab.depth("q").await));
}

async fn an_unused_queue_expires(lab: Lab) {
    let client = lab.client().await;
    for (name, mut arguments) in [("classic", vec![]), ("quorum", vec![quorum()])] {
        arguments.push(("x-expires", int(100)));
        client.declare(name, &arguments).await;
        lab.gone(name).await;
        lab.note(name, "gone");
    }
}

async fn a_queue_with_a_consumer_does_not_expire(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[("x-expires", int(5000))]).await;
    let channel = client.new_channel().await;
    let consumer = consume(&channel, "q", 1).await;
    lab.passes(Duration::from_secs(6)).await;
    let there = lab.depth("q").await.is_ok();
    lab.note("there with a consumer", there);
    cancel(&channel, &consumer).await;
    lab.passes(Duration::from_secs(5)).await;
    lab.gone("q").await;
    lab.note("without", "it goes");
}

async fn a_queue_that_is_looked_at_does_not_expire(lab: Lab) {
    let client = lab.client().await;
    let channel = client.new_channel().await;
    let expires = [("x-expires", int(5000))];
    client.declare("q", &expires).await;
    for _ in 0..2 {
        lab.passes(Duration::from_secs(3)).await;
        client.declare("q", &expires).await;
    }
    lab.note("redeclared", lab.depth("q").await.is_ok());
    for _ in 0..2 {
        lab.passes(Duration::from_secs(3)).await;
        get(&channel, "q").await;
    }
    lab.note("asked", lab.depth("q").await.is_ok());
    lab.passes(Duration::from_secs(5)).await;
    lab.gone("q").await;
    lab.note("without", "it goes");
}

async fn an_expiring_queue_takes_its_messages_along(lab: Lab) {
    let client = lab.client().await;
    client.declare("dead", &[]).await;
    let mut arguments = dead_letters_to("dead").to_vec();
    arguments.push(("x-expires", int(100)));
    client.declare("q", &arguments).await;
    send(&client, "q", &["m"]).await;
    lab.gone("q").await;
    send(&client, "dead", &["sentinel"]).await;
    lab.note("dead", drain(&client, "dead").await);
}

async fn a_transient_dead_end_is_only_emptied_from_its_head(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    client.publish("", "q", b"for ever", plain()).await;
    client.publish("", "q", b"short", lives("10")).await;
    lab.passes(Duration::from_millis(60)).await;
    // It is past its time, and counted until somebody looks at it.
    lab.note(
        "counted",
        format!("{:?}", count(client.channel(), "q").await),
    );
    let channel = client.new_channel().await;
    let first = get(&channel, "q").await.expect("what the case sets up");
    lab.note("first", word(&first));
    lab.note(
        "second",
        get(&channel, "q")
            .await
            .map_or("none".to_owned(), |m| word(&m)),
    );
}
