//! Dead letters that go round in circles, and dead letters that must arrive.

use amq_protocol::types::AMQPValue;
use integration_tests::Client;

use super::dead_letter::dead_letters_to;
use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::show;
use crate::conformance::tools::{
    consume, drain, int, next, plain, publish, quorum, reject, send, take, text,
};

cases![
    a_circle_of_expiries_ends,
    a_circle_with_a_reject_goes_on,
    a_queue_that_is_its_own_dead_letter_queue,
    a_circle_of_full_queues_ends,
    a_dead_letter_may_push_out_another,
    a_dead_letter_that_must_arrive_waits_for_its_queue,
    a_dead_letter_that_must_arrive_waits_for_room,
];

fn ttl_and(next: &str, ttl: i32) -> Vec<(&'static str, AMQPValue)> {
    let mut arguments = dead_letters_to(next).to_vec();
    arguments.push(("x-message-ttl", int(ttl)));
    arguments
}

/// Sends a message into a queue and waits until it is gone from all of these.
async fn vanishes(lab: &Lab, client: &Client, queues: &[&str]) {
    send(client, queues[0], &["m"]).await;
    for queue in queues {
        lab.ready(queue, 0).await;
    }
}

async fn a_circle_of_expiries_ends(lab: Lab) {
    let client = lab.client().await;
    client.declare("a", &ttl_and("b", 10)).await;
    client.declare("b", &ttl_and("a", 10)).await;
    send(&client, "a", &["m"]).await;
    integration_tests::eventually(crate::conformance::lab::SOON, "it is gone", async || {
        let (a, b) = (lab.depth("a").await?, lab.depth("b").await?);
        match a.ready + b.ready {
            // Between two queues it is in none.
            0 => Ok(()),
            _ => Err(format!("{a:?} {b:?}")),
        }
    })
    .await;
    vanishes(&lab, &client, &["a", "b"]).await;
    lab.note("a", drain(&client, "a").await);
    lab.note("b", drain(&client, "b").await);
}

async fn a_circle_with_a_reject_goes_on(lab: Lab) {
    let client = lab.client().await;
    client.declare("work", &dead_letters_to("lane")).await;
    client.declare("lane", &ttl_and("work", 5)).await;
    send(&client, "work", &["m"]).await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "work", 1).await;
    for round in 1..=10 {
        let delivery = next(&mut consumer).await;
        if round == 10 {
            lab.note("rounds", round);
        }
        reject(&channel, delivery.delivery_tag, false).await;
    }
}

async fn a_queue_that_is_its_own_dead_letter_queue(lab: Lab) {
    let client = lab.client().await;
    client.declare("expires", &ttl_and("expires", 10)).await;
    vanishes(&lab, &client, &["expires"]).await;
    lab.note("expired", drain(&client, "expires").await);
    client.declare("rejects", &dead_letters_to("rejects")).await;
    send(&client, "rejects", &["m"]).await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "rejects", 1).await;
    for _ in 0..3 {
        let delivery = next(&mut consumer).await;
        lab.note("redelivered", delivery.redelivered);
        reject(&channel, delivery.delivery_tag, false).await;
    }
}

async fn a_circle_of_full_queues_ends(lab: Lab) {
    let client = lab.client().await;
    for (queue, next) in [("a", "b"), ("b", "a")] {
        let mut arguments = dead_letters_to(next).to_vec();
        arguments.push(("x-max-length", int(1)));
        client.declare(queue, &arguments).await;
    }
    send(&client, "a", &["1", "2", "3", "4"]).await;
    lab.ready("a", 1).await;
    lab.ready("b", 1).await;
    let channel = client.new_channel().await;
    let (mut a, mut b) = (
        consume(&channel, "a", 0).await,
        consume(&channel, "b", 0).await,
    );
    let word = crate::conformance::tools::word;
    lab.note("a", word(&next(&mut a).await));
    // How far the others got before they were dropped depends on who was faster.
    _ = next(&mut b).await;
    lab.note("one in each", "yes");
}

async fn a_dead_letter_may_push_out_another(lab: Lab) {
    let client = lab.client().await;
    client.declare("end", &[]).await;
    let mut small = dead_letters_to("end").to_vec();
    small.push(("x-max-length", int(1)));
    client.declare("small", &small).await;
    client.declare("q", &ttl_and("small", 10)).await;
    send(&client, "small", &["first"]).await;
    send(&client, "q", &["second"]).await;
    lab.note("end", show::delivery(&take(&client, "end").await));
    lab.note("small", show::delivery(&take(&client, "small").await));
}

fn must_arrive(next: &str) -> Vec<(&'static str, AMQPValue)> {
    let mut arguments = dead_letters_to(next).to_vec();
    arguments.push(quorum());
    arguments.push(("x-dead-letter-strategy", text("at-least-once")));
    arguments.push(("x-overflow", text("reject-publish")));
    arguments
}

async fn a_dead_letter_that_must_arrive_waits_for_its_queue(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &must_arrive("later")).await;
    client
        .publish("", "q", b"m", plain().with_expiration("10".into()))
        .await;
    lab.ready("q", 0).await;
    let depth = lab.depth("q").await;
    lab.note("while nothing takes it", format!("{depth:?}"));
    client.declare("there", &[]).await;
    client.declare("r", &must_arrive("there")).await;
    client
        .publish("", "r", b"m", plain().with_expiration("10".into()))
        .await;
    let dead = take(&client, "there").await;
    lab.note("with a queue", crate::conformance::tools::word(&dead));
}

async fn a_dead_letter_that_must_arrive_waits_for_room(lab: Lab) {
    let client = lab.client().await;
    let full = [
        ("x-max-length", int(1)),
        ("x-overflow", text("reject-publish")),
    ];
    client.declare("full", &full).await;
    send(&client, "full", &["first"]).await;
    let refused = publish(client.channel(), "", "full", b"second", plain()).await;
    lab.note(
        "a client is refused",
        format!("{:?}", refused.expect("what the case sets up")),
    );
    client.declare("q", &must_arrive("full")).await;
    client
        .publish("", "q", b"third", plain().with_expiration("10".into()))
        .await;
    lab.ready("q", 0).await;
    lab.note("still", drain(&client, "full").await);
}
