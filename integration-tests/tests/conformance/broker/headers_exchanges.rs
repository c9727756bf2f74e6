//! Exchanges that look at headers.

use amq_protocol::types::AMQPValue;

use super::routing::who_got_it;
use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::show;
use crate::conformance::tools::{bind_with, headers, int, long, plain, publish, text, yes};

cases![
    headers_exchanges_match_all_or_any,
    headers_exchanges_look_at_headers_with_x_only_when_told,
    headers_exchanges_compare_values_and_types,
];

type Fields = &'static [(&'static str, i32)];

fn fields(fields: Fields) -> Vec<(&'static str, AMQPValue)> {
    fields
        .iter()
        .map(|(name, value)| (*name, int(*value)))
        .collect()
}

async fn headers_exchanges_match_all_or_any(lab: Lab) {
    let client = lab.client().await;
    let bindings: [(&str, Option<&str>, Fields); 6] = [
        ("default", None, &[("a", 1), ("b", 2)]),
        ("all", Some("all"), &[("a", 1), ("b", 2)]),
        ("any", Some("any"), &[("a", 1), ("b", 2)]),
        ("all of nothing", Some("all"), &[]),
        ("any of nothing", Some("any"), &[]),
        ("bare", None, &[]),
    ];
    for (queue, how, wanted) in &bindings {
        client.declare(queue, &[]).await;
        let mut arguments = fields(wanted);
        arguments.extend(how.map(|how| ("x-match", text(how))));
        bind_with(&client, queue, "amq.headers", "", &arguments).await;
    }
    let names: Vec<&str> = bindings.iter().map(|(name, ..)| *name).collect();
    let messages: [Fields; 6] = [
        &[],
        &[("a", 1)],
        &[("a", 1), ("b", 2)],
        &[("a", 1), ("b", 3)],
        &[("a", 2), ("b", 3)],
        &[("a", 1), ("b", 2), ("c", 3)],
    ];
    for message in messages {
        let properties = headers(&fields(message));
        publish(client.channel(), "amq.headers", "", b"m", properties)
            .await
            .expect("what the case sets up");
        lab.note(&format!("{message:?}"), who_got_it(&client, &names).await);
    }
    publish(client.channel(), "amq.headers", "", b"m", plain())
        .await
        .expect("what the case sets up");
    lab.note("no headers", who_got_it(&client, &names).await);
}

async fn headers_exchanges_look_at_headers_with_x_only_when_told(lab: Lab) {
    let client = lab.client().await;
    for how in ["all", "any", "all-with-x", "any-with-x"] {
        client.declare(how, &[]).await;
        let arguments = [("x-match", text(how)), ("x-own", int(1)), ("a", int(1))];
        bind_with(&client, how, "amq.headers", "", &arguments).await;
    }
    let names = ["all", "any", "all-with-x", "any-with-x"];
    for message in [
        &[("a", 1)][..],
        &[("x-own", 1)],
        &[("a", 1), ("x-own", 1)],
        &[("x-own", 2)],
    ] {
        let fields: Vec<_> = message
            .iter()
            .map(|(name, value)| (*name, int(*value)))
            .collect();
        publish(client.channel(), "amq.headers", "", b"m", headers(&fields))
            .await
            .expect("what the case sets up");
        lab.note(&format!("{message:?}"), who_got_it(&client, &names).await);
    }
}

async fn headers_exchanges_compare_values_and_types(lab: Lab) {
    let client = lab.client().await;
    let wanted = [
        ("i32", int(1)),
        ("text", text("1")),
        ("bool", yes()),
        ("void", AMQPValue::Void),
        ("double", AMQPValue::Double(1.0)),
    ];
    for (queue, value) in &wanted {
        client.declare(queue, &[]).await;
        bind_with(&client, queue, "amq.headers", "", &[("h", value.clone())]).await;
    }
    let names: Vec<&str> = wanted.iter().map(|(name, _)| *name).collect();
    let values = [
        int(1),
        long(1),
        AMQPValue::ShortShortUInt(1),
        text("1"),
        text("true"),
        yes(),
        AMQPValue::Boolean(false),
        AMQPValue::Void,
        AMQPValue::Double(1.0),
        AMQPValue::Float(1.0),
        AMQPValue::Timestamp(1),
        AMQPValue::ByteArray(b"1".to_vec().into()),
    ];
    for value in values {
        let properties = headers(&[("h", value.clone())]);
        publish(client.channel(), "amq.headers", "", b"m", properties)
            .await
            .expect("what the case sets up");
        lab.note(&show::value(&value), who_got_it(&client, &names).await);
    }
}
