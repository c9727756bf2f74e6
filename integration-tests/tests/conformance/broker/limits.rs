//! Queues that are full, and queues with priorities.

use lapin::options::BasicConsumeOptions;

use super::dead_letter::dead_letters_to;
use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::tools::{
    ack, consume, consume_with, count, drain, get, int, next, next_bodies, plain, publish, quorum,
    send, text, word,
};

cases![
    a_full_queue_drops_its_oldest,
    a_full_quorum_queue_drops_its_oldest,
    bytes_are_counted_without_properties,
    the_tighter_of_two_limits_counts,
    messages_in_somebodys_hands_do_not_count,
    a_full_queue_that_refuses_nacks,
    a_full_quorum_queue_that_refuses_nacks_in_time,
    a_refusal_by_one_of_several_queues_is_a_nack,
    a_returned_message_may_be_over_the_limit,
    a_queue_without_room_keeps_nothing,
    a_requeued_message_may_be_over_the_limit,
    a_full_queue_with_priorities_drops_the_lowest,
    the_highest_priority_comes_first,
    priorities_over_the_highest_count_as_the_highest,
    a_queue_without_priorities_ignores_them,
    a_requeued_message_keeps_its_priority,
    a_priority_does_not_overtake_what_is_in_hand,
];

async fn a_full_queue_drops_its_oldest(lab: Lab) {
    let client = lab.client().await;
    client.declare("dead", &[]).await;
    let mut arguments = dead_letters_to("dead").to_vec();
    arguments.push(("x-max-length", int(3)));
    client.declare("q", &arguments).await;
    send(&client, "q", &["1", "2", "3", "4", "5"]).await;
    lab.note("kept", drain(&client, "q").await);
    lab.ready("dead", 2).await;
    lab.note("dropped", drain(&client, "dead").await);
}

async fn a_full_quorum_queue_drops_its_oldest(lab: Lab) {
    let client = lab.client().await;
    client.declare("dead", &[]).await;
    let mut arguments = dead_letters_to("dead").to_vec();
    arguments.extend([quorum(), ("x-max-length", int(3))]);
    client.declare("q", &arguments).await;
    send(&client, "q", &["1", "2", "3", "4", "5"]).await;
    lab.ready("dead", 2).await;
    lab.note("kept", drain(&client, "q").await);
    lab.note("dropped", drain(&client, "dead").await);
}

async fn bytes_are_counted_without_properties(lab: Lab) {
    let client = lab.client().await;
    client
        .declare("q", &[("x-max-length-bytes", int(10))])
        .await;
    let wordy = plain().with_message_id("x".repeat(200).into());
    client.publish("", "q", b"12345", wordy.clone()).await;
    client.publish("", "q", b"67890", wordy).await;
    lab.note("ten bytes", drain(&client, "q").await);
    send(&client, "q", &["12345", "67890", "!"]).await;
    lab.note("eleven", drain(&client, "q").await);
    send(&client, "q", &["too long for it"]).await;
    lab.note("too long", drain(&client, "q").await);
    send(&client, "q", &["a", "too long for it"]).await;
    lab.note("behind another", drain(&client, "q").await);
}

async fn the_tighter_of_two_limits_counts(lab: Lab) {
    let client = lab.client().await;
    let arguments = [("x-max-length", int(2)), ("x-max-length-bytes", int(6))];
    client.declare("q", &arguments).await;
    send(&client, "q", &["1", "2", "3"]).await;
    lab.note("by number", drain(&client, "q").await);
    send(&client, "q", &["1234", "567"]).await;
    lab.note("by bytes", drain(&client, "q").await);
}

async fn messages_in_somebodys_hands_do_not_count(lab: Lab) {
    let client = lab.client().await;
    for (name, mut arguments) in [("classic", vec![]), ("quorum", vec![quorum()])] {
        arguments.push(("x-max-length", int(2)));
        client.declare(name, &arguments).await;
        let channel = client.new_channel().await;
        send(&client, name, &["1", "2"]).await;
        for _ in 0..2 {
            get(&channel, name).await.expect("what the case sets up");
        }
        send(&client, name, &["3", "4"]).await;
        lab.note(name, drain(&client, name).await);
    }
}

async fn a_full_queue_that_refuses_nacks(lab: Lab) {
    let client = lab.client().await;
    let arguments = [
        ("x-max-length", int(2)),
        ("x-overflow", text("reject-publish")),
    ];
    client.declare("q", &arguments).await;
    for body in ["1", "2", "3", "4"] {
        let confirm = publish(client.channel(), "", "q", body.as_bytes(), plain())
            .await
            .expect("what the case sets up");
        lab.note(body, format!("{confirm:?}"));
    }
    lab.note("kept", drain(&client, "q").await);
    let confirm = publish(client.channel(), "", "q", b"5", plain())
        .await
        .expect("what the case sets up");
    lab.note("room again", format!("{confirm:?}"));
    let unconfirmed = client.new_channel().await;
    send(&client, "q", &["6"]).await;
    let nothing = publish(&unconfirmed, "", "q", b"7", plain())
        .await
        .expect("what the case sets up");
    lab.note("without confirms", format!("{nothing:?}"));
    count(&unconfirmed, "q").await;
    lab.note("kept", drain(&client, "q").await);
}

async fn a_full_quorum_queue_that_refuses_nacks_in_time(lab: Lab) {
    let client = lab.client().await;
    let arguments = [
        quorum(),
        ("x-max-length", int(1)),
        ("x-overflow", text("reject-publish")),
    ];
    client.declare("q", &arguments).await;
    // It may take some more than its limit, and refuses then.
    let mut refused = false;
    for _ in 0..200 {
        let confirm = publish(client.channel(), "", "q", b"m", plain())
            .await
            .expect("what the case sets up");
        refused = refused || confirm.is_nack();
    }
    lab.note("refused", refused);
}

async fn a_refusal_by_one_of_several_queues_is_a_nack(lab: Lab) {
    let client = lab.client().await;
    let arguments = [
        ("x-max-length", int(1)),
        ("x-overflow", text("reject-publish")),
    ];
    client.declare("full", &arguments).await;
    client.declare("open", &[]).await;
    for queue in ["full", "open"] {
        crate::conformance::tools::bind(&client, queue, "amq.fanout", "").await;
    }
    for body in ["1", "2"] {
        let confirm = publish(client.channel(), "amq.fanout", "", body.as_bytes(), plain());
        lab.note(
            body,
            format!("{:?}", confirm.await.expect("what the case sets up")),
        );
    }
    lab.note("full", drain(&client, "full").await);
    lab.note("open", drain(&client, "open").await);
}

async fn a_returned_message_may_be_over_the_limit(lab: Lab) {
    let client = lab.client().await;
    let arguments = [
        ("x-max-length", int(1)),
        ("x-overflow", text("reject-publish")),
    ];
    client.declare("q", &arguments).await;
    send(&client, "q", &["1"]).await;
    let channel = client.new_channel().await;
    get(&channel, "q").await.expect("what the case sets up");
    send(&client, "q", &["2"]).await;
    channel
        .close(200, "bye".into())
        .await
        .expect("what the case sets up");
    lab.ready("q", 2).await;
    lab.note("both are there", drain(&client, "q").await);
}

async fn a_queue_without_room_keeps_nothing(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[("x-max-length", int(0))]).await;
    send(&client, "q", &["gone"]).await;
    lab.note("kept", drain(&client, "q").await);
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 1).await;
    send(&client, "q", &["caught"]).await;
    lab.note("caught", word(&next(&mut consumer).await));
    let refuses = [
        ("x-max-length", int(0)),
        ("x-overflow", text("reject-publish")),
    ];
    client.declare("r", &refuses).await;
    let confirm = publish(client.channel(), "", "r", b"m", plain())
        .await
        .expect("what the case sets up");
    lab.note("refused", format!("{confirm:?}"));
}

async fn a_requeued_message_may_be_over_the_limit(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[("x-max-length", int(2))]).await;
    send(&client, "q", &["1", "2"]).await;
    let channel = client.new_channel().await;
    for _ in 0..2 {
        get(&channel, "q").await.expect("what the case sets up");
    }
    send(&client, "q", &["3", "4"]).await;
    channel
        .close(200, "bye".into())
        .await
        .expect("what the case sets up");
    lab.until("q", |depth| depth.unacked == 0).await;
    lab.note("left", drain(&client, "q").await);
}

async fn a_full_queue_with_priorities_drops_the_lowest(lab: Lab) {
    let client = lab.client().await;
    client
        .declare("q", &[("x-max-length", int(2)), ("x-max-priority", int(5))])
        .await;
    for (body, priority) in [("low", 1), ("high", 5), ("middle", 3), ("lowest", 0)] {
        client
            .publish("", "q", body.as_bytes(), plain().with_priority(priority))
            .await;
    }
    lab.note("kept", drain(&client, "q").await);
}

async fn the_highest_priority_comes_first(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[("x-max-priority", int(10))]).await;
    send(&client, "q", &["none"]).await;
    for (body, priority) in [
        ("a1", 1),
        ("a9", 9),
        ("b1", 1),
        ("a0", 0),
        ("b9", 9),
        ("a5", 5),
    ] {
        client
            .publish("", "q", body.as_bytes(), plain().with_priority(priority))
            .await;
    }
    lab.note("order", drain(&client, "q").await);
}

async fn priorities_over_the_highest_count_as_the_highest(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[("x-max-priority", int(3))]).await;
    for (body, priority) in [("two", 2), ("three", 3), ("over", 255), ("four", 4)] {
        client
            .publish("", "q", body.as_bytes(), plain().with_priority(priority))
            .await;
    }
    lab.note("order", drain(&client, "q").await);
}

async fn a_queue_without_priorities_ignores_them(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    for (body, priority) in [("a", 1), ("b", 9), ("c", 0)] {
        client
            .publish("", "q", body.as_bytes(), plain().with_priority(priority))
            .await;
    }
    lab.note("order", drain(&client, "q").await);
}

async fn a_requeued_message_keeps_its_priority(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[("x-max-priority", int(9))]).await;
    for (body, priority) in [("low", 1), ("high", 9), ("middle", 5)] {
        client
            .publish("", "q", body.as_bytes(), plain().with_priority(priority))
            .await;
    }
    let channel = client.new_channel().await;
    for _ in 0..3 {
        get(&channel, "q").await.expect("what the case sets up");
    }
    channel
        .close(200, "bye".into())
        .await
        .expect("what the case sets up");
    lab.ready("q", 3).await;
    lab.note("order", drain(&client, "q").await);
}

async fn a_priority_does_not_overtake_what_is_in_hand(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[("x-max-priority", int(9))]).await;
    let channel = client.new_channel().await;
    let mut consumer = consume_with(&channel, "q", 2, BasicConsumeOptions::default(), &[])
        .await
        .expect("what the case sets up");
    send(&client, "q", &["a", "b", "c"]).await;
    lab.note("in hand", next_bodies(&mut consumer, 2).await);
    client
        .publish("", "q", b"urgent", plain().with_priority(9))
        .await;
    ack(&channel, 2, true).await;
    lab.note("then", next_bodies(&mut consumer, 2).await);
}
