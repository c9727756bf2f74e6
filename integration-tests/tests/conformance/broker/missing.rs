//! What is not there: 404.

use amq_protocol::protocol::basic::Publish;

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::tools::table;
use crate::conformance::trials::Trials;
use crate::conformance::{say, show};

cases![
    a_missing_queue_costs_the_channel,
    deleting_or_unbinding_what_is_missing_is_no_error,
    a_missing_exchange_costs_the_channel,
    a_publish_to_a_missing_exchange_is_not_confirmed,
    an_empty_queue_name_means_the_last_one_declared,
    an_operation_after_the_error_is_not_answered,
    a_channel_number_can_be_used_again_after_an_error,
];

async fn a_missing_queue_costs_the_channel(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials
        .attempt("passive declare", &[say::passive("nope")])
        .await;
    trials.attempt("consume", &[say::consume("nope", "")]).await;
    trials.attempt("get", &[say::get("nope")]).await;
    trials.attempt("purge", &[say::purge("nope")]).await;
    trials
        .attempt("bind", &[say::bind("nope", "amq.direct", "k")])
        .await;
}

async fn deleting_or_unbinding_what_is_missing_is_no_error(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials.given(&[say::declare("q", &[])]).await;
    trials.attempt("delete queue", &[say::delete("nope")]).await;
    trials
        .attempt("delete exchange", &[say::exchange_delete("nope", false)])
        .await;
    trials
        .attempt(
            "unbind a missing queue",
            &[say::unbind("nope", "amq.direct", "k")],
        )
        .await;
    trials
        .attempt(
            "unbind a missing exchange",
            &[say::unbind("q", "nope", "k")],
        )
        .await;
    trials
        .attempt(
            "unbind a missing binding",
            &[say::unbind("q", "amq.direct", "k")],
        )
        .await;
    trials
        .attempt(
            "unbind exchanges",
            &[say::exchange_unbind("nope", "amq.direct", "k")],
        )
        .await;
    trials.attempt("cancel", &[say::cancel("nope")]).await;
}

async fn a_missing_exchange_costs_the_channel(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials.given(&[say::declare("q", &[])]).await;
    let passive = amq_protocol::protocol::exchange::Declare {
        exchange: "nope".into(),
        kind: "direct".into(),
        passive: true,
        arguments: table(&[]),
        ..Default::default()
    };
    trials
        .attempt("passive declare", &[say::exchange_as(passive)])
        .await;
    trials
        .attempt("bind a queue", &[say::bind("q", "nope", "k")])
        .await;
    trials
        .attempt(
            "bind to it",
            &[say::exchange_bind("amq.direct", "nope", "k")],
        )
        .await;
    trials
        .attempt("bind it", &[say::exchange_bind("nope", "amq.direct", "k")])
        .await;
    trials
        .attempt("both are missing", &[say::bind("none", "nope", "k")])
        .await;
}

async fn a_publish_to_a_missing_exchange_is_not_confirmed(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::confirm()).await;
    for mandatory in [false, true] {
        let publish = Publish {
            mandatory,
            ..say::to("nope", "k")
        };
        wire.publish(1, publish, &Default::default(), b"m").await;
        lab.note("publish", show::all(&wire.settle(1).await));
        wire.open(1).await;
        wire.call(1, say::confirm()).await;
    }
}

async fn an_empty_queue_name_means_the_last_one_declared(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials.attempt("consume", &[say::consume("", "")]).await;
    trials.attempt("get", &[say::get("")]).await;
    trials
        .attempt("bind", &[say::bind("", "amq.direct", "k")])
        .await;
    trials.attempt("purge", &[say::purge("")]).await;
    trials.attempt("delete", &[say::delete("")]).await;
    trials.attempt("passive declare", &[say::passive("")]).await;
    let declare = say::declare("q", &[]);
    trials
        .attempt("purge after a declare", &[declare.clone(), say::purge("")])
        .await;
    trials
        .attempt(
            "bind after a declare",
            &[declare.clone(), say::bind("", "amq.direct", "")],
        )
        .await;
    trials
        .attempt("get after a declare", &[declare.clone(), say::get("")])
        .await;
    trials
        .attempt(
            "passive after a declare",
            &[declare.clone(), say::passive("")],
        )
        .await;
    trials
        .attempt("delete after a declare", &[declare, say::delete("")])
        .await;
}

async fn an_operation_after_the_error_is_not_answered(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    let (get, declare) = (say::get("nope"), say::declare("q", &[]));
    trials
        .attempt("three at once", &[get.clone(), declare, get])
        .await;
    trials
        .attempt("the declare was not done", &[say::passive("q")])
        .await;
}

async fn a_channel_number_can_be_used_again_after_an_error(lab: Lab) {
    let mut wire = lab.wire().await;
    for _ in 0..3 {
        wire.send(1, say::get("nope")).await;
        lab.note("get", show::all(&wire.settle(1).await));
        lab.note(
            "open",
            show::heard(&wire.call(1, say::open_channel()).await),
        );
    }
    lab.note(
        "works",
        show::heard(&wire.call(1, say::declare("q", &[])).await),
    );
}
