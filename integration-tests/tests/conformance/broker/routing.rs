//! Which queue gets a message.

use amq_protocol::types::AMQPValue;
use integration_tests::Client;
use lapin::ExchangeKind;

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::show;
use crate::conformance::tools::{
    bind, bind_with, drain, exchange, headers, int, plain, publish, send, take, text,
};

cases![
    the_default_exchange_routes_by_name,
    direct_exchanges_match_the_key,
    topic_exchanges_match_words,
    fanout_exchanges_ignore_the_key,
    a_queue_gets_a_message_once,
    unbinding_ends_it,
    bindings_with_other_arguments_are_others,
    exchanges_route_into_exchanges,
    exchanges_in_a_circle_route_once,
    carbon_copies_go_to_more_keys,
    blind_copies_are_not_seen,
    a_message_keeps_the_key_it_was_sent_with,
    keys_may_be_long_or_empty,
];

/// Publishes with each key; which queues get it.
pub(super) async fn matrix(
    lab: &Lab,
    client: &Client,
    exchange: &str,
    queues: &[&str],
    keys: &[&str],
) {
    for key in keys {
        publish(client.channel(), exchange, key, b"m", plain())
            .await
            .expect("what the case sets up");
        lab.note(&format!("'{key}'"), who_got_it(client, queues).await);
    }
}

pub(super) async fn who_got_it(client: &Client, queues: &[&str]) -> String {
    let mut got = Vec::new();
    for queue in queues {
        let messages = drain(client, queue).await;
        match messages.split_whitespace().count() {
            0 => {}
            1 => got.push((*queue).to_owned()),
            many => got.push(format!("{queue} {many} times")),
        }
    }
    if got.is_empty() {
        "nobody".to_owned()
    } else {
        got.join(", ")
    }
}

pub(super) async fn queues(client: &Client, names: &[&str]) {
    for name in names {
        client.declare(name, &[]).await;
    }
}

async fn the_default_exchange_routes_by_name(lab: Lab) {
    let client = lab.client().await;
    queues(&client, &["a", "b"]).await;
    matrix(&lab, &client, "", &["a", "b"], &["a", "b", "c", "A", ""]).await;
}

async fn direct_exchanges_match_the_key(lab: Lab) {
    let client = lab.client().await;
    queues(&client, &["a", "b", "c"]).await;
    for (queue, key) in [("a", "x"), ("b", "x"), ("b", "y"), ("c", "")] {
        bind(&client, queue, "amq.direct", key).await;
    }
    let keys = ["x", "y", "", "z", "X", "*", "x.y"];
    matrix(&lab, &client, "amq.direct", &["a", "b", "c"], &keys).await;
}

async fn topic_exchanges_match_words(lab: Lab) {
    let client = lab.client().await;
    let patterns = [
        "a.b.c", "a.*.c", "a.#", "#.c", "#", "*", "a.*", "*.*", "a.#.c", "#.#", "*.#", "", "a..c",
        "a.#.#.c", "#.b.#", "*.b.*",
    ];
    for pattern in patterns {
        client.declare(pattern_queue(pattern).as_str(), &[]).await;
        bind(&client, &pattern_queue(pattern), "amq.topic", pattern).await;
    }
    let names: Vec<String> = patterns
        .iter()
        .map(|pattern| pattern_queue(pattern))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let keys = [
        "a.b.c", "a.c", "a", "", "a.b", "b", "a.b.b.c", "a..c", ".", "c", "x.b.y", "a.*.c", "#",
    ];
    matrix(&lab, &client, "amq.topic", &names, &keys).await;
}

fn pattern_queue(pattern: &str) -> String {
    format!("<{pattern}>")
}

async fn fanout_exchanges_ignore_the_key(lab: Lab) {
    let client = lab.client().await;
    queues(&client, &["a", "b"]).await;
    bind(&client, "a", "amq.fanout", "x").await;
    bind(&client, "a", "amq.fanout", "y").await;
    bind(&client, "b", "amq.fanout", "").await;
    matrix(&lab, &client, "amq.fanout", &["a", "b"], &["x", "z", ""]).await;
}

async fn a_queue_gets_a_message_once(lab: Lab) {
    let client = lab.client().await;
    queues(&client, &["q"]).await;
    for pattern in ["a.*", "a.#", "#"] {
        bind(&client, "q", "amq.topic", pattern).await;
    }
    matrix(&lab, &client, "amq.topic", &["q"], &["a.b", "b"]).await;
}

async fn unbinding_ends_it(lab: Lab) {
    let client = lab.client().await;
    queues(&client, &["q"]).await;
    bind(&client, "q", "amq.topic", "a.*").await;
    bind(&client, "q", "amq.topic", "*.b").await;
    matrix(&lab, &client, "amq.topic", &["q"], &["a.b", "a.a"]).await;
    let unbind = client.channel().queue_unbind(
        "q".into(),
        "amq.topic".into(),
        "a.*".into(),
        Default::default(),
    );
    unbind.await.expect("what the case sets up");
    matrix(&lab, &client, "amq.topic", &["q"], &["a.b", "a.a"]).await;
}

async fn bindings_with_other_arguments_are_others(lab: Lab) {
    let client = lab.client().await;
    queues(&client, &["q"]).await;
    for value in [1, 2] {
        bind_with(&client, "q", "amq.direct", "k", &[("n", int(value))]).await;
    }
    matrix(&lab, &client, "amq.direct", &["q"], &["k"]).await;
    let unbind = |value: i32| {
        let arguments = crate::conformance::tools::table(&[("n", int(value))]);
        client
            .channel()
            .queue_unbind("q".into(), "amq.direct".into(), "k".into(), arguments)
    };
    unbind(1).await.expect("what the case sets up");
    matrix(&lab, &client, "amq.direct", &["q"], &["k"]).await;
    unbind(2).await.expect("what the case sets up");
    matrix(&lab, &client, "amq.direct", &["q"], &["k"]).await;
}

async fn bind_exchange(client: &Client, destination: &str, source: &str, key: &str) {
    let bind = client.channel().exchange_bind(
        destination.into(),
        source.into(),
        key.into(),
        Default::default(),
        Default::default(),
    );
    bind.await.expect("what the case sets up");
}

async fn exchanges_route_into_exchanges(lab: Lab) {
    let client = lab.client().await;
    queues(&client, &["direct", "through", "both"]).await;
    exchange(&client, "outer", ExchangeKind::Topic).await;
    exchange(&client, "inner", ExchangeKind::Direct).await;
    bind_exchange(&client, "inner", "outer", "a.#").await;
    bind(&client, "direct", "outer", "a.*").await;
    bind(&client, "through", "inner", "a.b").await;
    bind(&client, "both", "outer", "#").await;
    bind(&client, "both", "inner", "a.b").await;
    let names = ["direct", "through", "both"];
    matrix(
        &lab,
        &client,
        "outer",
        &names,
        &["a.b", "a.c", "b", "a.b.c"],
    )
    .await;
    publish(client.channel(), "outer", "a.b", b"m", plain())
        .await
        .expect("what the case sets up");
    lab.note("as seen", show::delivery(&take(&client, "through").await));
    let unbind = client.channel().exchange_unbind(
        "inner".into(),
        "outer".into(),
        "a.#".into(),
        Default::default(),
        Default::default(),
    );
    unbind.await.expect("what the case sets up");
    who_got_it(&client, &names).await;
    matrix(&lab, &client, "outer", &names, &["a.b"]).await;
}

async fn exchanges_in_a_circle_route_once(lab: Lab) {
    let client = lab.client().await;
    queues(&client, &["q"]).await;
    for name in ["a", "b"] {
        exchange(&client, name, ExchangeKind::Fanout).await;
        bind(&client, "q", name, "").await;
    }
    bind_exchange(&client, "a", "b", "").await;
    bind_exchange(&client, "b", "a", "").await;
    bind_exchange(&client, "a", "a", "").await;
    matrix(&lab, &client, "a", &["q"], &["k"]).await;
}

fn keys(keys: &[&str]) -> AMQPValue {
    AMQPValue::FieldArray(keys.iter().map(|key| text(key)).collect::<Vec<_>>().into())
}

async fn carbon_copies_go_to_more_keys(lab: Lab) {
    let client = lab.client().await;
    queues(&client, &["a", "b", "c"]).await;
    let copies = headers(&[("CC", keys(&["b", "a", "missing"]))]);
    publish(client.channel(), "", "a", b"m", copies)
        .await
        .expect("what the case sets up");
    for queue in ["a", "b"] {
        lab.note(queue, show::delivery(&take(&client, queue).await));
    }
    lab.note("once", who_got_it(&client, &["a", "b", "c"]).await);
    bind(&client, "c", "amq.topic", "x.#").await;
    let copies = headers(&[("CC", keys(&["x.y"]))]);
    publish(client.channel(), "amq.topic", "nobody", b"m", copies)
        .await
        .expect("what the case sets up");
    lab.note("by topic", show::delivery(&take(&client, "c").await));
}

async fn blind_copies_are_not_seen(lab: Lab) {
    let client = lab.client().await;
    queues(&client, &["a", "b", "c"]).await;
    let copies = headers(&[
        ("BCC", keys(&["b"])),
        ("CC", keys(&["c"])),
        ("other", int(1)),
    ]);
    publish(client.channel(), "", "a", b"m", copies)
        .await
        .expect("what the case sets up");
    for queue in ["a", "b", "c"] {
        lab.note(queue, show::delivery(&take(&client, queue).await));
    }
    let only = headers(&[("BCC", keys(&["b"]))]);
    publish(client.channel(), "", "nobody", b"m", only)
        .await
        .expect("what the case sets up");
    lab.note("only blind", show::delivery(&take(&client, "b").await));
}

async fn a_message_keeps_the_key_it_was_sent_with(lab: Lab) {
    let client = lab.client().await;
    queues(&client, &["q"]).await;
    bind(&client, "q", "amq.topic", "a.#").await;
    publish(client.channel(), "amq.topic", "a.b.c", b"m", plain())
        .await
        .expect("what the case sets up");
    lab.note("topic", show::delivery(&take(&client, "q").await));
    send(&client, "q", &["m"]).await;
    lab.note("default", show::delivery(&take(&client, "q").await));
}

async fn keys_may_be_long_or_empty(lab: Lab) {
    let client = lab.client().await;
    queues(&client, &["q"]).await;
    let long = "k".repeat(255);
    for key in ["", &long, "with space", "ünï", "a/b?c=d"] {
        bind(&client, "q", "amq.direct", key).await;
        publish(client.channel(), "amq.direct", key, b"m", plain())
            .await
            .expect("what the case sets up");
        lab.note(
            &key.chars().take(20).collect::<String>(),
            who_got_it(&client, &["q"]).await,
        );
    }
}
