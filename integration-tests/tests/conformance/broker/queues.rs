//! How queues and exchanges come and go.

use amq_protocol::protocol::{exchange, queue};

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::tools::{
    bind, cancel, consume, count, exchange as declare_exchange, get, plain, send,
};
use crate::conformance::wire::Heard;
use crate::conformance::{say, show};

cases![
    a_nameless_queue_gets_a_name,
    a_declare_tells_what_is_there,
    a_declare_without_an_answer_has_none,
    a_purge_tells_how_many_there_were,
    a_delete_tells_how_many_there_were,
    a_purge_leaves_what_is_in_hand,
    a_deleted_queue_takes_its_bindings_along,
    a_deleted_exchange_takes_its_bindings_along,
    a_queue_declared_again_is_a_new_one,
    a_transient_queue_works_like_any_other,
    a_queue_can_be_deleted_while_it_is_used,
    commands_without_an_answer_have_none,
];

async fn a_nameless_queue_gets_a_name(lab: Lab) {
    let mut wire = lab.wire().await;
    let nameless = queue::Declare {
        exclusive: true,
        ..Default::default()
    };
    let first = wire.call(1, say::declare_as(nameless.clone())).await;
    lab.note("declare", show::heard(&first));
    let second = wire.call(1, say::declare_as(nameless)).await;
    lab.note(
        "another",
        if first == second {
            "the same"
        } else {
            "a different one"
        },
    );
    let durable = queue::Declare {
        durable: true,
        ..Default::default()
    };
    lab.note(
        "durable",
        show::heard(&wire.call(1, say::declare_as(durable)).await),
    );
}

async fn a_declare_tells_what_is_there(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    let channel = client.channel();
    lab.note("empty", format!("{:?}", count(channel, "q").await));
    send(&client, "q", &["1", "2", "3"]).await;
    lab.note("three", format!("{:?}", count(channel, "q").await));
    let other = client.new_channel().await;
    get(&other, "q").await.expect("what the case sets up");
    lab.note("one in hand", format!("{:?}", count(channel, "q").await));
    let consumer = consume(&other, "q", 1).await;
    lab.until("q", |depth| depth.unacked == 2).await;
    lab.note("a consumer", format!("{:?}", count(channel, "q").await));
    cancel(&other, &consumer).await;
    lab.note("no consumer", format!("{:?}", count(channel, "q").await));
}

async fn a_declare_without_an_answer_has_none(lab: Lab) {
    let mut wire = lab.wire().await;
    let quiet = queue::Declare {
        queue: "q".into(),
        nowait: true,
        ..Default::default()
    };
    wire.send(1, say::declare_as(quiet.clone())).await;
    lab.note("declare", show::all(&wire.settle(1).await));
    lab.note(
        "it is there",
        show::heard(&wire.call(1, say::passive("q")).await),
    );
    wire.send(
        1,
        say::declare_as(queue::Declare {
            durable: true,
            ..quiet
        }),
    )
    .await;
    lab.note("a conflict", show::all(&wire.settle(1).await));
}

async fn a_purge_tells_how_many_there_were(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2", "3"]).await;
    for _ in 0..2 {
        let purged = client
            .channel()
            .queue_purge("q".into(), Default::default())
            .await
            .expect("what the case sets up");
        lab.note("purged", purged);
    }
}

async fn a_delete_tells_how_many_there_were(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2", "3"]).await;
    let other = client.new_channel().await;
    get(&other, "q").await.expect("what the case sets up");
    for _ in 0..2 {
        let deleted = client
            .channel()
            .queue_delete("q".into(), Default::default())
            .await
            .expect("what the case sets up");
        lab.note("deleted with", deleted);
    }
}

async fn a_purge_leaves_what_is_in_hand(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["1", "2", "3"]).await;
    let other = client.new_channel().await;
    get(&other, "q").await.expect("what the case sets up");
    let purged = client
        .channel()
        .queue_purge("q".into(), Default::default())
        .await
        .expect("what the case sets up");
    lab.note("purged", purged);
    other
        .close(200, "bye".into())
        .await
        .expect("what the case sets up");
    lab.ready("q", 1).await;
    lab.note("left", format!("{:?}", count(client.channel(), "q").await));
}

async fn a_deleted_queue_takes_its_bindings_along(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::confirm()).await;
    for method in [
        say::exchange("e", "fanout", &[]),
        say::declare("q", &[]),
        say::bind("q", "e", ""),
        say::delete("q"),
        say::declare("q", &[]),
    ] {
        wire.call(1, method).await;
    }
    wire.publish(1, say::mandatory("e", ""), &plain(), b"m")
        .await;
    lab.note("publish", show::all(&wire.hear_all(3).await));
}

async fn a_deleted_exchange_takes_its_bindings_along(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::confirm()).await;
    for method in [
        say::exchange("e", "fanout", &[]),
        say::declare("q", &[]),
        say::bind("q", "e", ""),
        say::exchange_delete("e", false),
        say::exchange("e", "fanout", &[]),
    ] {
        wire.call(1, method).await;
    }
    wire.publish(1, say::mandatory("e", ""), &plain(), b"m")
        .await;
    lab.note("publish", show::all(&wire.hear_all(3).await));
}

async fn a_queue_declared_again_is_a_new_one(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &["m"]).await;
    client
        .channel()
        .queue_delete("q".into(), Default::default())
        .await
        .expect("what the case sets up");
    client
        .declare("q", &[("x-max-length", crate::conformance::tools::int(5))])
        .await;
    lab.note(
        "with other arguments",
        format!("{:?}", count(client.channel(), "q").await),
    );
}

async fn a_transient_queue_works_like_any_other(lab: Lab) {
    let mut wire = lab.wire().await;
    let transient = queue::Declare {
        queue: "q".into(),
        ..Default::default()
    };
    lab.note(
        "declare",
        show::heard(&wire.call(1, say::declare_as(transient)).await),
    );
    wire.call(1, say::confirm()).await;
    wire.publish(1, say::to("", "q"), &plain().with_delivery_mode(2), b"m")
        .await;
    lab.note("publish", show::heard(&wire.hear().await));
    wire.send(1, say::get("q")).await;
    lab.note("get", show::all(&wire.hear_all(3).await));
}

async fn a_queue_can_be_deleted_while_it_is_used(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    declare_exchange(&client, "e", lapin::ExchangeKind::Direct).await;
    bind(&client, "q", "e", "k").await;
    let channel = client.new_channel().await;
    let _consumer = consume(&channel, "q", 1).await;
    send(&client, "q", &["1", "2"]).await;
    lab.until("q", |depth| depth.unacked == 1).await;
    let deleted = client
        .channel()
        .queue_delete("q".into(), Default::default())
        .await
        .expect("what the case sets up");
    lab.note("deleted with", deleted);
    lab.gone("q").await;
}

async fn commands_without_an_answer_have_none(lab: Lab) {
    use amq_protocol::protocol::{AMQPClass, basic};
    let mut wire = lab.wire().await;
    let quiet = exchange::Declare {
        exchange: "e".into(),
        kind: "direct".into(),
        nowait: true,
        ..Default::default()
    };
    wire.send(1, say::exchange_as(quiet)).await;
    wire.call(1, say::declare("q", &[])).await;
    let bind = queue::Bind {
        queue: "q".into(),
        exchange: "e".into(),
        routing_key: "k".into(),
        nowait: true,
        ..Default::default()
    };
    wire.send(1, AMQPClass::Queue(queue::AMQPMethod::Bind(bind)))
        .await;
    let consume = basic::Consume {
        queue: "q".into(),
        consumer_tag: "me".into(),
        nowait: true,
        ..Default::default()
    };
    wire.send(1, say::consume_as(consume)).await;
    lab.note("declare, bind, consume", show::all(&wire.settle(1).await));
    wire.publish(1, say::to("e", "k"), &plain(), b"m").await;
    let heard = wire.hear_all(3).await;
    lab.note("publish", show::all(&heard));
    let cancel = basic::Cancel {
        consumer_tag: "me".into(),
        nowait: true,
    };
    wire.send(1, AMQPClass::Basic(basic::AMQPMethod::Cancel(cancel)))
        .await;
    let delete = queue::Delete {
        queue: "q".into(),
        nowait: true,
        ..Default::default()
    };
    wire.send(1, AMQPClass::Queue(queue::AMQPMethod::Delete(delete)))
        .await;
    let heard: Vec<Heard> = wire.settle(1).await;
    lab.note("cancel, delete", show::all(&heard));
}
