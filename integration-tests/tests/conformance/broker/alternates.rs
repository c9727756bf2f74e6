//! Exchanges for what nobody wants.

use integration_tests::Client;
use lapin::ExchangeKind;

use super::routing::{matrix, queues};
use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::show;
use crate::conformance::tools::{bind, exchange, exchange_with, plain, publish, take, text};

cases![
    an_alternate_exchange_takes_what_nobody_wants,
    a_chain_of_alternate_exchanges_is_followed,
    an_alternate_exchange_saves_from_being_returned,
    an_alternate_exchange_that_is_missing_saves_nothing,
];

async fn alternates(client: &Client) {
    queues(client, &["wanted", "unwanted", "last"]).await;
    exchange(client, "lost", ExchangeKind::Fanout).await;
    let alternate = [("alternate-exchange", text("lost"))];
    exchange_with(client, "e", ExchangeKind::Direct, &alternate).await;
    bind(client, "wanted", "e", "k").await;
    bind(client, "unwanted", "lost", "").await;
}

async fn an_alternate_exchange_takes_what_nobody_wants(lab: Lab) {
    let client = lab.client().await;
    alternates(&client).await;
    matrix(&lab, &client, "e", &["wanted", "unwanted"], &["k", "other"]).await;
    publish(client.channel(), "e", "other", b"m", plain())
        .await
        .expect("what the case sets up");
    lab.note("as seen", show::delivery(&take(&client, "unwanted").await));
}

async fn a_chain_of_alternate_exchanges_is_followed(lab: Lab) {
    let client = lab.client().await;
    alternates(&client).await;
    exchange_with(
        &client,
        "f",
        ExchangeKind::Direct,
        &[("alternate-exchange", text("e"))],
    )
    .await;
    let to_itself = [("alternate-exchange", text("self"))];
    exchange_with(&client, "self", ExchangeKind::Direct, &to_itself).await;
    matrix(&lab, &client, "f", &["wanted", "unwanted"], &["k", "other"]).await;
    matrix(&lab, &client, "self", &["wanted", "unwanted"], &["k"]).await;
}

async fn an_alternate_exchange_saves_from_being_returned(lab: Lab) {
    use crate::conformance::say;
    let client = lab.client().await;
    alternates(&client).await;
    let mut wire = lab.wire().await;
    wire.call(1, say::confirm()).await;
    wire.publish(1, say::mandatory("e", "other"), &plain(), b"m")
        .await;
    lab.note("taken", show::heard(&wire.hear().await));
    let unbind = client.channel().queue_unbind(
        "unwanted".into(),
        "lost".into(),
        "".into(),
        Default::default(),
    );
    unbind.await.expect("what the case sets up");
    wire.publish(1, say::mandatory("e", "other"), &plain(), b"m")
        .await;
    lab.note("taken by nobody", show::all(&wire.hear_all(4).await));
}

async fn an_alternate_exchange_that_is_missing_saves_nothing(lab: Lab) {
    use crate::conformance::say;
    let client = lab.client().await;
    let missing = [("alternate-exchange", text("missing"))];
    exchange_with(&client, "e", ExchangeKind::Direct, &missing).await;
    let mut wire = lab.wire().await;
    wire.call(1, say::confirm()).await;
    wire.publish(1, say::mandatory("e", "k"), &plain(), b"m")
        .await;
    lab.note("mandatory", show::all(&wire.hear_all(4).await));
    wire.publish(1, say::to("e", "k"), &plain(), b"m").await;
    lab.note("not mandatory", show::heard(&wire.hear().await));
}
