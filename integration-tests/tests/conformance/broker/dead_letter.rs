//! Dead-lettering: where messages go that leave a queue unacked, and what is written on them.

use amq_protocol::types::AMQPValue;
use integration_tests::Client;
use lapin::ExchangeKind;

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::show;
use crate::conformance::tools::{
    bind, consume, drain, exchange, get, headers, int, long, nack, next, plain, quorum, reject,
    send, table, take, text,
};

cases![
    x_death_of_a_message_that_expired_in_its_queue,
    x_death_of_a_message_with_an_expiration,
    x_death_of_a_rejected_message,
    x_death_of_a_message_pushed_out_of_a_full_queue,
    x_death_of_a_refused_message,
    x_death_of_a_message_over_the_delivery_limit,
    x_death_in_quorum_queues,
    repeated_deaths_are_counted,
    deaths_in_several_queues_are_listed,
    deaths_for_several_reasons_are_listed,
    a_clients_own_x_death_is_ignored,
    a_routing_key_of_its_own_replaces_the_first,
    carbon_copies_are_kept_without_a_routing_key,
    properties_survive_dead_lettering,
    without_a_dead_letter_exchange_messages_are_gone,
    a_missing_dead_letter_exchange_loses_messages,
    a_dead_letter_exchange_routes_like_any_other,
    dead_letters_keep_their_order,
    a_purged_or_deleted_queue_dead_letters_nothing,
    an_acked_message_is_not_dead_lettered,
];

pub(super) fn dead_letters_to(key: &str) -> [(&'static str, AMQPValue); 2] {
    [
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(key)),
    ]
}

/// A queue `q` with these arguments, whose dead letters end in `dead`.
async fn with_dlq(lab: &Lab, arguments: &[(&str, AMQPValue)]) -> Client {
    let client = lab.client().await;
    client.declare("dead", &[]).await;
    let mut all = dead_letters_to("dead").to_vec();
    all.extend_from_slice(arguments);
    client.declare("q", &all).await;
    client
}

async fn note_dead(lab: &Lab, client: &Client) {
    lab.note("dead", show::delivery(&take(client, "dead").await));
}

async fn x_death_of_a_message_that_expired_in_its_queue(lab: Lab) {
    let client = with_dlq(&lab, &[("x-message-ttl", int(20))]).await;
    send(&client, "q", &["m"]).await;
    note_dead(&lab, &client).await;
    exchange(&client, "e", ExchangeKind::Topic).await;
    bind(&client, "q", "e", "a.#").await;
    client
        .publish("e", "a.b", b"m", headers(&[("mine", int(1))]))
        .await;
    note_dead(&lab, &client).await;
}

async fn x_death_of_a_message_with_an_expiration(lab: Lab) {
    let client = with_dlq(&lab, &[]).await;
    client
        .publish("", "q", b"m", plain().with_expiration("20".into()))
        .await;
    note_dead(&lab, &client).await;
}

async fn x_death_of_a_rejected_message(lab: Lab) {
    let client = with_dlq(&lab, &[]).await;
    send(&client, "q", &["rejected", "nacked"]).await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 0).await;
    reject(&channel, next(&mut consumer).await.delivery_tag, false).await;
    note_dead(&lab, &client).await;
    nack(
        &channel,
        next(&mut consumer).await.delivery_tag,
        false,
        false,
    )
    .await;
    note_dead(&lab, &client).await;
}

async fn x_death_of_a_message_pushed_out_of_a_full_queue(lab: Lab) {
    let client = with_dlq(&lab, &[("x-max-length", int(1))]).await;
    send(&client, "q", &["old", "new"]).await;
    note_dead(&lab, &client).await;
    lab.note("left", drain(&client, "q").await);
}

async fn x_death_of_a_refused_message(lab: Lab) {
    let overflow = ("x-overflow", text("reject-publish-dlx"));
    let client = with_dlq(&lab, &[("x-max-length", int(1)), overflow]).await;
    send(&client, "q", &["old"]).await;
    let refused = crate::conformance::tools::publish(client.channel(), "", "q", b"new", plain());
    lab.note(
        "refused",
        format!("{:?}", refused.await.expect("what the case sets up")),
    );
    note_dead(&lab, &client).await;
}

async fn x_death_of_a_message_over_the_delivery_limit(lab: Lab) {
    let client = with_dlq(&lab, &[quorum(), ("x-delivery-limit", int(1))]).await;
    send(&client, "q", &["m"]).await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 1).await;
    for _ in 0..2 {
        let delivery = next(&mut consumer).await;
        lab.note("delivered", show::delivery(&delivery));
        reject(&channel, delivery.delivery_tag, true).await;
    }
    note_dead(&lab, &client).await;
}

async fn x_death_in_quorum_queues(lab: Lab) {
    let client = with_dlq(&lab, &[quorum(), ("x-max-length", int(1))]).await;
    send(&client, "q", &["old", "new"]).await;
    note_dead(&lab, &client).await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 1).await;
    reject(&channel, next(&mut consumer).await.delivery_tag, false).await;
    note_dead(&lab, &client).await;
    crate::conformance::tools::cancel(&channel, &consumer).await;
    client
        .publish("", "q", b"m", plain().with_expiration("20".into()))
        .await;
    note_dead(&lab, &client).await;
}

async fn repeated_deaths_are_counted(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &dead_letters_to("lane")).await;
    let mut lane = dead_letters_to("q").to_vec();
    lane.push(("x-message-ttl", int(10)));
    client.declare("lane", &lane).await;
    send(&client, "q", &["m"]).await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 1).await;
    for _ in 0..3 {
        let delivery = next(&mut consumer).await;
        lab.note("delivered", show::delivery(&delivery));
        reject(&channel, delivery.delivery_tag, false).await;
    }
    let delivery = next(&mut consumer).await;
    lab.note("at last", show::delivery(&delivery));
}

async fn deaths_in_several_queues_are_listed(lab: Lab) {
    let client = lab.client().await;
    client.declare("end", &[]).await;
    for (queue, next) in [("a", "b"), ("b", "c"), ("c", "end")] {
        let mut arguments = dead_letters_to(next).to_vec();
        arguments.push(("x-message-ttl", int(10)));
        client.declare(queue, &arguments).await;
    }
    send(&client, "a", &["m"]).await;
    lab.note("end", show::delivery(&take(&client, "end").await));
}

async fn deaths_for_several_reasons_are_listed(lab: Lab) {
    let client = lab.client().await;
    client.declare("end", &[]).await;
    client.declare("work", &dead_letters_to("end")).await;
    client.declare("q", &dead_letters_to("work")).await;
    client
        .publish("", "q", b"m", plain().with_expiration("10".into()))
        .await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "work", 1).await;
    let delivery = next(&mut consumer).await;
    lab.note("expired", show::delivery(&delivery));
    reject(&channel, delivery.delivery_tag, false).await;
    lab.note("and rejected", show::delivery(&take(&client, "end").await));
}

async fn a_clients_own_x_death_is_ignored(lab: Lab) {
    let client = with_dlq(&lab, &[("x-message-ttl", int(10))]).await;
    let death = table(&[
        ("count", long(7)),
        ("queue", text("q")),
        ("reason", text("expired")),
        ("exchange", text("")),
        (
            "routing-keys",
            AMQPValue::FieldArray(vec![text("q")].into()),
        ),
        ("time", AMQPValue::Timestamp(1000)),
    ]);
    let own = headers(&[
        (
            "x-death",
            AMQPValue::FieldArray(vec![AMQPValue::FieldTable(death)].into()),
        ),
        ("x-first-death-queue", text("elsewhere")),
        ("x-other", text("kept")),
    ]);
    client.publish("", "dead", b"untouched", own.clone()).await;
    note_dead(&lab, &client).await;
    client.publish("", "q", b"m", own).await;
    note_dead(&lab, &client).await;
}

async fn a_routing_key_of_its_own_replaces_the_first(lab: Lab) {
    let client = with_dlq(&lab, &[("x-message-ttl", int(10))]).await;
    exchange(&client, "e", ExchangeKind::Direct).await;
    bind(&client, "q", "e", "key").await;
    let copies = AMQPValue::FieldArray(vec![text("q")].into());
    client
        .publish("e", "key", b"m", headers(&[("CC", copies)]))
        .await;
    note_dead(&lab, &client).await;
}

async fn carbon_copies_are_kept_without_a_routing_key(lab: Lab) {
    let client = lab.client().await;
    exchange(&client, "dlx", ExchangeKind::Direct).await;
    let arguments = [
        ("x-dead-letter-exchange", text("dlx")),
        ("x-message-ttl", int(10)),
    ];
    client.declare("q", &arguments).await;
    for (queue, key) in [("first", "q"), ("second", "copy"), ("third", "blind")] {
        client.declare(queue, &[]).await;
        bind(&client, queue, "dlx", key).await;
    }
    let keys = |key: &str| AMQPValue::FieldArray(vec![text(key)].into());
    let properties = headers(&[("CC", keys("copy")), ("BCC", keys("blind"))]);
    client.publish("", "q", b"m", properties).await;
    for queue in ["first", "second", "third"] {
        lab.note(queue, show::delivery(&take(&client, queue).await));
    }
}

async fn properties_survive_dead_lettering(lab: Lab) {
    let client = with_dlq(&lab, &[]).await;
    let properties = headers(&[
        ("a", int(1)),
        ("nested", AMQPValue::FieldTable(table(&[("b", text("c"))]))),
    ])
    .with_content_type("text/plain".into())
    .with_content_encoding("utf-8".into())
    .with_delivery_mode(2)
    .with_priority(3)
    .with_correlation_id("correlation".into())
    .with_reply_to("somewhere".into())
    .with_expiration("10".into())
    .with_message_id("id".into())
    .with_timestamp(1_000_000)
    .with_type("type".into())
    .with_user_id("guest".into())
    .with_app_id("app".into())
    .with_cluster_id("cluster".into());
    client.publish("", "q", b"m", properties).await;
    note_dead(&lab, &client).await;
}

async fn without_a_dead_letter_exchange_messages_are_gone(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["a", "b"]).await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 1).await;
    reject(&channel, next(&mut consumer).await.delivery_tag, false).await;
    lab.note("next", show::delivery(&next(&mut consumer).await));
}

async fn a_missing_dead_letter_exchange_loses_messages(lab: Lab) {
    let client = lab.client().await;
    client
        .declare("q", &[("x-dead-letter-exchange", text("missing"))])
        .await;
    send(&client, "q", &["a", "b"]).await;
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 1).await;
    reject(&channel, next(&mut consumer).await.delivery_tag, false).await;
    lab.note("next", show::delivery(&next(&mut consumer).await));
}

async fn a_dead_letter_exchange_routes_like_any_other(lab: Lab) {
    let client = lab.client().await;
    exchange(&client, "dlx", ExchangeKind::Fanout).await;
    let arguments = [
        ("x-dead-letter-exchange", text("dlx")),
        ("x-message-ttl", int(10)),
    ];
    client.declare("q", &arguments).await;
    for queue in ["one", "two"] {
        client.declare(queue, &[]).await;
        bind(&client, queue, "dlx", "").await;
    }
    send(&client, "q", &["m"]).await;
    for queue in ["one", "two"] {
        let dead = take(&client, queue).await;
        lab.note(queue, format!("'{}' '{}'", dead.exchange, dead.routing_key));
    }
}

async fn dead_letters_keep_their_order(lab: Lab) {
    let client = with_dlq(&lab, &[]).await;
    send(&client, "q", &["a", "b", "c", "d", "e"]).await;
    let channel = client.new_channel().await;
    for _ in 0..5 {
        get(&channel, "q").await;
    }
    nack(&channel, 3, true, false).await;
    lab.ready("dead", 3).await;
    lab.note("three at once", drain(&client, "dead").await);
    nack(&channel, 0, true, false).await;
    lab.ready("dead", 2).await;
    lab.note("the rest", drain(&client, "dead").await);
}

async fn a_purged_or_deleted_queue_dead_letters_nothing(lab: Lab) {
    let client = with_dlq(&lab, &[]).await;
    send(&client, "q", &["a"]).await;
    let channel = client.channel();
    channel
        .queue_purge("q".into(), Default::default())
        .await
        .expect("what the case sets up");
    send(&client, "q", &["b"]).await;
    channel
        .queue_delete("q".into(), Default::default())
        .await
        .expect("what the case sets up");
    send(&client, "dead", &["sentinel"]).await;
    lab.note("dead", drain(&client, "dead").await);
}

async fn an_acked_message_is_not_dead_lettered(lab: Lab) {
    let client = with_dlq(&lab, &[("x-message-ttl", int(20))]).await;
    send(&client, "q", &["m"]).await;
    lab.ready("dead", 1).await;
    lab.note("dead", drain(&client, "dead").await);
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, "q", 1).await;
    send(&client, "q", &["in hand"]).await;
    let delivery = next(&mut consumer).await;
    // Its time passes while somebody holds it.
    send(&client, "q", &["waits"]).await;
    lab.ready("dead", 1).await;
    crate::conformance::tools::ack(&channel, delivery.delivery_tag, false).await;
    lab.note("dead", drain(&client, "dead").await);
}
