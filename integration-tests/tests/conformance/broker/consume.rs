//! Who gets which message: prefetch, turns, priorities.

use futures_util::StreamExt;
use lapin::options::BasicConsumeOptions;
use lapin::{Channel, Consumer};

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::show;
use crate::conformance::tools::{
    ack, cancel, consume, consume_with, count, int, next, next_bodies, quorum, send, within, word,
};

cases![
    consumers_take_turns,
    a_consumer_that_is_full_is_left_out,
    a_higher_priority_is_served_first,
    a_higher_priority_is_served_first_by_quorum_queues,
    a_cancelled_consumer_keeps_what_it_has,
    a_deleted_queue_cancels_its_consumers,
    a_cancel_comes_only_to_clients_that_know_it,
    consumer_tags_are_made_up,
    delivery_tags_count_on_the_channel,
    a_message_goes_to_a_consumer_that_waits,
    a_consumer_comes_before_an_exclusive_one_is_refused,
    what_was_sent_before_is_delivered_in_order,
];

/// Receives what comes on several consumers, one from each in turn.
async fn turns(consumers: &mut [Consumer], rounds: usize) -> String {
    let mut all = Vec::new();
    for consumer in consumers {
        all.push(next_bodies(consumer, rounds).await);
    }
    all.join(" | ")
}

pub(super) async fn three(channel: &Channel, queue: &str, prefetch: u16) -> Vec<Consumer> {
    let mut consumers = Vec::new();
    for _ in 0..3 {
        consumers.push(consume(channel, queue, prefetch).await);
    }
    consumers
}

async fn consumers_take_turns(lab: Lab) {
    let client = lab.client().await;
    for (name, arguments) in [("classic", vec![]), ("quorum", vec![quorum()])] {
        client.declare(name, &arguments).await;
        let channel = client.new_channel().await;
        let mut consumers = three(&channel, name, 10).await;
        lab.until(name, |depth| depth.consumers == 3).await;
        send(&client, name, &["1", "2", "3", "4", "5", "6"]).await;
        lab.note(name, turns(&mut consumers, 2).await);
    }
}

async fn a_consumer_that_is_full_is_left_out(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    let channel = client.new_channel().await;
    let mut narrow = consume(&channel, "q", 1).await;
    let mut wide = consume(&channel, "q", 10).await;
    send(&client, "q", &["1", "2", "3", "4", "5"]).await;
    let first = next(&mut narrow).await;
    lab.note("narrow", word(&first));
    lab.note("wide", next_bodies(&mut wide, 4).await);
    ack(&channel, first.delivery_tag, false).await;
    lab.until("q", |depth| depth.unacked == 4).await;
    send(&client, "q", &["6", "7"]).await;
    lab.note("narrow", next_bodies(&mut narrow, 1).await);
    lab.note("wide", next_bodies(&mut wide, 1).await);
}

async fn priorities(lab: &Lab, arguments: &[(&str, lapin::types::AMQPValue)]) {
    let client = lab.client().await;
    client.declare("q", arguments).await;
    let channel = client.new_channel().await;
    let options = BasicConsumeOptions::default;
    let mut low = consume_with(&channel, "q", 2, options(), &[("x-priority", int(-1))])
        .await
        .expect("what the case sets up");
    let mut none = consume_with(&channel, "q", 2, options(), &[])
        .await
        .expect("what the case sets up");
    let mut high = consume_with(&channel, "q", 2, options(), &[("x-priority", int(5))])
        .await
        .expect("what the case sets up");
    lab.until("q", |depth| depth.consumers == 3).await;
    send(&client, "q", &["1", "2", "3", "4", "5", "6", "7"]).await;
    lab.note("high", next_bodies(&mut high, 2).await);
    lab.note("none", next_bodies(&mut none, 2).await);
    let first = next(&mut low).await;
    lab.note(
        "low",
        format!("{} {}", word(&first), next_bodies(&mut low, 1).await),
    );
    ack(&channel, first.delivery_tag, false).await;
    lab.note("low, as others are full", next_bodies(&mut low, 1).await);
}

async fn a_higher_priority_is_served_first(lab: Lab) {
    priorities(&lab, &[]).await;
}

async fn a_higher_priority_is_served_first_by_quorum_queues(lab: Lab) {
    priorities(&lab, &[quorum()]).await;
}

async fn a_cancelled_consumer_keeps_what_it_has(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2", "3"]).await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 2).await;
    let first = next(&mut consumer).await;
    lab.until("q", |depth| depth.unacked == 2).await;
    cancel(&channel, &consumer).await;
    lab.note("after the cancel", format!("{:?}", lab.depth("q").await));
    ack(&channel, first.delivery_tag, false).await;
    lab.until("q", |depth| depth.unacked == 1).await;
    lab.note("after an ack", format!("{:?}", lab.depth("q").await));
    channel
        .close(200, "bye".into())
        .await
        .expect("what the case sets up");
    lab.ready("q", 2).await;
    lab.note("after the channel", format!("{:?}", lab.depth("q").await));
}

async fn a_deleted_queue_cancels_its_consumers(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    client.declare("other", &[]).await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 1).await;
    let mut another = consume(&channel, "other", 1).await;
    client
        .channel()
        .queue_delete("q".into(), Default::default())
        .await
        .expect("what the case sets up");
    let end = within(consumer.next()).await;
    lab.note("its stream", if end.is_none() { "ends" } else { "goes on" });
    send(&client, "other", &["m"]).await;
    lab.note(
        "the other on the channel",
        next_bodies(&mut another, 1).await,
    );
}

async fn a_cancel_comes_only_to_clients_that_know_it(lab: Lab) {
    use crate::conformance::say;
    use crate::conformance::wire::Wire;
    for knows in [true, false] {
        let mut wire = Wire::dial(&lab).await;
        let can = if knows {
            &["consumer_cancel_notify"][..]
        } else {
            &[]
        };
        let offer = wire
            .log_in(say::start_ok_with("PLAIN", "\0guest\0guest", can))
            .await
            .tune;
        wire.send(
            0,
            say::tune_ok(amq_protocol::protocol::connection::TuneOk {
                channel_max: offer.channel_max,
                frame_max: offer.frame_max,
                heartbeat: 0,
            }),
        )
        .await;
        wire.call(0, say::open_vhost(lab.vhost())).await;
        wire.open(1).await;
        wire.call(1, say::declare("q", &[])).await;
        wire.call(1, say::consume("q", "me")).await;
        let mut other = lab.wire().await;
        other.call(1, say::delete("q")).await;
        // What comes for another queue comes after it.
        wire.send(1, say::declare("r", &[])).await;
        let mut heard = vec![wire.hear().await];
        if knows {
            heard.push(wire.hear().await);
        }
        heard.sort_by_key(show::heard);
        lab.note(if knows { "knows" } else { "does not" }, show::all(&heard));
        lab.note("and then", show::all(&wire.settle(1).await));
    }
}

async fn consumer_tags_are_made_up(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    let channel = client.new_channel().await;
    let consumer = consume(&channel, "q", 1).await;
    lab.note("tag", consumer.tag());
    let again = consume(&channel, "q", 1).await;
    lab.note(
        "another",
        if again.tag() == consumer.tag() {
            "the same"
        } else {
            "a different one"
        },
    );
    let options = BasicConsumeOptions::default();
    let named = channel.basic_consume("q".into(), "mine".into(), options, Default::default());
    lab.note("named", named.await.expect("what the case sets up").tag());
}

async fn delivery_tags_count_on_the_channel(lab: Lab) {
    let client = lab.client().await;
    client.declare("a", &[]).await;
    client.declare("b", &[]).await;
    let channel = client.new_channel().await;
    let mut on_a = consume(&channel, "a", 0).await;
    let mut on_b = consume(&channel, "b", 0).await;
    for round in 0..2 {
        send(&client, "a", &["m"]).await;
        lab.note(&format!("a{round}"), next(&mut on_a).await.delivery_tag);
        send(&client, "b", &["m"]).await;
        lab.note(&format!("b{round}"), next(&mut on_b).await.delivery_tag);
    }
}

async fn a_message_goes_to_a_consumer_that_waits(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    let busy_channel = client.new_channel().await;
    let mut busy = consume(&busy_channel, "q", 1).await;
    send(&client, "q", &["1"]).await;
    next(&mut busy).await;
    send(&client, "q", &["2"]).await;
    lab.note("waits", format!("{:?}", count(client.channel(), "q").await));
    let free_channel = client.new_channel().await;
    let mut free = consume(&free_channel, "q", 1).await;
    lab.note("free", next_bodies(&mut free, 1).await);
    busy_channel
        .close(200, "bye".into())
        .await
        .expect("what the case sets up");
    lab.ready("q", 1).await;
    ack(&free_channel, 1, false).await;
    lab.note("free", next_bodies(&mut free, 1).await);
}

async fn a_consumer_comes_before_an_exclusive_one_is_refused(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    let exclusive = BasicConsumeOptions {
        exclusive: true,
        ..Default::default()
    };
    let owner = client.new_channel().await;
    let consumer = consume_with(&owner, "q", 1, exclusive, &[])
        .await
        .expect("what the case sets up");
    let other = client.new_channel().await;
    let refused = consume_with(&other, "q", 1, BasicConsumeOptions::default(), &[]).await;
    lab.note("while it is there", show::outcome(&refused));
    cancel(&owner, &consumer).await;
    let other = client.new_channel().await;
    let welcome = consume_with(&other, "q", 1, BasicConsumeOptions::default(), &[]).await;
    lab.note("after it", show::outcome(&welcome));
}

async fn what_was_sent_before_is_delivered_in_order(lab: Lab) {
    let client = lab.client().await;
    for (name, arguments) in [("classic", vec![]), ("quorum", vec![quorum()])] {
        client.declare(name, &arguments).await;
        client
            .publish_orders(name, (0..300).map(|id| (id, "ok")))
            .await;
        let channel = client.new_channel().await;
        let mut consumer = consume(&channel, name, 7).await;
        let mut last = None;
        let mut in_order = true;
        for _ in 0..300 {
            let delivery = next(&mut consumer).await;
            ack(&channel, delivery.delivery_tag, false).await;
            let text = String::from_utf8_lossy(&delivery.data).into_owned();
            let id: u64 = text
                .chars()
                .filter(char::is_ascii_digit)
                .collect::<String>()
                .parse()
                .expect("what the case sets up");
            in_order &= last.is_none_or(|last| id == last + 1);
            last = Some(id);
        }
        lab.note(name, if in_order { "in order" } else { "out of order" });
    }
}
