//! The ways that messages with unreadable properties go, and what is written into them there.

use amq_protocol::protocol::{AMQPClass, basic};
use amq_protocol::types::AMQPValue;
use garenne_testing::{FieldBytes, PropertyBytes, RawClient, Verdict};

use super::dead_letter::dead_letters_to;
use super::unreadable::{TYPES, compared, said};
use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::tools::{bind, bind_with, int, text};
use crate::conformance::{raw, say, show};

cases![
    a_consumer_gets_every_byte,
    an_unroutable_message_comes_back_with_every_byte,
    what_dies_keeps_every_byte,
    what_dies_keeps_values_of_every_type,
    what_dies_keeps_one_of_several_headers_of_a_name,
    what_dies_in_a_quorum_queue_keeps_every_byte,
    what_a_quorum_queue_counts_rides_along,
    routing_looks_at_readable_headers_only,
    of_several_headers_of_a_name_the_last_routes,
    carbon_copies_that_are_no_text_are_ignored,
    blind_copies_are_taken_out_of_what_is_unreadable,
    a_reply_address_is_written_into_what_is_unreadable,
];

/// Whatever is unreadable at once, and something that is not.
fn everything() -> PropertyBytes {
    PropertyBytes::new()
        .short("content_type", b"caf\xe9")
        .short("app_id", b"\xff")
        .short("message_id", b"readable")
        .octet("delivery_mode", 2)
        .header("a", FieldBytes::text("first"))
        .header(b"b\xe9", FieldBytes::text(b"\xe9"))
        .header("deep", FieldBytes::void().in_arrays(2_000))
        .header("deeper", FieldBytes::void().in_tables(2_000))
        .header("z", FieldBytes::table([(b"\xff", FieldBytes::bool(true))]))
}

async fn client(lab: &Lab) -> RawClient {
    let mut client = RawClient::connect(&lab.url()).await;
    client.declare("q").await;
    client
}

/// `q`, whose messages die into `dead` at once.
async fn with_dead_letters(lab: &Lab, quorum: bool) -> RawClient {
    let mut client = RawClient::connect(&lab.url()).await;
    client.declare("dead").await;
    let mut arguments = vec![
        ("x-dead-letter-exchange", FieldBytes::text("")),
        ("x-dead-letter-routing-key", FieldBytes::text("dead")),
        ("x-message-ttl", FieldBytes::long(10)),
    ];
    if quorum {
        arguments.push(("x-queue-type", FieldBytes::text("quorum")));
    }
    client.declare_with("q", arguments).await;
    client
}

/// Publishes a message to `q`, and shows it as it comes out of `dead`.
async fn note_dead(lab: &Lab, client: &mut RawClient, what: &str, sent: &PropertyBytes) {
    let verdict = client.publish("", "q", &sent.to_bytes(), b"m").await;
    assert_eq!(verdict, Verdict::Confirmed);
    lab.ready("dead", 1).await;
    let dead = client.get("dead").await.expect("it is ready");
    lab.note(what, raw::properties(&dead.properties));
}

async fn a_consumer_gets_every_byte(lab: Lab) {
    let mut client = client(&lab).await;
    let mut wire = lab.wire().await;
    wire.call(1, say::consume("q", "c")).await;
    let sent = everything().to_bytes();
    client.publish("", "q", &sent, b"body").await;
    let (method, properties, body) = wire.hear_content().await;
    lab.note("method", show::method(&method));
    lab.note("properties", compared(&sent, &properties));
    lab.note("body", show::body(&body));
    wire.send(1, say::nack(1, false, true)).await;
    let (method, properties, _) = wire.hear_content().await;
    lab.note("again", show::method(&method));
    lab.note("properties again", compared(&sent, &properties));
}

async fn an_unroutable_message_comes_back_with_every_byte(lab: Lab) {
    let mut client = client(&lab).await;
    let sent = everything().to_bytes();
    let verdict = client
        .publish_mandatory("", "nowhere", &sent, b"body")
        .await;
    lab.note("verdict", said(&verdict));
    if let Verdict::Returned { message, .. } = verdict {
        lab.note("properties", compared(&sent, &message.properties));
        lab.note("body", show::body(&message.body));
    }
}

async fn what_dies_keeps_every_byte(lab: Lab) {
    let mut client = with_dead_letters(&lab, false).await;
    note_dead(&lab, &mut client, "everything", &everything()).await;
    let none = PropertyBytes::new().short("type", b"\xe9");
    note_dead(&lab, &mut client, "no headers", &none).await;
    let empty = PropertyBytes::new().header_bytes([]);
    note_dead(&lab, &mut client, "empty headers", &empty).await;
    let own = PropertyBytes::new().header("x-death", FieldBytes::void().in_tables(100));
    note_dead(&lab, &mut client, "a death of its own", &own).await;
    let lasting = everything().short("expiration", "5");
    note_dead(&lab, &mut client, "an expiration", &lasting).await;
}

async fn what_dies_keeps_values_of_every_type(lab: Lab) {
    let mut client = with_dead_letters(&lab, false).await;
    for (kind, bytes) in TYPES {
        let value = FieldBytes::of(kind, bytes);
        let nested = FieldBytes::table([("t", FieldBytes::array([value.clone()]))]);
        let both = PropertyBytes::new().header("a", value).header("b", nested);
        note_dead(&lab, &mut client, &char::from(kind).to_string(), &both).await;
    }
}

async fn what_dies_keeps_one_of_several_headers_of_a_name(lab: Lab) {
    let mut client = with_dead_letters(&lab, false).await;
    let thrice = (1..=3).fold(PropertyBytes::new(), |all, number| {
        all.header("k", FieldBytes::long(number))
    });
    let thrice = thrice.header("a", FieldBytes::void());
    note_dead(&lab, &mut client, "at the top", &thrice).await;
    let table = FieldBytes::table([("k", FieldBytes::long(1)), ("k", FieldBytes::long(2))]);
    let nested = PropertyBytes::new().header("t", table);
    note_dead(&lab, &mut client, "in a table", &nested).await;
}

async fn what_dies_in_a_quorum_queue_keeps_every_byte(lab: Lab) {
    let mut client = with_dead_letters(&lab, true).await;
    note_dead(&lab, &mut client, "everything", &everything()).await;
}

async fn what_a_quorum_queue_counts_rides_along(lab: Lab) {
    let mut client = RawClient::connect(&lab.url()).await;
    let kind = [("x-queue-type", FieldBytes::text("quorum"))];
    client.declare_with("q", kind).await;
    client
        .publish("", "q", &everything().to_bytes(), b"m")
        .await;
    let mut wire = lab.wire().await;
    wire.call(1, say::consume("q", "c")).await;
    wire.hear_content().await;
    wire.send(1, say::nack(1, false, true)).await;
    let (method, properties, _) = wire.hear_content().await;
    lab.note("again", show::method(&method));
    lab.note("properties", raw::properties(&properties));
}

/// Publishes to `amq.headers`; which of the queues get it.
async fn note_route(
    lab: &Lab,
    client: &mut RawClient,
    queues: &[&str],
    what: &str,
    sent: &PropertyBytes,
) {
    let verdict = client
        .publish("amq.headers", "", &sent.to_bytes(), b"m")
        .await;
    if verdict != Verdict::Confirmed {
        return lab.note(what, said(&verdict));
    }
    let mut got = Vec::new();
    for queue in queues {
        if client.get(queue).await.is_some() {
            got.push(*queue);
        }
    }
    lab.note(what, got.join(", "));
}

async fn routing_looks_at_readable_headers_only(lab: Lab) {
    let lapin = lab.client().await;
    let array = AMQPValue::FieldArray(vec![int(1)].into());
    for (queue, arguments) in [
        ("one", vec![("a", int(1))]),
        ("there", vec![("deep", AMQPValue::Void)]),
        ("array", vec![("deep", array)]),
        ("text", vec![("deep", text("x"))]),
        (
            "any",
            vec![("x-match", text("any")), ("a", int(1)), ("b", int(2))],
        ),
        ("all", vec![]),
    ] {
        lapin.declare(queue, &[]).await;
        bind_with(&lapin, queue, "amq.headers", "", &arguments).await;
    }
    let queues = ["one", "there", "array", "text", "any", "all"];
    let mut client = client(&lab).await;
    let a = || PropertyBytes::new().header("a", FieldBytes::long(1));
    for (what, sent) in [
        ("no headers", PropertyBytes::new().short("app_id", b"\xff")),
        ("empty headers", PropertyBytes::new().header_bytes([])),
        ("an unreadable app id", a().short("app_id", b"\xff")),
        (
            "an unreadable name",
            a().header(b"\xff", FieldBytes::long(1)),
        ),
        (
            "deep arrays",
            a().header("deep", FieldBytes::void().in_arrays(2_000)),
        ),
        (
            "deep tables",
            a().header("deep", FieldBytes::void().in_tables(2_000)),
        ),
        (
            "one array",
            a().header("deep", FieldBytes::of(b'I', [0, 0, 0, 1]).in_arrays(1)),
        ),
        ("no text", a().header("deep", FieldBytes::text(b"\xff"))),
    ] {
        note_route(&lab, &mut client, &queues, what, &sent).await;
    }
}

async fn of_several_headers_of_a_name_the_last_routes(lab: Lab) {
    let lapin = lab.client().await;
    for (queue, number) in [("one", 1), ("two", 2)] {
        lapin.declare(queue, &[]).await;
        bind_with(&lapin, queue, "amq.headers", "", &[("k", int(number))]).await;
    }
    let mut client = client(&lab).await;
    let number = FieldBytes::long;
    let twice = PropertyBytes::new()
        .header("k", number(1))
        .header("k", number(2));
    note_route(&lab, &mut client, &["one", "two"], "one, two", &twice).await;
    let twice = PropertyBytes::new()
        .header("k", number(2))
        .header("k", number(1));
    note_route(&lab, &mut client, &["one", "two"], "two, one", &twice).await;
}

async fn carbon_copies_that_are_no_text_are_ignored(lab: Lab) {
    let mut client = client(&lab).await;
    for queue in ["cc", "bcc", "any"] {
        client.declare(queue).await;
    }
    bind(&lab.client().await, "any", "amq.topic", "#").await;
    let copies = |name: &str| {
        FieldBytes::array([
            FieldBytes::long(1),
            FieldBytes::text(b"\xff"),
            FieldBytes::void().in_arrays(2_000),
            FieldBytes::text(name),
            FieldBytes::bytes(name),
        ])
    };
    let sent = everything().header("CC", copies("cc"));
    let verdict = client.publish("", "nowhere", &sent.to_bytes(), b"m").await;
    lab.note("verdict", said(&verdict));
    let got = client.get("cc").await;
    lab.note("it is there", got.is_some());
    let only = PropertyBytes::new().header("CC", copies("cc"));
    let verdict = client
        .publish("amq.topic", "a", &only.to_bytes(), b"m")
        .await;
    lab.note("verdict by topic", said(&verdict));
    lab.note("once", client.get("any").await.is_some());
    lab.note("twice", client.get("any").await.is_some());
    for (what, value) in [
        ("deep tables", FieldBytes::void().in_tables(2_000)),
        ("a text that is none", FieldBytes::text(b"\xff")),
        ("bytes", FieldBytes::bytes(b"cc")),
    ] {
        for name in ["CC", "BCC"] {
            let sent = PropertyBytes::new().header(name, value.clone());
            let verdict = client.publish("", "q", &sent.to_bytes(), b"m").await;
            lab.note(&format!("{what} in {name}"), said(&verdict));
        }
    }
    let first = PropertyBytes::new()
        .header("CC", FieldBytes::array([FieldBytes::text("cc")]))
        .header("CC", FieldBytes::array([FieldBytes::text("bcc")]));
    client.publish("", "nowhere", &first.to_bytes(), b"m").await;
    lab.note("the first of two", client.get("cc").await.is_some());
    lab.note("the second of two", client.get("bcc").await.is_some());
    died_with_copies(&lab, &mut client).await;
}

/// The keys in `x-death` are those that the message was sent with, whatever they are.
async fn died_with_copies(lab: &Lab, client: &mut RawClient) {
    let lapin = lab.client().await;
    let mut arguments = dead_letters_to("any").to_vec();
    arguments.push(("x-message-ttl", int(10)));
    lapin.declare("mortal", &arguments).await;
    let copies = [FieldBytes::text(b"\xff"), FieldBytes::text("other")];
    let sent = PropertyBytes::new().header("CC", FieldBytes::array(copies));
    client.publish("", "mortal", &sent.to_bytes(), b"m").await;
    lab.ready("any", 1).await;
    let dead = client.get("any").await.expect("it is ready");
    lab.note("dead", raw::properties(&dead.properties));
}

async fn blind_copies_are_taken_out_of_what_is_unreadable(lab: Lab) {
    let mut client = client(&lab).await;
    client.declare("bcc").await;
    let copies = || FieldBytes::array([FieldBytes::text(b"\xff"), FieldBytes::text("bcc")]);
    for (what, sent) in [
        ("everything", everything().header("BCC", copies())),
        ("alone", PropertyBytes::new().header("BCC", copies())),
        (
            "twice",
            PropertyBytes::new()
                .header("BCC", copies())
                .header("a", FieldBytes::long(1))
                .header("BCC", FieldBytes::array([FieldBytes::text("q")])),
        ),
    ] {
        let verdict = client.publish("", "nowhere", &sent.to_bytes(), b"m").await;
        assert_eq!(verdict, Verdict::Confirmed);
        for queue in ["bcc", "q"] {
            let got = client.get(queue).await;
            let got = got.map(|message| raw::properties(&message.properties));
            lab.note(
                &format!("{what} in {queue}"),
                got.unwrap_or("nothing".into()),
            );
        }
    }
}

async fn a_reply_address_is_written_into_what_is_unreadable(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    let replies = basic::Consume {
        queue: "amq.rabbitmq.reply-to".into(),
        consumer_tag: "replies".into(),
        no_ack: true,
        ..Default::default()
    };
    wire.call(1, say::consume_as(replies)).await;
    wire.call(1, say::confirm()).await;
    let asks = everything().short("reply_to", "amq.rabbitmq.reply-to");
    wire.publish_encoded(1, say::to("", "q"), &asks.to_bytes(), b"question")
        .await;
    wire.hear().await;
    wire.send(1, say::get("q")).await;
    let (_, properties, _) = wire.hear_content().await;
    lab.note("asked", raw::properties(&properties));
    let at = properties
        .windows(22)
        .position(|part| part == b"amq.rabbitmq.reply-to.");
    let at = at.expect("the address is there");
    let size = usize::from(properties[at - 1]);
    let address = String::from_utf8_lossy(&properties[at..at + size]).into_owned();
    let mut answers = client(&lab).await;
    let sent = everything().to_bytes();
    let verdict = answers.publish("", &address, &sent, b"answer").await;
    lab.note("verdict", said(&verdict));
    let (method, properties, body) = wire.hear_content().await;
    let deliver = matches!(method, AMQPClass::Basic(basic::AMQPMethod::Deliver(_)));
    lab.note("delivered", deliver);
    lab.note("properties", compared(&sent, &properties));
    lab.note("body", show::body(&body));
}
