//! Arguments that make no sense: 406.

use amq_protocol::protocol::{basic, exchange, queue};
use amq_protocol::types::AMQPValue;

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::tools::{int, long, quorum, table, text};
use crate::conformance::trials::Trials;
use crate::conformance::{say, show};

cases![
    queue_arguments_with_wrong_values_are_refused,
    queue_arguments_of_the_wrong_type_are_refused,
    queue_arguments_at_their_bounds,
    a_dead_letter_routing_key_needs_an_exchange,
    quorum_queues_refuse_what_they_cannot_do,
    an_unknown_queue_type_is_refused,
    classic_queues_refuse_what_only_quorum_queues_can,
    exchange_arguments_with_wrong_values_are_refused,
    consumer_arguments_with_wrong_values_are_refused,
    binding_arguments_with_wrong_values_are_refused,
    expirations_with_wrong_values_are_refused,
    carbon_copies_with_wrong_values_are_refused,
    names_of_any_kind_are_taken,
];

async fn declares(lab: &Lab, arguments: &[(&str, AMQPValue)]) {
    let mut trials = Trials::new(lab).await;
    for (name, value) in arguments {
        let what = format!("{name} {}", show::value(value));
        trials
            .attempt(&what, &[say::declare(&what, &[(name, value.clone())])])
            .await;
    }
}

async fn queue_arguments_with_wrong_values_are_refused(lab: Lab) {
    let arguments = [
        ("x-message-ttl", int(-1)),
        ("x-expires", int(0)),
        ("x-expires", int(-5)),
        ("x-max-length", int(-1)),
        ("x-max-length-bytes", int(-1)),
        ("x-max-priority", int(-1)),
        ("x-max-priority", int(256)),
        ("x-overflow", text("explode")),
        ("x-queue-mode", text("busy")),
        ("x-dead-letter-strategy", text("whatever")),
    ];
    declares(&lab, &arguments).await;
}

async fn queue_arguments_of_the_wrong_type_are_refused(lab: Lab) {
    let arguments = [
        ("x-message-ttl", text("100")),
        ("x-message-ttl", AMQPValue::Double(1.5)),
        ("x-message-ttl", AMQPValue::Boolean(true)),
        ("x-expires", text("1")),
        ("x-max-length", text("1")),
        ("x-max-length-bytes", AMQPValue::Void),
        ("x-max-priority", text("1")),
        ("x-overflow", int(1)),
        ("x-dead-letter-exchange", int(1)),
        ("x-single-active-consumer", int(1)),
        ("x-queue-mode", int(1)),
    ];
    declares(&lab, &arguments).await;
}

async fn queue_arguments_at_their_bounds(lab: Lab) {
    let arguments = [
        ("x-message-ttl", int(0)),
        ("x-message-ttl", long(4_294_967_295)),
        ("x-message-ttl", long(4_294_967_296)),
        ("x-message-ttl", long(315_360_000_000)),
        ("x-message-ttl", long(315_360_000_001)),
        ("x-expires", int(1)),
        ("x-expires", long(4_294_967_296)),
        ("x-expires", long(315_360_000_001)),
        ("x-max-length", int(0)),
        ("x-max-length", long(i64::MAX)),
        ("x-max-priority", int(0)),
        ("x-max-priority", int(255)),
        ("x-overflow", text("reject-publish-dlx")),
    ];
    declares(&lab, &arguments).await;
}

async fn a_dead_letter_routing_key_needs_an_exchange(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    let key = ("x-dead-letter-routing-key", text("k"));
    trials
        .attempt(
            "key alone",
            &[say::declare("q", std::slice::from_ref(&key))],
        )
        .await;
    let exchange = ("x-dead-letter-exchange", text("missing is fine"));
    trials
        .attempt("both", &[say::declare("q", &[key, exchange])])
        .await;
}

async fn quorum_queues_refuse_what_they_cannot_do(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    let base = queue::Declare {
        queue: "q".into(),
        durable: true,
        arguments: table(&[quorum()]),
        ..Default::default()
    };
    let transient = queue::Declare {
        durable: false,
        ..base.clone()
    };
    trials
        .attempt("transient", &[say::declare_as(transient)])
        .await;
    let exclusive = queue::Declare {
        exclusive: true,
        ..base.clone()
    };
    trials
        .attempt("exclusive", &[say::declare_as(exclusive)])
        .await;
    let auto = queue::Declare {
        auto_delete: true,
        ..base.clone()
    };
    trials
        .attempt("auto-delete", &[say::declare_as(auto)])
        .await;
    let nameless = queue::Declare {
        queue: "".into(),
        ..base
    };
    trials
        .attempt("server-named", &[say::declare_as(nameless)])
        .await;
    for (name, value) in [
        ("x-max-priority", int(5)),
        ("x-queue-mode", text("lazy")),
        ("x-overflow", text("reject-publish-dlx")),
        ("x-delivery-limit", int(-2)),
        ("x-delivery-limit", text("1")),
        ("x-delivery-limit", int(0)),
        ("x-quorum-initial-group-size", int(0)),
        ("x-dead-letter-strategy", text("whatever")),
        ("x-dead-letter-strategy", int(1)),
    ] {
        let what = format!("{name} {}", show::value(&value));
        trials
            .attempt(&what, &[say::declare(&what, &[quorum(), (name, value)])])
            .await;
    }
}

async fn an_unknown_queue_type_is_refused(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    for kind in [text("jumbo"), text(""), int(1)] {
        let what = show::value(&kind);
        trials
            .attempt(&what, &[say::declare("q", &[("x-queue-type", kind)])])
            .await;
    }
}

async fn classic_queues_refuse_what_only_quorum_queues_can(lab: Lab) {
    let arguments = [
        ("x-delivery-limit", int(5)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-quorum-initial-group-size", int(3)),
        ("x-max-in-memory-length", int(3)),
        ("x-max-age", text("1h")),
        ("x-stream-max-segment-size-bytes", int(100)),
        ("x-queue-leader-locator", text("client-local")),
    ];
    declares(&lab, &arguments).await;
}

async fn exchange_arguments_with_wrong_values_are_refused(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    for value in [int(1), text("missing is fine"), text("")] {
        let what = format!("alternate {}", show::value(&value));
        trials
            .attempt(
                &what,
                &[say::exchange(
                    &what,
                    "direct",
                    &[("alternate-exchange", value)],
                )],
            )
            .await;
    }
    trials
        .attempt(
            "unknown",
            &[say::exchange("e", "direct", &[("x-unknown", int(1))])],
        )
        .await;
    let typeless = exchange::Declare {
        exchange: "t".into(),
        ..Default::default()
    };
    trials
        .attempt("no type", &[say::exchange_as(typeless)])
        .await;
    trials
        .attempt("unknown type", &[say::exchange("u", "odd", &[])])
        .await;
}

async fn consumer_arguments_with_wrong_values_are_refused(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials
        .given(&[say::declare("q", &[]), say::declare("r", &[quorum()])])
        .await;
    for (queue, name, value) in [
        ("q", "x-priority", text("high")),
        ("q", "x-priority", long(i64::MIN)),
        ("q", "x-priority", AMQPValue::Boolean(true)),
        ("q", "x-unknown", int(1)),
        ("r", "x-priority", text("high")),
        ("r", "x-priority", int(-3)),
        ("q", "x-cancel-on-ha-failover", text("yes")),
    ] {
        let what = format!("{queue} {name} {}", show::value(&value));
        let consume = basic::Consume {
            queue: queue.into(),
            consumer_tag: what.as_str().into(),
            arguments: table(&[(name, value)]),
            ..Default::default()
        };
        trials.attempt(&what, &[say::consume_as(consume)]).await;
    }
}

async fn binding_arguments_with_wrong_values_are_refused(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials.given(&[say::declare("q", &[])]).await;
    for value in [
        text("some"),
        int(1),
        text("any"),
        text("all-with-x"),
        text("any-with-x"),
    ] {
        let what = format!("x-match {}", show::value(&value));
        let bind = say::bind_with("q", "amq.headers", "", &[("x-match", value), ("a", int(1))]);
        trials.attempt(&what, &[bind]).await;
    }
    let bind = say::bind_with("q", "amq.direct", "", &[("x-match", text("some"))]);
    trials.attempt("of no headers exchange", &[bind]).await;
}

async fn expirations_with_wrong_values_are_refused(lab: Lab) {
    let mut wire = lab.wire().await;
    for text in [
        "abc",
        "",
        "-1",
        "1.5",
        "10s",
        " 1",
        "+1",
        "315360000000",
        "315360000001",
    ] {
        wire.call(1, say::declare("q", &[])).await;
        wire.call(1, say::confirm()).await;
        let properties = lapin::BasicProperties::default().with_expiration(text.into());
        wire.publish(1, say::to("", "q"), &properties, b"m").await;
        let heard = wire.hear().await;
        lab.note(&format!("'{text}'"), show::heard(&heard));
        match heard.is_last() {
            true => wire.confirm_end(&heard).await,
            false => _ = wire.call(1, say::close_channel()).await,
        }
        wire.open(1).await;
    }
}

async fn carbon_copies_with_wrong_values_are_refused(lab: Lab) {
    let mut wire = lab.wire().await;
    for (header, value) in [
        ("CC", text("q")),
        ("CC", int(1)),
        ("BCC", text("q")),
        ("CC", AMQPValue::FieldArray(vec![int(1)].into())),
        ("CC", AMQPValue::FieldArray(Vec::new().into())),
    ] {
        wire.call(1, say::declare("q", &[])).await;
        wire.call(1, say::confirm()).await;
        let what = format!("{header} {}", show::value(&value));
        let properties = lapin::BasicProperties::default().with_headers(table(&[(header, value)]));
        wire.publish(1, say::to("", "q"), &properties, b"m").await;
        let heard = wire.hear().await;
        lab.note(&what, show::heard(&heard));
        match heard.is_last() {
            true => wire.confirm_end(&heard).await,
            false => _ = wire.call(1, say::close_channel()).await,
        }
        wire.open(1).await;
    }
}

async fn names_of_any_kind_are_taken(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    for name in [
        "with spaces",
        "Ünïcödé 🐇",
        "slash/and'quote",
        &"x".repeat(255),
    ] {
        trials.attempt("queue", &[say::declare(name, &[])]).await;
        trials
            .attempt("exchange", &[say::exchange(name, "fanout", &[])])
            .await;
        trials.attempt("bind", &[say::bind(name, name, name)]).await;
        let other = say::declare(name, &[("x-message-ttl", int(1))]);
        trials.attempt("in an error", &[other]).await;
    }
}
