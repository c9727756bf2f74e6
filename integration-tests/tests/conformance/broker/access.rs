//! What is not allowed: 403 and 405.

use amq_protocol::protocol::{basic, exchange, queue};

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::trials::Trials;
use crate::conformance::{say, show};

cases![
    names_with_the_reserved_prefix_are_refused,
    the_default_exchange_cannot_be_touched,
    an_internal_exchange_takes_nothing_from_clients,
    an_exclusive_queue_belongs_to_its_connection,
    a_redeclaration_must_agree_on_exclusive,
    an_exclusive_consumer_is_alone,
    a_user_id_must_be_true,
    the_built_in_exchanges_are_there,
];

async fn names_with_the_reserved_prefix_are_refused(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials
        .attempt("queue", &[say::declare("amq.mine", &[])])
        .await;
    trials
        .attempt("just the prefix", &[say::declare("amq.", &[])])
        .await;
    trials
        .attempt("almost the prefix", &[say::declare("amqp", &[])])
        .await;
    trials
        .attempt("exchange", &[say::exchange("amq.mine", "direct", &[])])
        .await;
    trials
        .attempt("built in", &[say::exchange("amq.direct", "direct", &[])])
        .await;
    trials
        .attempt(
            "built in, changed",
            &[say::exchange("amq.direct", "topic", &[])],
        )
        .await;
    trials
        .attempt(
            "delete built in",
            &[say::exchange_delete("amq.topic", false)],
        )
        .await;
    trials
        .attempt("passive, missing", &[say::passive("amq.mine")])
        .await;
    trials
        .attempt("delete, missing", &[say::delete("amq.mine")])
        .await;
    trials
        .attempt(
            "delete exchange, missing",
            &[say::exchange_delete("amq.mine", false)],
        )
        .await;
}

async fn the_default_exchange_cannot_be_touched(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials.given(&[say::declare("q", &[])]).await;
    trials
        .attempt("declare", &[say::exchange("", "direct", &[])])
        .await;
    trials
        .attempt("delete", &[say::exchange_delete("", false)])
        .await;
    trials.attempt("bind", &[say::bind("q", "", "k")]).await;
    trials.attempt("unbind", &[say::unbind("q", "", "q")]).await;
    trials
        .attempt(
            "bind exchange to it",
            &[say::exchange_bind("amq.direct", "", "k")],
        )
        .await;
    trials
        .attempt(
            "bind it to exchange",
            &[say::exchange_bind("", "amq.direct", "k")],
        )
        .await;
    let passive = exchange::Declare {
        passive: true,
        kind: "direct".into(),
        ..Default::default()
    };
    trials
        .attempt("passive", &[say::exchange_as(passive)])
        .await;
}

async fn an_internal_exchange_takes_nothing_from_clients(lab: Lab) {
    let mut wire = lab.wire().await;
    let internal = exchange::Declare {
        exchange: "inside".into(),
        kind: "fanout".into(),
        internal: true,
        ..Default::default()
    };
    for method in [
        say::exchange_as(internal),
        say::exchange("outside", "fanout", &[]),
        say::exchange_bind("inside", "outside", ""),
        say::declare("q", &[]),
        say::bind("q", "inside", ""),
        say::confirm(),
    ] {
        lab.note("set up", show::heard(&wire.call(1, method).await));
    }
    wire.publish(1, say::to("outside", ""), &Default::default(), b"m")
        .await;
    lab.note("through another exchange", show::heard(&wire.hear().await));
    wire.send(1, say::passive("q")).await;
    lab.note("arrived", show::heard(&wire.hear().await));
    wire.publish(1, say::to("inside", ""), &Default::default(), b"m")
        .await;
    lab.note("directly", show::all(&wire.settle(1).await));
}

async fn an_exclusive_queue_belongs_to_its_connection(lab: Lab) {
    let mut owner = lab.wire().await;
    owner.call(1, say::exclusive("mine")).await;
    let mut others = Trials::new(&lab).await;
    others.attempt("declare", &[say::exclusive("mine")]).await;
    others.attempt("passive", &[say::passive("mine")]).await;
    others.attempt("consume", &[say::consume("mine", "")]).await;
    others.attempt("get", &[say::get("mine")]).await;
    others.attempt("purge", &[say::purge("mine")]).await;
    others
        .attempt("bind", &[say::bind("mine", "amq.direct", "k")])
        .await;
    others
        .attempt("unbind", &[say::unbind("mine", "amq.direct", "k")])
        .await;
    others.attempt("delete", &[say::delete("mine")]).await;
    // Publishing needs no right to the queue.
    let mut other = lab.wire().await;
    other.call(1, say::confirm()).await;
    other
        .publish(1, say::mandatory("", "mine"), &Default::default(), b"m")
        .await;
    lab.note("publish", show::heard(&other.hear().await));
    // Another channel of the same connection may do everything.
    owner.open(2).await;
    lab.note(
        "own",
        show::heard(&owner.call(2, say::exclusive("mine")).await),
    );
    lab.note("own", show::heard(&owner.call(2, say::purge("mine")).await));
    drop(owner);
    lab.gone("mine").await;
}

async fn a_redeclaration_must_agree_on_exclusive(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials.given(&[say::exclusive("mine")]).await;
    let shared = queue::Declare {
        queue: "mine".into(),
        ..Default::default()
    };
    trials
        .attempt("no longer", &[say::declare_as(shared.clone())])
        .await;
    trials
        .given(&[say::declare_as(queue::Declare {
            queue: "ours".into(),
            ..shared
        })])
        .await;
    trials
        .attempt("from now on", &[say::exclusive("ours")])
        .await;
}

async fn an_exclusive_consumer_is_alone(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    let alone = |tag: &str| {
        say::consume_as(basic::Consume {
            queue: "q".into(),
            consumer_tag: tag.into(),
            exclusive: true,
            ..Default::default()
        })
    };
    trials
        .given(&[say::declare("q", &[]), alone("first")])
        .await;
    trials
        .attempt("second", &[say::consume("q", "second")])
        .await;
    trials.attempt("second exclusive", &[alone("third")]).await;
    trials.attempt("get", &[say::get("q")]).await;
    trials
        .given(&[say::declare("r", &[]), say::consume("r", "first")])
        .await;
    let late = basic::Consume {
        queue: "r".into(),
        exclusive: true,
        ..Default::default()
    };
    trials.attempt("too late", &[say::consume_as(late)]).await;
}

async fn a_user_id_must_be_true(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    wire.call(1, say::confirm()).await;
    for user in ["guest", "somebody"] {
        let properties = lapin::BasicProperties::default().with_user_id(user.into());
        wire.publish(1, say::to("", "q"), &properties, b"m").await;
        lab.note(user, show::heard(&wire.hear().await));
    }
}

async fn the_built_in_exchanges_are_there(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    for (name, kind) in [
        ("amq.direct", "direct"),
        ("amq.fanout", "fanout"),
        ("amq.topic", "topic"),
        ("amq.headers", "headers"),
        ("amq.match", "headers"),
    ] {
        trials
            .attempt(name, &[say::exchange(name, kind, &[])])
            .await;
    }
    let passive = |name: &str| {
        say::exchange_as(exchange::Declare {
            exchange: name.into(),
            passive: true,
            ..Default::default()
        })
    };
    trials
        .attempt("amq.rabbitmq.trace", &[passive("amq.rabbitmq.trace")])
        .await;
    trials.attempt("amq.other", &[passive("amq.other")]).await;
}
