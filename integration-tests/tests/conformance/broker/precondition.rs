//! What must be so first: 406 and its relatives.

use amq_protocol::protocol::basic;

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::tools::quorum;
use crate::conformance::trials::Trials;
use crate::conformance::wire::Wire;
use crate::conformance::{say, show};

cases![
    an_unknown_delivery_tag_costs_the_channel,
    a_tag_can_be_settled_once,
    a_tag_belongs_to_its_channel,
    a_delivery_without_acks_has_no_tag,
    everything_is_settled_by_tag_zero,
    a_queue_in_use_is_not_deleted_if_unused,
    a_queue_with_messages_is_not_deleted_if_empty,
    an_exchange_in_use_is_not_deleted_if_unused,
    confirms_and_transactions_exclude_each_other,
    a_consumer_tag_is_used_once,
    a_message_over_the_limit_costs_the_channel,
];

/// A channel that holds so many messages of a queue, taken with `basic.get`.
async fn holding(lab: &Lab, count: usize) -> Wire {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    for _ in 0..count {
        wire.publish(1, say::to("", "q"), &Default::default(), b"m")
            .await;
    }
    for _ in 0..count {
        wire.send(1, say::get("q")).await;
        wire.hear_message().await;
    }
    wire
}

async fn an_unknown_delivery_tag_costs_the_channel(lab: Lab) {
    for (what, method) in [
        ("ack 7", say::ack(7, false)),
        ("ack up to 7", say::ack(7, true)),
        ("ack 0", say::ack(0, false)),
        ("nack 7", say::nack(7, false, true)),
        ("nack up to 7", say::nack(7, true, true)),
        ("reject 7", say::reject(7, false)),
    ] {
        let mut wire = holding(&lab, 1).await;
        wire.send(1, method).await;
        lab.note(what, show::all(&wire.settle(1).await));
        wire.open(2).await;
        lab.note("the connection", "goes on");
        wire.call(2, say::delete("q")).await;
    }
}

async fn a_tag_can_be_settled_once(lab: Lab) {
    for (what, first, second) in [
        ("ack, ack", say::ack(1, false), say::ack(1, false)),
        ("ack, nack", say::ack(1, false), say::nack(1, false, true)),
        ("reject, ack", say::reject(1, false), say::ack(1, false)),
        ("ack up to 2, ack 1", say::ack(2, true), say::ack(1, false)),
        (
            "ack up to 2, ack up to 1",
            say::ack(2, true),
            say::ack(1, true),
        ),
        ("ack 2, ack up to 2", say::ack(2, false), say::ack(2, true)),
        ("ack 1, ack up to 3", say::ack(1, false), say::ack(3, true)),
    ] {
        let mut wire = holding(&lab, 3).await;
        wire.send(1, first).await;
        wire.send(1, second).await;
        lab.note(what, show::all(&wire.settle(1).await));
        wire.open(2).await;
        wire.call(2, say::delete("q")).await;
    }
}

async fn a_tag_belongs_to_its_channel(lab: Lab) {
    let mut wire = holding(&lab, 1).await;
    wire.open(2).await;
    wire.send(2, say::ack(1, false)).await;
    lab.note("other channel", show::all(&wire.settle(2).await));
    wire.send(1, say::ack(1, false)).await;
    lab.note("own channel", show::all(&wire.settle(1).await));
}

async fn a_delivery_without_acks_has_no_tag(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    wire.publish(1, say::to("", "q"), &Default::default(), b"m")
        .await;
    let consume = basic::Consume {
        queue: "q".into(),
        consumer_tag: "me".into(),
        no_ack: true,
        ..Default::default()
    };
    lab.note(
        "consume",
        show::heard(&wire.call(1, say::consume_as(consume)).await),
    );
    let (deliver, ..) = wire.hear_message().await;
    lab.note("delivered", show::method(&deliver));
    wire.send(1, say::ack(1, false)).await;
    lab.note("ack", show::all(&wire.settle(1).await));
}

async fn everything_is_settled_by_tag_zero(lab: Lab) {
    let mut wire = holding(&lab, 2).await;
    wire.send(1, say::ack(0, true)).await;
    lab.note("ack all", show::all(&wire.settle(1).await));
    wire.send(1, say::ack(0, true)).await;
    lab.note("ack nothing", show::all(&wire.settle(1).await));
    wire.send(1, say::nack(0, true, true)).await;
    lab.note("nack nothing", show::all(&wire.settle(1).await));
}

async fn a_queue_in_use_is_not_deleted_if_unused(lab: Lab) {
    for (name, arguments) in [("classic", vec![]), ("quorum", vec![quorum()])] {
        let mut trials = Trials::new(&lab).await;
        trials
            .given(&[say::declare(name, &arguments), say::consume(name, "me")])
            .await;
        trials
            .attempt(name, &[say::delete_if(name, true, false)])
            .await;
        trials
            .attempt("both", &[say::delete_if(name, true, true)])
            .await;
        let mut other = lab.wire().await;
        lab.note(
            "by force",
            show::heard(&other.call(1, say::delete(name)).await),
        );
        let mut trials = Trials::new(&lab).await;
        trials.given(&[say::declare(name, &arguments)]).await;
        trials
            .attempt("unused", &[say::delete_if(name, true, false)])
            .await;
    }
}

async fn a_queue_with_messages_is_not_deleted_if_empty(lab: Lab) {
    let mut wire = holding(&lab, 1).await;
    let mut trials = Trials::new(&lab).await;
    trials
        .attempt("only unacked", &[say::delete_if("q", false, true)])
        .await;
    wire.call(1, say::declare("q", &[])).await;
    wire.call(1, say::confirm()).await;
    wire.publish(1, say::to("", "q"), &Default::default(), b"m")
        .await;
    wire.hear().await;
    trials
        .attempt("one ready", &[say::delete_if("q", false, true)])
        .await;
    trials.attempt("purge", &[say::purge("q")]).await;
    trials
        .attempt("empty", &[say::delete_if("q", false, true)])
        .await;
}

async fn an_exchange_in_use_is_not_deleted_if_unused(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials
        .given(&[
            say::exchange("e", "direct", &[]),
            say::exchange("f", "direct", &[]),
        ])
        .await;
    trials.given(&[say::exchange_bind("f", "e", "k")]).await;
    trials
        .attempt("source", &[say::exchange_delete("e", true)])
        .await;
    trials
        .attempt("destination", &[say::exchange_delete("f", true)])
        .await;
    trials
        .attempt("no longer a source", &[say::exchange_delete("e", true)])
        .await;
}

async fn confirms_and_transactions_exclude_each_other(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials
        .attempt("confirm, tx", &[say::confirm(), say::tx_select()])
        .await;
    trials
        .attempt("tx, confirm", &[say::tx_select(), say::confirm()])
        .await;
    trials
        .attempt("confirm twice", &[say::confirm(), say::confirm()])
        .await;
    trials
        .attempt("tx twice", &[say::tx_select(), say::tx_select()])
        .await;
    trials
        .attempt("commit without tx", &[say::tx_commit()])
        .await;
    trials
        .attempt("rollback without tx", &[say::tx_rollback()])
        .await;
}

async fn a_consumer_tag_is_used_once(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials.given(&[say::declare("q", &[])]).await;
    trials
        .attempt("twice", &[say::consume("q", "me"), say::consume("q", "me")])
        .await;
    trials
        .given(&[say::declare("q", &[]), say::consume("q", "me")])
        .await;
    trials
        .attempt("on another channel", &[say::consume("q", "me")])
        .await;
    let methods = [
        say::consume("q", "you"),
        say::cancel("you"),
        say::consume("q", "you"),
    ];
    trials.attempt("after a cancel", &methods).await;
}

async fn a_message_over_the_limit_costs_the_channel(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::confirm()).await;
    for (what, excess) in [("16 MiB", 0), ("16 MiB and a byte", 1)] {
        let body = vec![b'x'; 16 * 1024 * 1024 + excess];
        wire.publish(1, say::to("", "q"), &Default::default(), &body)
            .await;
        lab.note(what, show::heard(&wire.hear().await));
    }
}
