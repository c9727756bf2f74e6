//! What quorum queues do in another way.

use integration_tests::Client;
use lapin::Channel;

use super::dead_letter::dead_letters_to;
use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::show;
use crate::conformance::tools::{
    ack, cancel, consume, count, drain, get, int, nack, next, next_bodies, plain, quorum, reject,
    send, take, word,
};

cases![
    the_delivery_count_is_told,
    a_nack_and_a_reject_count_alike,
    a_lost_channel_counts,
    a_limit_drops_a_message_that_came_back_too_often,
    a_limit_of_zero_allows_one_delivery,
    the_limit_parks_a_message_with_its_history,
    requeued_messages_come_back_first,
    a_requeued_message_behind_others_keeps_its_place,
    without_a_limit_a_message_comes_back_often,
    a_get_counts_like_any_delivery,
    a_quorum_queue_counts_its_messages,
    priorities_mean_two_levels,
    purge_leaves_what_is_in_hand,
    a_deleted_queue_cancels_its_consumers,
];

async fn queue(lab: &Lab, limit: i32) -> (Client, Channel) {
    let client = lab.client().await;
    client
        .declare("q", &[quorum(), ("x-delivery-limit", int(limit))])
        .await;
    let channel = client.new_channel().await;
    (client, channel)
}

async fn the_delivery_count_is_told(lab: Lab) {
    let (client, channel) = queue(&lab, 10).await;
    client
        .publish("", "q", b"m", plain().with_message_id("1".into()))
        .await;
    let mut consumer = consume(&channel, "q", 1).await;
    for _ in 0..4 {
        let delivery = next(&mut consumer).await;
        lab.note("delivered", show::delivery(&delivery));
        reject(&channel, delivery.delivery_tag, true).await;
    }
}

async fn a_nack_and_a_reject_count_alike(lab: Lab) {
    let (client, channel) = queue(&lab, 10).await;
    send(&client, "q", &["m"]).await;
    let mut consumer = consume(&channel, "q", 1).await;
    nack(
        &channel,
        next(&mut consumer).await.delivery_tag,
        false,
        true,
    )
    .await;
    let delivery = next(&mut consumer).await;
    lab.note("after a nack", show::delivery(&delivery));
    reject(&channel, delivery.delivery_tag, true).await;
    lab.note("after a reject", show::delivery(&next(&mut consumer).await));
}

async fn a_lost_channel_counts(lab: Lab) {
    let (client, channel) = queue(&lab, 10).await;
    send(&client, "q", &["m"]).await;
    let mut consumer = consume(&channel, "q", 1).await;
    lab.note("first", show::delivery(&next(&mut consumer).await));
    channel
        .close(200, "bye".into())
        .await
        .expect("what the case sets up");
    let other = lab.client().await;
    let mut consumer = consume(other.channel(), "q", 1).await;
    lab.note(
        "after a closed channel",
        show::delivery(&next(&mut consumer).await),
    );
    drop((consumer, other));
    lab.reset_connections().await;
    let client = lab.client().await;
    lab.note(
        "after a lost connection",
        show::delivery(&take(&client, "q").await),
    );
}

async fn a_limit_drops_a_message_that_came_back_too_often(lab: Lab) {
    let (client, channel) = queue(&lab, 2).await;
    send(&client, "q", &["bad", "good"]).await;
    let mut consumer = consume(&channel, "q", 1).await;
    for _ in 0..3 {
        let delivery = next(&mut consumer).await;
        lab.note("delivered", show::delivery(&delivery));
        reject(&channel, delivery.delivery_tag, true).await;
    }
    lab.note("then", show::delivery(&next(&mut consumer).await));
}

async fn a_limit_of_zero_allows_one_delivery(lab: Lab) {
    let (client, channel) = queue(&lab, 0).await;
    send(&client, "q", &["bad", "good"]).await;
    let mut consumer = consume(&channel, "q", 1).await;
    reject(&channel, next(&mut consumer).await.delivery_tag, true).await;
    lab.note("then", show::delivery(&next(&mut consumer).await));
}

async fn the_limit_parks_a_message_with_its_history(lab: Lab) {
    let client = lab.client().await;
    client.declare("dead", &[]).await;
    let mut arguments = dead_letters_to("dead").to_vec();
    arguments.extend([quorum(), ("x-delivery-limit", int(2))]);
    client.declare("q", &arguments).await;
    let headers = crate::conformance::tools::headers(&[("mine", int(1))]);
    client
        .publish("", "q", b"m", headers.with_delivery_mode(2))
        .await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 1).await;
    for _ in 0..3 {
        let delivery = next(&mut consumer).await;
        nack(&channel, delivery.delivery_tag, false, true).await;
    }
    lab.note("dead", show::delivery(&take(&client, "dead").await));
}

async fn requeued_messages_come_back_first(lab: Lab) {
    let (client, channel) = queue(&lab, 10).await;
    send(&client, "q", &["1", "2", "3", "4", "5"]).await;
    for _ in 0..3 {
        get(&channel, "q").await.expect("what the case sets up");
    }
    nack(&channel, 3, true, true).await;
    lab.ready("q", 5).await;
    let other = client.new_channel().await;
    let mut consumer = consume(&other, "q", 0).await;
    lab.note("order", next_bodies(&mut consumer, 5).await);
}

async fn a_requeued_message_behind_others_keeps_its_place(lab: Lab) {
    let (client, channel) = queue(&lab, 10).await;
    send(&client, "q", &["1", "2", "3", "4", "5"]).await;
    for _ in 0..4 {
        get(&channel, "q").await.expect("what the case sets up");
    }
    for tag in [4, 2] {
        nack(&channel, tag, false, true).await;
        lab.until("q", |depth| depth.ready == if tag == 4 { 2 } else { 3 })
            .await;
    }
    let other = client.new_channel().await;
    let mut consumer = consume(&other, "q", 0).await;
    lab.note("order", next_bodies(&mut consumer, 3).await);
}

async fn without_a_limit_a_message_comes_back_often(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[quorum()]).await;
    send(&client, "q", &["bad", "good"]).await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 1).await;
    let mut bad = 0;
    while bad < 40 {
        let delivery = next(&mut consumer).await;
        if delivery.data == b"good" {
            break;
        }
        bad += 1;
        reject(&channel, delivery.delivery_tag, true).await;
    }
    lab.note("deliveries", bad);
}

async fn a_get_counts_like_any_delivery(lab: Lab) {
    let (client, channel) = queue(&lab, 10).await;
    send(&client, "q", &["m"]).await;
    for _ in 0..3 {
        let message = get(&channel, "q").await.expect("what the case sets up");
        lab.note("got", show::delivery(&message));
        nack(&channel, message.delivery_tag, false, true).await;
        lab.ready("q", 1).await;
    }
}

async fn a_quorum_queue_counts_its_messages(lab: Lab) {
    let (client, channel) = queue(&lab, 10).await;
    send(&client, "q", &["1", "2", "3"]).await;
    lab.note("ready", format!("{:?}", count(&channel, "q").await));
    let message = get(&channel, "q").await.expect("what the case sets up");
    lab.note("left", message.message_count);
    let depth = lab.depth("q").await.expect("what the case sets up");
    lab.note(
        "in hand",
        format!("{} of {}", depth.unacked, depth.ready + depth.unacked),
    );
    ack(&channel, message.delivery_tag, false).await;
    let consumer = consume(&channel, "q", 1).await;
    lab.until("q", |depth| depth.unacked == 1).await;
    lab.note(
        "consumed",
        format!("{:?}", count(client.channel(), "q").await),
    );
    cancel(&channel, &consumer).await;
}

async fn priorities_mean_two_levels(lab: Lab) {
    let (client, _) = queue(&lab, 10).await;
    for (body, priority) in [("a", 0), ("b", 9), ("c", 4), ("d", 5)] {
        client
            .publish("", "q", body.as_bytes(), plain().with_priority(priority))
            .await;
    }
    lab.note("order", drain(&client, "q").await);
}

async fn purge_leaves_what_is_in_hand(lab: Lab) {
    let (client, channel) = queue(&lab, 10).await;
    send(&client, "q", &["1", "2", "3"]).await;
    let message = get(&channel, "q").await.expect("what the case sets up");
    let purged = client
        .channel()
        .queue_purge("q".into(), Default::default())
        .await
        .expect("what the case sets up");
    lab.note("purged", purged);
    nack(&channel, message.delivery_tag, false, true).await;
    lab.ready("q", 1).await;
    lab.note("left", drain(&client, "q").await);
}

async fn a_deleted_queue_cancels_its_consumers(lab: Lab) {
    use futures_util::StreamExt;
    let (client, channel) = queue(&lab, 10).await;
    let mut consumer = consume(&channel, "q", 1).await;
    send(&client, "q", &["m"]).await;
    let delivery = next(&mut consumer).await;
    lab.note("delivered", word(&delivery));
    let deleted = client
        .channel()
        .queue_delete("q".into(), Default::default())
        .await
        .expect("what the case sets up");
    lab.note("deleted with", format!("{deleted} messages"));
    let end = crate::conformance::tools::within(consumer.next()).await;
    lab.note(
        "the consumer's stream",
        if end.is_none() { "ends" } else { "goes on" },
    );
    // The tag is still the channel's to settle.
    ack(&channel, delivery.delivery_tag, false).await;
    client.declare("r", &[]).await;
    lab.note("the channel", format!("{:?}", count(&channel, "r").await));
}
