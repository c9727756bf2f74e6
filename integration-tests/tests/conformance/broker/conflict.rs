//! What is there, but otherwise: 406 with both values.

use amq_protocol::protocol::{exchange, queue};
use amq_protocol::types::AMQPValue;

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::say;
use crate::conformance::tools::{int, long, quorum, table, text, yes};
use crate::conformance::trials::Trials;

cases![
    a_redeclared_queue_must_have_the_same_flags,
    a_redeclared_queue_must_have_the_same_arguments,
    an_argument_that_is_new_or_missing_conflicts_too,
    numbers_are_equal_whatever_their_width,
    unknown_arguments_conflict_with_nothing,
    the_first_of_several_conflicts_is_named,
    queue_types_conflict,
    quorum_arguments_conflict,
    a_passive_declare_does_not_compare,
    a_redeclared_exchange_must_be_the_same,
    a_conflict_leaves_the_queue_as_it_was,
];

/// Declares a queue once with and once with other arguments.
async fn redeclare(trials: &mut Trials, name: &str, first: AMQPValue, then: &[AMQPValue]) {
    let queue = format!("q-{name}");
    let extra = ("x-dead-letter-exchange", text("dlx"));
    let with = |value: &AMQPValue| match name {
        "x-dead-letter-routing-key" => {
            say::declare(&queue, &[(name, value.clone()), extra.clone()])
        }
        _ => say::declare(&queue, &[(name, value.clone())]),
    };
    trials.given(&[with(&first)]).await;
    trials
        .attempt(&format!("{name} again"), &[with(&first)])
        .await;
    for value in then {
        trials
            .attempt(&format!("{name} otherwise"), &[with(value)])
            .await;
    }
}

async fn a_redeclared_queue_must_have_the_same_flags(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    let first = queue::Declare {
        queue: "q".into(),
        durable: true,
        ..Default::default()
    };
    trials.given(&[say::declare_as(first.clone())]).await;
    let transient = queue::Declare {
        durable: false,
        ..first.clone()
    };
    trials
        .attempt("durable", &[say::declare_as(transient)])
        .await;
    let auto = queue::Declare {
        auto_delete: true,
        ..first.clone()
    };
    trials
        .attempt("auto-delete", &[say::declare_as(auto)])
        .await;
    let exclusive = queue::Declare {
        exclusive: true,
        ..first.clone()
    };
    trials
        .attempt("exclusive", &[say::declare_as(exclusive)])
        .await;
    let all = queue::Declare {
        durable: false,
        auto_delete: true,
        ..first
    };
    trials.attempt("several", &[say::declare_as(all)]).await;
    let auto = queue::Declare {
        queue: "a".into(),
        auto_delete: true,
        ..Default::default()
    };
    trials.given(&[say::declare_as(auto.clone())]).await;
    trials
        .attempt("same", &[say::declare_as(auto.clone())])
        .await;
    let stays = queue::Declare {
        auto_delete: false,
        ..auto
    };
    trials
        .attempt("no longer auto-delete", &[say::declare_as(stays)])
        .await;
}

async fn a_redeclared_queue_must_have_the_same_arguments(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    let trials = &mut trials;
    redeclare(trials, "x-message-ttl", int(1000), &[int(2000), int(0)]).await;
    redeclare(trials, "x-expires", int(100_000), &[int(200_000)]).await;
    redeclare(trials, "x-max-length", int(10), &[int(20)]).await;
    redeclare(trials, "x-max-length-bytes", int(10), &[int(20)]).await;
    redeclare(trials, "x-max-priority", int(10), &[int(5)]).await;
    redeclare(
        trials,
        "x-overflow",
        text("drop-head"),
        &[text("reject-publish")],
    )
    .await;
    redeclare(
        trials,
        "x-dead-letter-exchange",
        text("a"),
        &[text("b"), text("")],
    )
    .await;
    redeclare(trials, "x-dead-letter-routing-key", text("a"), &[text("b")]).await;
    redeclare(
        trials,
        "x-single-active-consumer",
        yes(),
        &[AMQPValue::Boolean(false)],
    )
    .await;
    redeclare(trials, "x-queue-mode", text("lazy"), &[text("default")]).await;
}

async fn an_argument_that_is_new_or_missing_conflicts_too(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials.given(&[say::declare("bare", &[])]).await;
    for (name, value) in [
        ("x-message-ttl", int(1000)),
        ("x-max-length", long(10)),
        ("x-dead-letter-exchange", text("dlx")),
        ("x-single-active-consumer", yes()),
        ("x-overflow", text("reject-publish")),
    ] {
        trials
            .attempt(
                &format!("new {name}"),
                &[say::declare("bare", &[(name, value.clone())])],
            )
            .await;
        let queue = format!("with-{name}");
        trials
            .given(&[say::declare(&queue, &[(name, value)])])
            .await;
        trials
            .attempt(&format!("missing {name}"), &[say::declare(&queue, &[])])
            .await;
    }
}

async fn numbers_are_equal_whatever_their_width(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    let ttl = |value: AMQPValue| [say::declare("q", &[("x-message-ttl", value)])];
    trials.given(&ttl(int(100))).await;
    trials.attempt("i64", &ttl(long(100))).await;
    trials.attempt("i16", &ttl(AMQPValue::ShortInt(100))).await;
    trials
        .attempt("u8", &ttl(AMQPValue::ShortShortUInt(100)))
        .await;
    trials.attempt("u32", &ttl(AMQPValue::LongUInt(100))).await;
    trials.attempt("text", &ttl(text("100"))).await;
    trials.attempt("f64", &ttl(AMQPValue::Double(100.0))).await;
    trials
        .attempt("i64 of another value", &ttl(long(101)))
        .await;
}

async fn unknown_arguments_conflict_with_nothing(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials
        .given(&[say::declare("q", &[("x-unheard-of", int(1))])])
        .await;
    trials
        .attempt("changed", &[say::declare("q", &[("x-unheard-of", int(2))])])
        .await;
    trials.attempt("missing", &[say::declare("q", &[])]).await;
    trials
        .attempt("new", &[say::declare("q", &[("mine", text("x"))])])
        .await;
}

async fn the_first_of_several_conflicts_is_named(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    let first = [
        ("x-message-ttl", int(1)),
        ("x-max-length", int(1)),
        ("x-expires", int(99_999)),
    ];
    trials.given(&[say::declare("q", &first)]).await;
    let other = [
        ("x-max-length", int(2)),
        ("x-message-ttl", int(2)),
        ("x-expires", int(99_998)),
    ];
    trials
        .attempt("all arguments", &[say::declare("q", &other)])
        .await;
    let transient = queue::Declare {
        queue: "q".into(),
        arguments: table(&other),
        ..Default::default()
    };
    trials
        .attempt("flag and arguments", &[say::declare_as(transient)])
        .await;
}

async fn queue_types_conflict(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials
        .given(&[say::declare("replicated", &[quorum()])])
        .await;
    trials
        .attempt("quorum again", &[say::declare("replicated", &[quorum()])])
        .await;
    let classic = ("x-queue-type", text("classic"));
    trials
        .attempt(
            "as classic",
            &[say::declare("replicated", std::slice::from_ref(&classic))],
        )
        .await;
    trials
        .attempt("without a type", &[say::declare("replicated", &[])])
        .await;
    trials.given(&[say::declare("typed", &[classic])]).await;
    trials
        .attempt("as quorum", &[say::declare("typed", &[quorum()])])
        .await;
    trials.given(&[say::declare("untyped", &[])]).await;
    trials
        .attempt("untyped as quorum", &[say::declare("untyped", &[quorum()])])
        .await;
}

async fn quorum_arguments_conflict(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    let limit = |n: i32| [say::declare("q", &[quorum(), ("x-delivery-limit", int(n))])];
    trials.given(&limit(5)).await;
    trials.attempt("same limit", &limit(5)).await;
    trials.attempt("other limit", &limit(6)).await;
    trials
        .attempt("no limit", &[say::declare("q", &[quorum()])])
        .await;
    let strategy = |how: &str| {
        [say::declare(
            "s",
            &[
                quorum(),
                ("x-dead-letter-exchange", text("")),
                ("x-dead-letter-strategy", text(how)),
                ("x-overflow", text("reject-publish")),
            ],
        )]
    };
    trials.given(&strategy("at-least-once")).await;
    trials
        .attempt("same strategy", &strategy("at-least-once"))
        .await;
    trials
        .attempt("other strategy", &strategy("at-most-once"))
        .await;
}

async fn a_passive_declare_does_not_compare(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials
        .given(&[say::declare("q", &[("x-message-ttl", int(1))])])
        .await;
    let passive = queue::Declare {
        queue: "q".into(),
        passive: true,
        auto_delete: true,
        arguments: table(&[("x-message-ttl", int(2))]),
        ..Default::default()
    };
    trials.attempt("queue", &[say::declare_as(passive)]).await;
    let passive = exchange::Declare {
        exchange: "amq.direct".into(),
        kind: "fanout".into(),
        passive: true,
        ..Default::default()
    };
    trials
        .attempt("exchange", &[say::exchange_as(passive)])
        .await;
}

async fn a_redeclared_exchange_must_be_the_same(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    let first = exchange::Declare {
        exchange: "e".into(),
        kind: "direct".into(),
        durable: true,
        arguments: table(&[("alternate-exchange", text("other"))]),
        ..Default::default()
    };
    trials.given(&[say::exchange_as(first.clone())]).await;
    trials
        .attempt("same", &[say::exchange_as(first.clone())])
        .await;
    let kind = exchange::Declare {
        kind: "topic".into(),
        ..first.clone()
    };
    trials.attempt("type", &[say::exchange_as(kind)]).await;
    let transient = exchange::Declare {
        durable: false,
        ..first.clone()
    };
    trials
        .attempt("durable", &[say::exchange_as(transient)])
        .await;
    let auto = exchange::Declare {
        auto_delete: true,
        ..first.clone()
    };
    trials
        .attempt("auto-delete", &[say::exchange_as(auto)])
        .await;
    let internal = exchange::Declare {
        internal: true,
        ..first.clone()
    };
    trials
        .attempt("internal", &[say::exchange_as(internal)])
        .await;
    let bare = exchange::Declare {
        arguments: table(&[]),
        ..first.clone()
    };
    trials
        .attempt("no alternate", &[say::exchange_as(bare)])
        .await;
    let another = table(&[("alternate-exchange", text("another"))]);
    let alternate = exchange::Declare {
        arguments: another,
        ..first
    };
    trials
        .attempt("another alternate", &[say::exchange_as(alternate)])
        .await;
}

async fn a_conflict_leaves_the_queue_as_it_was(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    wire.call(1, say::confirm()).await;
    wire.publish(1, say::to("", "q"), &Default::default(), b"m")
        .await;
    wire.hear().await;
    let mut trials = Trials::new(&lab).await;
    trials
        .attempt(
            "conflict",
            &[say::declare("q", &[("x-message-ttl", int(1))])],
        )
        .await;
    trials.attempt("still there", &[say::passive("q")]).await;
}
