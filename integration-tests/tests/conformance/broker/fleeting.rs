//! What goes away by itself.

use amq_protocol::protocol::{exchange, queue};

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::trials::Trials;
use crate::conformance::{say, show};

cases![
    an_auto_delete_queue_goes_with_its_last_consumer,
    an_auto_delete_queue_without_consumers_stays,
    an_auto_delete_queue_goes_when_its_consumers_channel_does,
    an_exclusive_queue_goes_with_its_connection,
    an_auto_delete_exchange_goes_with_its_last_binding,
];

fn fleeting(name: &str) -> amq_protocol::protocol::AMQPClass {
    say::declare_as(queue::Declare {
        queue: name.into(),
        auto_delete: true,
        ..Default::default()
    })
}

async fn an_auto_delete_queue_goes_with_its_last_consumer(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, fleeting("q")).await;
    for tag in ["one", "two"] {
        wire.call(1, say::consume("q", tag)).await;
    }
    wire.call(1, say::cancel("one")).await;
    lab.note(
        "one is left",
        show::heard(&wire.call(1, say::passive("q")).await),
    );
    lab.note(
        "cancel",
        show::heard(&wire.call(1, say::cancel("two")).await),
    );
    lab.gone("q").await;
    wire.send(1, say::passive("q")).await;
    lab.note("none is left", show::all(&wire.settle(1).await));
}

async fn an_auto_delete_queue_without_consumers_stays(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, fleeting("q")).await;
    drop(wire);
    let mut wire = lab.wire().await;
    lab.note(
        "never consumed",
        show::heard(&wire.call(1, say::passive("q")).await),
    );
    wire.send(1, say::get("q")).await;
    lab.note("asked", show::heard(&wire.hear().await));
    lab.note(
        "still there",
        show::heard(&wire.call(1, say::passive("q")).await),
    );
}

async fn an_auto_delete_queue_goes_when_its_consumers_channel_does(lab: Lab) {
    for how in ["channel", "connection"] {
        let mut wire = lab.wire().await;
        wire.call(1, fleeting("q")).await;
        wire.call(1, say::consume("q", "me")).await;
        if how == "channel" {
            wire.call(1, say::close_channel()).await;
        } else {
            drop(wire);
        }
        lab.gone("q").await;
        lab.note(how, "gone");
    }
}

async fn an_exclusive_queue_goes_with_its_connection(lab: Lab) {
    for how in ["channel", "connection", "cut"] {
        let mut wire = lab.wire().await;
        wire.call(1, say::exclusive(how)).await;
        match how {
            "channel" => {
                wire.call(1, say::close_channel()).await;
                wire.open(1).await;
                lab.note(how, show::heard(&wire.call(1, say::passive(how)).await));
            }
            "connection" => {
                wire.call(0, say::close_connection()).await;
                lab.gone(how).await;
                lab.note(how, "gone");
            }
            _ => {
                lab.reset_connections().await;
                lab.gone(how).await;
                lab.note(how, "gone");
            }
        }
    }
}

async fn an_auto_delete_exchange_goes_with_its_last_binding(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    let fleeting = exchange::Declare {
        exchange: "e".into(),
        kind: "direct".into(),
        auto_delete: true,
        ..Default::default()
    };
    let passive = exchange::Declare {
        passive: true,
        ..fleeting.clone()
    };
    trials
        .given(&[say::exchange_as(fleeting.clone()), say::declare("q", &[])])
        .await;
    trials
        .attempt("never bound", &[say::exchange_as(passive.clone())])
        .await;
    trials
        .given(&[say::bind("q", "e", "a"), say::bind("q", "e", "b")])
        .await;
    trials.given(&[say::unbind("q", "e", "a")]).await;
    trials
        .attempt("one binding left", &[say::exchange_as(passive.clone())])
        .await;
    trials.given(&[say::unbind("q", "e", "b")]).await;
    trials
        .attempt("no binding left", &[say::exchange_as(passive.clone())])
        .await;
    trials
        .given(&[say::exchange_as(fleeting), say::bind("q", "e", "a")])
        .await;
    trials.given(&[say::delete("q")]).await;
    trials
        .attempt("its queue deleted", &[say::exchange_as(passive)])
        .await;
}
