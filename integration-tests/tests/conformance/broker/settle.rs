//! What happens to what is in somebody's hands.

use lapin::options::{BasicConsumeOptions, BasicGetOptions, BasicRecoverOptions};

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::tools::{
    ack, consume, count, drain, get, nack, next, next_bodies, reject, send, within, word,
};
use crate::conformance::{say, show};

cases![
    a_requeued_message_takes_its_old_place,
    requeued_messages_keep_their_order,
    a_message_requeued_behind_others_goes_between_them,
    a_nack_may_settle_many,
    an_ack_may_settle_many,
    a_message_is_redelivered_when_it_was_delivered_before,
    what_a_closed_channel_held_comes_back,
    what_a_lost_connection_held_comes_back,
    a_get_tells_how_many_are_left,
    a_get_without_ack_is_final,
    a_get_from_an_empty_queue_is_empty,
    recover_gives_everything_back,
    a_rejected_message_is_gone,
    a_requeue_offers_the_message_to_another_consumer,
    a_message_can_be_requeued_for_ever,
    acks_of_what_is_gone_with_its_queue_are_accepted,
];

async fn a_requeued_message_takes_its_old_place(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2", "3"]).await;
    let channel = client.new_channel().await;
    let first = get(&channel, "q").await.expect("what the case sets up");
    nack(&channel, first.delivery_tag, false, true).await;
    lab.ready("q", 3).await;
    lab.note("order", drain(&client, "q").await);
}

async fn requeued_messages_keep_their_order(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2", "3", "4", "5"]).await;
    let channel = client.new_channel().await;
    for _ in 0..4 {
        get(&channel, "q").await.expect("what the case sets up");
    }
    for tag in [4, 1, 3, 2] {
        nack(&channel, tag, false, true).await;
    }
    lab.ready("q", 5).await;
    lab.note("order", drain(&client, "q").await);
}

async fn a_message_requeued_behind_others_goes_between_them(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2", "3", "4"]).await;
    let channel = client.new_channel().await;
    for _ in 0..3 {
        get(&channel, "q").await.expect("what the case sets up");
    }
    nack(&channel, 1, false, true).await;
    nack(&channel, 3, false, true).await;
    lab.ready("q", 3).await;
    send(&client, "q", &["5"]).await;
    nack(&channel, 2, false, true).await;
    lab.ready("q", 5).await;
    lab.note("order", drain(&client, "q").await);
}

async fn a_nack_may_settle_many(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2", "3", "4", "5"]).await;
    let channel = client.new_channel().await;
    for _ in 0..5 {
        get(&channel, "q").await.expect("what the case sets up");
    }
    ack(&channel, 2, false).await;
    nack(&channel, 3, true, true).await;
    lab.ready("q", 2).await;
    lab.note("up to 3", drain(&client, "q").await);
    nack(&channel, 0, true, true).await;
    lab.ready("q", 2).await;
    lab.note("all", drain(&client, "q").await);
}

async fn an_ack_may_settle_many(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2", "3", "4", "5"]).await;
    let channel = client.new_channel().await;
    for _ in 0..5 {
        get(&channel, "q").await.expect("what the case sets up");
    }
    nack(&channel, 2, false, true).await;
    ack(&channel, 4, true).await;
    channel
        .close(200, "bye".into())
        .await
        .expect("what the case sets up");
    lab.ready("q", 2).await;
    lab.note("left", drain(&client, "q").await);
}

async fn a_message_is_redelivered_when_it_was_delivered_before(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2"]).await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 1).await;
    let delivery = next(&mut consumer).await;
    lab.note("first", word(&delivery));
    nack(&channel, delivery.delivery_tag, false, true).await;
    let delivery = next(&mut consumer).await;
    lab.note("again", word(&delivery));
    ack(&channel, delivery.delivery_tag, false).await;
    lab.note("the other", word(&next(&mut consumer).await));
}

async fn what_a_closed_channel_held_comes_back(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2", "3"]).await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 2).await;
    // The second is on its way, whether anybody looks at it or not.
    lab.note("seen", next_bodies(&mut consumer, 1).await);
    lab.until("q", |depth| depth.unacked == 2).await;
    channel
        .close(200, "bye".into())
        .await
        .expect("what the case sets up");
    lab.ready("q", 3).await;
    lab.note("left", drain(&client, "q").await);
}

async fn what_a_lost_connection_held_comes_back(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2", "3"]).await;
    let other = lab.client().await;
    get(other.channel(), "q")
        .await
        .expect("what the case sets up");
    lab.reset_connections().await;
    lab.ready("q", 3).await;
    let client = lab.client().await;
    lab.note("left", drain(&client, "q").await);
}

async fn a_get_tells_how_many_are_left(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2", "3"]).await;
    let channel = client.new_channel().await;
    for _ in 0..3 {
        let message = get(&channel, "q").await.expect("what the case sets up");
        lab.note(&word(&message), format!("{} more", message.message_count));
    }
    lab.note("count", format!("{:?}", count(&channel, "q").await));
}

async fn a_get_without_ack_is_final(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2"]).await;
    let channel = client.new_channel().await;
    let message = within(channel.basic_get("q".into(), BasicGetOptions { no_ack: true })).await;
    lab.note(
        "got",
        word(
            &message
                .expect("what the case sets up")
                .expect("what the case sets up"),
        ),
    );
    channel
        .close(200, "bye".into())
        .await
        .expect("what the case sets up");
    lab.note("left", drain(&client, "q").await);
}

async fn a_get_from_an_empty_queue_is_empty(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    lab.note("get", show::heard(&wire.call(1, say::get("q")).await));
}

async fn recover_gives_everything_back(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2", "3"]).await;
    let channel = client.new_channel().await;
    for _ in 0..2 {
        get(&channel, "q").await.expect("what the case sets up");
    }
    within(channel.basic_recover(BasicRecoverOptions { requeue: true }))
        .await
        .expect("what the case sets up");
    lab.ready("q", 3).await;
    lab.note("got again", drain(&client, "q").await);
    send(&client, "q", &["4"]).await;
    let mut consumer = consume(&channel, "q", 1).await;
    lab.note("consumed", next_bodies(&mut consumer, 1).await);
    within(channel.basic_recover(BasicRecoverOptions { requeue: true }))
        .await
        .expect("what the case sets up");
    let delivery = next(&mut consumer).await;
    lab.note(
        "consumed again",
        format!("{} with tag {}", word(&delivery), delivery.delivery_tag),
    );
}

async fn a_rejected_message_is_gone(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2", "3"]).await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 0).await;
    next_bodies(&mut consumer, 3).await;
    reject(&channel, 1, false).await;
    nack(&channel, 3, true, false).await;
    lab.until("q", |depth| depth.unacked == 0).await;
    channel
        .close(200, "bye".into())
        .await
        .expect("what the case sets up");
    lab.note("left", drain(&client, "q").await);
}

async fn a_requeue_offers_the_message_to_another_consumer(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    let (one, two) = (client.new_channel().await, client.new_channel().await);
    let mut first = consume(&one, "q", 1).await;
    let mut second = consume(&two, "q", 1).await;
    send(&client, "q", &["m"]).await;
    let delivery = next(&mut first).await;
    lab.note("first", word(&delivery));
    reject(&one, delivery.delivery_tag, true).await;
    lab.note("second", word(&next(&mut second).await));
}

async fn a_message_can_be_requeued_for_ever(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["m"]).await;
    let channel = client.new_channel().await;
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume("q".into(), "".into(), options, Default::default());
    let mut consumer = consumer.await.expect("what the case sets up");
    for _ in 0..100 {
        reject(&channel, next(&mut consumer).await.delivery_tag, true).await;
    }
    lab.note("the 101st time", show::delivery(&next(&mut consumer).await));
}

async fn acks_of_what_is_gone_with_its_queue_are_accepted(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    client.declare("r", &[]).await;
    send(&client, "q", &["m", "n"]).await;
    let channel = client.new_channel().await;
    get(&channel, "q").await.expect("what the case sets up");
    get(&channel, "q").await.expect("what the case sets up");
    client
        .channel()
        .queue_delete("q".into(), Default::default())
        .await
        .expect("what the case sets up");
    ack(&channel, 1, false).await;
    nack(&channel, 2, false, true).await;
    lab.note("the channel", format!("{:?}", count(&channel, "r").await));
}
