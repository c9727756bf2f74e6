//! What becomes of a quorum queue's delivery count when the message dies and goes on to another
//! queue. It depends on how the message came back: given back by its consumer, or lost with it.

use std::time::Duration;

use integration_tests::Client;
use lapin::message::BasicGetMessage;
use lapin::types::{AMQPValue, ShortString};

use super::dead_letter::dead_letters_to;
use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::tools::{get, int, nack, plain, quorum, reject, text};

cases![
    what_a_quorum_queue_counted_is_told_by_the_next,
    what_a_quorum_queue_counted_is_told_by_a_classic_queue,
    what_a_dead_letter_that_must_arrive_was_counted_is_told_by_the_next,
    what_a_dead_letter_that_must_arrive_was_counted_is_told_by_a_classic_queue,
];

/// What happens to a message.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Its consumer gives it back.
    Nack,
    /// Its consumer goes away.
    Lost,
    /// Its consumer does not want it.
    Reject,
    /// Its time passes.
    Expire,
}

/// Ways to die in a queue that allows a message to come back once.
const WAYS: [&[Step]; 10] = {
    use Step::{Expire, Lost, Nack, Reject};
    [
        &[Reject],
        &[Nack, Reject],
        &[Lost, Reject],
        &[Nack, Nack],
        &[Nack, Lost],
        &[Lost, Nack],
        &[Lost, Lost],
        &[Expire],
        &[Nack, Expire],
        &[Lost, Expire],
    ]
};

async fn what_a_quorum_queue_counted_is_told_by_the_next(lab: Lab) {
    die_in_every_way(&lab, &[], &[quorum()]).await;
}

async fn what_a_quorum_queue_counted_is_told_by_a_classic_queue(lab: Lab) {
    die_in_every_way(&lab, &[], &[]).await;
}

async fn what_a_dead_letter_that_must_arrive_was_counted_is_told_by_the_next(lab: Lab) {
    die_in_every_way(&lab, &at_least_once(), &[quorum()]).await;
}

async fn what_a_dead_letter_that_must_arrive_was_counted_is_told_by_a_classic_queue(lab: Lab) {
    die_in_every_way(&lab, &at_least_once(), &[]).await;
}

fn at_least_once() -> [(&'static str, AMQPValue); 2] {
    [
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ]
}

async fn die_in_every_way(
    lab: &Lab,
    strategy: &[(&'static str, AMQPValue)],
    next: &[(&'static str, AMQPValue)],
) {
    let client = lab.client().await;
    client.declare("next", next).await;
    let mut arguments = dead_letters_to("next").to_vec();
    arguments.extend([quorum(), ("x-delivery-limit", int(1))]);
    arguments.extend_from_slice(strategy);
    client.declare("q", &arguments).await;
    for way in WAYS {
        let properties = match way.last() {
            Some(Step::Expire) => plain().with_expiration("1000".into()),
            _ => plain(),
        };
        client.publish("", "q", b"m", properties).await;
        for step in way {
            take_step(lab, &client, *step).await;
        }
        let first = told(&settle(lab, &client, "next", Step::Nack).await);
        let second = told(&settle(lab, &client, "next", Step::Lost).await);
        let last = told(&settle(lab, &client, "next", Step::Reject).await);
        let seen = format!("{first}; given back {second}; lost {last}");
        lab.note(&format!("{way:?}"), seen);
    }
}

async fn take_step(lab: &Lab, client: &Client, step: Step) {
    match step {
        Step::Expire => {
            lab.passes(Duration::from_millis(1000)).await;
            lab.ready("q", 0).await;
        }
        other => {
            settle(lab, client, "q", other).await;
        }
    }
}

/// Takes the one message of a queue, and lets that happen to it.
async fn settle(lab: &Lab, client: &Client, queue: &str, step: Step) -> BasicGetMessage {
    lab.ready(queue, 1).await;
    let channel = client.new_channel().await;
    let message = get(&channel, queue).await.expect("it waits there");
    match step {
        Step::Nack => nack(&channel, message.delivery_tag, false, true).await,
        Step::Reject => reject(&channel, message.delivery_tag, false).await,
        Step::Lost | Step::Expire => {}
    }
    channel
        .close(200, "bye".into())
        .await
        .expect("it is open until then");
    message
}

/// The count that a message carries, with a star if it was redelivered.
fn told(message: &BasicGetMessage) -> String {
    let headers = message.properties.headers().as_ref();
    let key = ShortString::from("x-delivery-count");
    let count = headers.and_then(|headers| headers.inner().get(&key));
    let count = count.map_or("none".to_owned(), crate::conformance::show::value);
    let star = if message.redelivered { "*" } else { "" };
    format!("{count}{star}")
}
