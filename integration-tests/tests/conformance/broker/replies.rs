//! Requests and replies without a queue, and transactions.

use amq_protocol::protocol::basic;

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::tools::{count, plain};
use crate::conformance::trials::Trials;
use crate::conformance::wire::Wire;
use crate::conformance::{say, show};

cases![
    a_reply_comes_back_on_the_channel_that_asked,
    asking_for_replies_has_rules,
    a_reply_to_nobody_is_unroutable,
    the_reply_queue_can_be_declared_but_not_used,
    a_transaction_publishes_when_it_is_committed,
    a_transaction_rolled_back_did_not_happen,
    acks_are_part_of_a_transaction,
    an_unfinished_transaction_is_forgotten,
    a_returned_message_of_a_transaction_comes_at_its_end,
];

const REPLY_TO: &str = "amq.rabbitmq.reply-to";

fn replies(no_ack: bool) -> amq_protocol::protocol::AMQPClass {
    say::consume_as(basic::Consume {
        queue: REPLY_TO.into(),
        consumer_tag: "replies".into(),
        no_ack,
        ..Default::default()
    })
}

async fn a_reply_comes_back_on_the_channel_that_asked(lab: Lab) {
    let mut asks = lab.wire().await;
    asks.call(1, say::declare("q", &[])).await;
    lab.note("consume", show::heard(&asks.call(1, replies(true)).await));
    let request = plain()
        .with_reply_to(REPLY_TO.into())
        .with_correlation_id("7".into());
    asks.publish(1, say::to("", "q"), &request, b"question")
        .await;
    let mut answers = lab.wire().await;
    lab.ready("q", 1).await;
    answers.send(1, say::get("q")).await;
    let (_, properties, _) = answers.hear_message().await;
    let reply_to = properties.reply_to().clone().unwrap_or_default();
    lab.note("reply to", &reply_to);
    answers.call(1, say::confirm()).await;
    let reply = plain().with_correlation_id("7".into());
    answers
        .publish(1, say::to("", reply_to.as_str()), &reply, b"answer")
        .await;
    lab.note("confirm", show::heard(&answers.hear().await));
    lab.note("reply", show::all(&asks.hear_all(3).await));
    // Whoever has the name may ask whether anybody listens.
    let there = answers.call(1, say::passive(reply_to.as_str())).await;
    lab.note("listens", show::heard(&there));
    answers
        .publish(
            1,
            say::mandatory("", reply_to.as_str()),
            &reply,
            b"mandatory",
        )
        .await;
    lab.note(
        "reply to a mandatory one",
        show::all(&asks.hear_all(3).await),
    );
    let mut confirm = answers.hear().await;
    let returned = !confirm.is_confirm();
    while !confirm.is_confirm() {
        confirm = answers.hear().await;
    }
    lab.note(
        "a mandatory one",
        if returned {
            "is returned too"
        } else {
            "is not returned"
        },
    );
    asks.call(1, say::cancel("replies")).await;
    answers
        .publish(1, say::mandatory("", reply_to.as_str()), &reply, b"late")
        .await;
    lab.note("after a cancel", show::all(&answers.hear_all(4).await));
}

async fn asking_for_replies_has_rules(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials.attempt("with acks", &[replies(false)]).await;
    trials
        .attempt("twice", &[replies(true), replies(true)])
        .await;
    let mut wire = lab.wire().await;
    let request = plain().with_reply_to(REPLY_TO.into());
    wire.publish(1, say::to("", "q"), &request, b"question")
        .await;
    lab.note("a request before", show::all(&wire.settle(1).await));
}

async fn a_reply_to_nobody_is_unroutable(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::confirm()).await;
    let key = format!("{REPLY_TO}.nonsense");
    wire.publish(1, say::mandatory("", &key), &plain(), b"answer")
        .await;
    lab.note("reply", show::all(&wire.hear_all(4).await));
}

async fn the_reply_queue_can_be_declared_but_not_used(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials.attempt("passive", &[say::passive(REPLY_TO)]).await;
    trials
        .attempt("declare", &[say::declare(REPLY_TO, &[])])
        .await;
    trials.attempt("get", &[say::get(REPLY_TO)]).await;
    trials.attempt("purge", &[say::purge(REPLY_TO)]).await;
    trials.attempt("delete", &[say::delete(REPLY_TO)]).await;
    trials
        .attempt("bind", &[say::bind(REPLY_TO, "amq.direct", "k")])
        .await;
}

/// A channel with a transaction and the queue `q`.
async fn transaction(lab: &Lab) -> Wire {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    lab.note("select", show::heard(&wire.call(1, say::tx_select()).await));
    wire
}

async fn waiting(lab: &Lab) -> String {
    let client = lab.client().await;
    format!("{:?}", count(client.channel(), "q").await)
}

async fn a_transaction_publishes_when_it_is_committed(lab: Lab) {
    let mut wire = transaction(&lab).await;
    for body in ["a", "b"] {
        wire.publish(1, say::to("", "q"), &plain(), body.as_bytes())
            .await;
    }
    lab.note("heard", show::all(&wire.settle(1).await));
    lab.note("before", waiting(&lab).await);
    lab.note("commit", show::heard(&wire.call(1, say::tx_commit()).await));
    lab.note("after", waiting(&lab).await);
    lab.note(
        "an empty commit",
        show::heard(&wire.call(1, say::tx_commit()).await),
    );
}

async fn a_transaction_rolled_back_did_not_happen(lab: Lab) {
    let mut wire = transaction(&lab).await;
    wire.publish(1, say::to("", "q"), &plain(), b"a").await;
    lab.note(
        "rollback",
        show::heard(&wire.call(1, say::tx_rollback()).await),
    );
    lab.note("commit", show::heard(&wire.call(1, say::tx_commit()).await));
    lab.note("after", waiting(&lab).await);
}

async fn acks_are_part_of_a_transaction(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    crate::conformance::tools::send(&client, "q", &["a", "b"]).await;
    let mut wire = transaction(&lab).await;
    for _ in 0..2 {
        wire.send(1, say::get("q")).await;
        wire.hear_message().await;
    }
    wire.send(1, say::ack(1, false)).await;
    wire.send(1, say::nack(2, false, true)).await;
    wire.settle(1).await;
    lab.note("before", format!("{:?}", lab.depth("q").await));
    lab.note(
        "rollback",
        show::heard(&wire.call(1, say::tx_rollback()).await),
    );
    lab.note("after", format!("{:?}", lab.depth("q").await));
    wire.send(1, say::ack(1, false)).await;
    wire.send(1, say::nack(2, false, true)).await;
    lab.note("commit", show::heard(&wire.call(1, say::tx_commit()).await));
    lab.ready("q", 1).await;
    lab.note("at last", format!("{:?}", lab.depth("q").await));
}

async fn an_unfinished_transaction_is_forgotten(lab: Lab) {
    let mut wire = transaction(&lab).await;
    wire.publish(1, say::to("", "q"), &plain(), b"a").await;
    lab.note(
        "close",
        show::heard(&wire.call(1, say::close_channel()).await),
    );
    lab.note("after", waiting(&lab).await);
}

async fn a_returned_message_of_a_transaction_comes_at_its_end(lab: Lab) {
    let mut wire = transaction(&lab).await;
    wire.publish(1, say::mandatory("", "nobody"), &plain(), b"a")
        .await;
    lab.note("heard", show::all(&wire.settle(1).await));
    lab.note(
        "after",
        show::all(&{
            wire.send(1, say::tx_commit()).await;
            wire.settle(1).await
        }),
    );
}
