//! Queues that serve one consumer at a time.

use integration_tests::Client;
use lapin::options::BasicConsumeOptions;
use lapin::{Channel, Consumer};

use super::consume::three;
use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::show;
use crate::conformance::tools::{
    ack, cancel, consume_with, nack, next, next_bodies, quorum, send, word, yes,
};

cases![
    a_single_active_consumer_is_followed_by_the_next,
    a_single_active_consumer_of_a_quorum_queue_is_followed_by_the_next,
    a_single_active_consumer_is_followed_while_it_holds_messages,
    a_single_active_consumer_is_not_exclusive,
];

/// Three consumers of a queue that serves one at a time.
async fn single_active(
    lab: &Lab,
    mut arguments: Vec<(&str, lapin::types::AMQPValue)>,
) -> (Client, Channel, Vec<Consumer>) {
    let client = lab.client().await;
    arguments.push(("x-single-active-consumer", yes()));
    client.declare("q", &arguments).await;
    let channel = client.new_channel().await;
    let consumers = three(&channel, "q", 2).await;
    lab.until("q", |depth| depth.consumers == 3).await;
    (client, channel, consumers)
}

async fn succession(lab: &Lab, arguments: Vec<(&str, lapin::types::AMQPValue)>) {
    let (client, channel, mut consumers) = single_active(lab, arguments).await;
    for (place, bodies) in [
        ("first", ["1", "2"]),
        ("second", ["3", "4"]),
        ("third", ["5", "6"]),
    ] {
        send(&client, "q", &bodies).await;
        let mut consumer = consumers.remove(0);
        let first = next(&mut consumer).await;
        let second = next(&mut consumer).await;
        lab.note(place, format!("{} {}", word(&first), word(&second)));
        ack(&channel, second.delivery_tag, true).await;
        lab.until("q", |depth| depth.unacked == 0).await;
        cancel(&channel, &consumer).await;
    }
}

async fn a_single_active_consumer_is_followed_by_the_next(lab: Lab) {
    succession(&lab, Vec::new()).await;
}

async fn a_single_active_consumer_of_a_quorum_queue_is_followed_by_the_next(lab: Lab) {
    succession(&lab, vec![quorum()]).await;
}

async fn a_single_active_consumer_is_followed_while_it_holds_messages(lab: Lab) {
    for (name, arguments) in [("classic", vec![]), ("quorum", vec![quorum()])] {
        let (client, channel, mut consumers) = single_active(&lab, arguments).await;
        send(&client, "q", &["1", "2", "3", "4"]).await;
        lab.note(name, next_bodies(&mut consumers[0], 2).await);
        cancel(&channel, &consumers[0]).await;
        lab.note("the second", next_bodies(&mut consumers[1], 2).await);
        // The first one's messages are still in its hands.
        nack(&channel, 2, true, true).await;
        lab.until("q", |depth| depth.ready == 2).await;
        ack(&channel, 4, true).await;
        lab.note("the second", next_bodies(&mut consumers[1], 2).await);
        client
            .channel()
            .queue_delete("q".into(), Default::default())
            .await
            .expect("what the case sets up");
    }
}

async fn a_single_active_consumer_is_not_exclusive(lab: Lab) {
    let exclusive = BasicConsumeOptions {
        exclusive: true,
        ..Default::default()
    };
    for (name, arguments) in [("classic", vec![]), ("quorum", vec![quorum()])] {
        let (client, _channel, _consumers) = single_active(&lab, arguments).await;
        let other = client.new_channel().await;
        let refused = consume_with(&other, "q", 1, exclusive, &[]).await;
        lab.note(name, show::outcome(&refused));
        client
            .channel()
            .queue_delete("q".into(), Default::default())
            .await
            .expect("what the case sets up");
    }
}
