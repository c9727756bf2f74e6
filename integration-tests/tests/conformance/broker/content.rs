//! What arrives is what was sent, byte for byte.

use amq_protocol::types::AMQPValue;

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::tools::{
    headers, int, plain, publish, quorum, send, table, take, text, yes,
};
use crate::conformance::wire::{Heard, Wire};
use crate::conformance::{say, show};

cases![
    every_property_arrives,
    no_property_is_added,
    every_type_of_header_arrives,
    headers_arrive_byte_for_byte,
    odd_properties_arrive_byte_for_byte,
    texts_may_be_any_bytes,
    headers_are_sorted,
    an_empty_body_arrives,
    a_body_of_many_frames_arrives,
    bodies_come_in_frames_as_agreed,
    a_body_in_odd_parts_arrives_whole,
    bytes_of_all_values_arrive,
    large_headers_arrive,
    messages_through_a_quorum_queue_are_the_same,
    frames_of_two_channels_may_be_mixed,
];

async fn every_property_arrives(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    let all = headers(&[("a", text("b"))])
        .with_content_type("application/json".into())
        .with_content_encoding("gzip".into())
        .with_delivery_mode(2)
        .with_priority(7)
        .with_correlation_id("correlation".into())
        .with_reply_to("reply".into())
        .with_expiration("100000".into())
        .with_message_id("message".into())
        .with_timestamp(1_234_567_890)
        .with_type("kind".into())
        .with_user_id("guest".into())
        .with_app_id("app".into())
        .with_cluster_id("cluster".into());
    publish(client.channel(), "", "q", b"{}", all)
        .await
        .expect("what the case sets up");
    lab.note("all", show::delivery(&take(&client, "q").await));
}

async fn no_property_is_added(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    for (what, properties) in [
        ("none", &[0, 0][..]),
        ("empty headers", &[0x20, 0, 0, 0, 0, 0]),
        ("empty texts", &[0x80, 0x80, 0, 0]),
    ] {
        lab.note(what, round_trip(&mut wire, properties).await);
    }
}

/// Publishes a message to `q` and gets it back; the bytes of its properties.
async fn round_trip(wire: &mut Wire, properties: &[u8]) -> String {
    wire.publish_encoded(1, say::to("", "q"), properties, b"m")
        .await;
    wire.send(1, say::get("q")).await;
    let method = wire.hear().await;
    match wire.hear().await {
        Heard::Header(_, _, _, bytes) => {
            wire.hear().await;
            if bytes == properties {
                format!("the same ({})", show::hex(&bytes))
            } else {
                format!("{} became {}", show::hex(properties), show::hex(&bytes))
            }
        }
        other => format!("{}, {}", show::heard(&method), show::heard(&other)),
    }
}

async fn every_type_of_header_arrives(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    let values = [
        yes(),
        AMQPValue::Boolean(false),
        AMQPValue::ShortShortInt(-128),
        AMQPValue::ShortShortUInt(255),
        AMQPValue::ShortInt(-32_768),
        AMQPValue::ShortUInt(65_535),
        int(i32::MIN),
        AMQPValue::LongUInt(u32::MAX),
        AMQPValue::LongLongInt(i64::MIN),
        AMQPValue::Float(1.5),
        AMQPValue::Double(-2.25e100),
        AMQPValue::DecimalValue(amq_protocol::types::DecimalValue {
            scale: 2,
            value: 12_345,
        }),
        text("text"),
        text(""),
        AMQPValue::LongString(vec![0, 159, 146, 150].into()),
        AMQPValue::FieldArray(vec![int(1), text("two"), AMQPValue::Void].into()),
        AMQPValue::Timestamp(1_000_000),
        AMQPValue::FieldTable(table(&[(
            "inner",
            AMQPValue::FieldTable(table(&[("n", int(1))])),
        )])),
        AMQPValue::ByteArray(vec![1, 2, 3].into()),
        AMQPValue::Void,
    ];
    for value in values {
        publish(
            client.channel(),
            "",
            "q",
            b"m",
            headers(&[("h", value.clone())]),
        )
        .await
        .expect("what the case sets up");
        let delivery = take(&client, "q").await;
        lab.note(&show::value(&value), show::properties(&delivery.properties));
    }
}

/// The bytes of properties that have only headers, from the bytes of the fields.
fn with_fields(fields: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x20, 0];
    bytes.extend_from_slice(
        &u32::try_from(fields.len())
            .expect("what the case sets up")
            .to_be_bytes(),
    );
    bytes.extend_from_slice(fields);
    bytes
}

async fn headers_arrive_byte_for_byte(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    for (what, fields) in [
        ("bool", &b"\x01kt\x01"[..]),
        ("i8", b"\x01kb\xff"),
        ("u8", b"\x01kB\xff"),
        ("i16", b"\x01ks\xff\xfe"),
        ("u16", b"\x01ku\xff\xfe"),
        ("i32", b"\x01kI\xff\xff\xff\xfe"),
        ("u32", b"\x01ki\xff\xff\xff\xfe"),
        ("i64", b"\x01kl\xff\xff\xff\xff\xff\xff\xff\xfe"),
        ("f32", b"\x01kf\x3f\xc0\0\0"),
        ("f64", b"\x01kd\x3f\xf8\0\0\0\0\0\0"),
        ("decimal", b"\x01kD\x02\0\0\x30\x39"),
        ("text", b"\x01kS\0\0\0\x02hi"),
        ("bytes that are no text", b"\x01kS\0\0\0\x02\xff\xfe"),
        ("byte array", b"\x01kx\0\0\0\x02hi"),
        ("array", b"\x01kA\0\0\0\x07b\x01S\0\0\0\0"),
        ("time", b"\x01kT\0\0\0\0\0\0\x03\xe8"),
        ("table", b"\x01kF\0\0\0\x04\x01kt\0"),
        ("void", b"\x01kV"),
        ("no name", b"\0V"),
    ] {
        lab.note(what, round_trip(&mut wire, &with_fields(fields)).await);
    }
}

async fn odd_properties_arrive_byte_for_byte(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    for (what, properties) in [
        ("priority 255", &[0x08, 0, 255][..]),
        (
            "timestamp at its end",
            &[0, 0x40, 255, 255, 255, 255, 255, 255, 255, 255],
        ),
        ("empty message id", &[0, 0x80, 0]),
    ] {
        lab.note(what, round_trip(&mut wire, properties).await);
    }
}

async fn texts_may_be_any_bytes(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    lab.note(
        "message id",
        round_trip(&mut wire, &[0, 0x80, 2, 0xff, 0xfe]).await,
    );
}

async fn headers_are_sorted(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    for (what, fields) in [
        ("not in order", &b"\x01zV\x01aV"[..]),
        ("twice", b"\x01kb\x01\x01kb\x02"),
    ] {
        lab.note(what, round_trip(&mut wire, &with_fields(fields)).await);
    }
}

async fn an_empty_body_arrives(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    wire.call(1, say::confirm()).await;
    wire.publish(1, say::to("", "q"), &plain(), b"").await;
    lab.note("confirm", show::heard(&wire.hear().await));
    wire.send(1, say::get("q")).await;
    lab.note("get", show::all(&wire.hear_all(2).await));
    lab.note("no body", show::all(&wire.settle(1).await));
}

async fn a_body_of_many_frames_arrives(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    client.declare("r", &[quorum()]).await;
    for size in [131_064, 131_065, 1_000_000, 5_000_000] {
        let body: Vec<u8> = (0..size)
            .map(|i: u32| i.to_be_bytes()[3] ^ i.to_be_bytes()[2])
            .collect();
        for queue in ["q", "r"] {
            client.publish("", queue, &body, plain()).await;
            let same = take(&client, queue).await.data == body;
            lab.note(
                &format!("{size} in {queue}"),
                if same { "the same" } else { "changed" },
            );
        }
    }
}

async fn bodies_come_in_frames_as_agreed(lab: Lab) {
    let mut small = Wire::connect_with(&lab, |tune| tune.frame_max = 8192).await;
    small.open(1).await;
    small.call(1, say::declare("q", &[])).await;
    let mut wire = lab.wire().await;
    wire.call(1, say::confirm()).await;
    for size in [8184, 8185, 20_000] {
        wire.publish(1, say::to("", "q"), &plain(), &vec![b'x'; size])
            .await;
        wire.hear().await;
        small.send(1, say::get("q")).await;
        small.hear_all(2).await;
        let mut parts = Vec::new();
        while parts.iter().sum::<usize>() < size {
            match small.hear().await {
                Heard::Body(_, part) => parts.push(part.len()),
                other => panic!("no body but {}", show::heard(&other)),
            }
        }
        lab.note(&size.to_string(), format!("{parts:?}"));
    }
}

async fn a_body_in_odd_parts_arrives_whole(lab: Lab) {
    use amq_protocol::protocol::{AMQPClass, basic};

    use crate::conformance::wire::BODY;
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    wire.send(
        1,
        AMQPClass::Basic(basic::AMQPMethod::Publish(say::to("", "q"))),
    )
    .await;
    wire.send_header(1, 10, &[0, 0]).await;
    for part in [&b"0"[..], b"123", b"", b"456789"] {
        wire.send_frame(BODY, 1, part).await;
    }
    wire.send(1, say::get("q")).await;
    let (_, _, body) = wire.hear_message().await;
    lab.note("body", show::body(&body));
}

async fn bytes_of_all_values_arrive(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    let body: Vec<u8> = (0..=255).collect();
    client.publish("", "q", &body, plain()).await;
    let same = take(&client, "q").await.data == body;
    lab.note("all bytes", if same { "the same" } else { "changed" });
}

async fn large_headers_arrive(lab: Lab) {
    let client = lab.client().await;
    client.declare("q", &[]).await;
    let many: Vec<(String, AMQPValue)> = (0..500)
        .map(|i| (format!("header-{i}"), text(&"v".repeat(100))))
        .collect();
    let many: Vec<(&str, AMQPValue)> = many
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    let sent = headers(&many);
    client.publish("", "q", b"m", sent.clone()).await;
    let same = take(&client, "q").await.properties == sent;
    lab.note("500 headers", if same { "the same" } else { "changed" });
    let sent = headers(&[("long", text(&"v".repeat(100_000)))]);
    client.publish("", "q", b"m", sent.clone()).await;
    let same = take(&client, "q").await.properties == sent;
    lab.note("a long header", if same { "the same" } else { "changed" });
}

async fn messages_through_a_quorum_queue_are_the_same(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[quorum()])).await;
    wire.call(1, say::confirm()).await;
    for properties in [
        vec![0, 0],
        vec![0x10, 0, 1],
        vec![0x18, 0, 2, 9],
        with_fields(b"\x01aV\x01zb\xff"),
        with_fields(b"\x01kB\xff"),
    ] {
        wire.publish_encoded(1, say::to("", "q"), &properties, b"m")
            .await;
        wire.hear().await;
        wire.send(1, say::get("q")).await;
        wire.hear().await;
        let Heard::Header(_, _, _, bytes) = wire.hear().await else {
            panic!("no header")
        };
        wire.hear().await;
        lab.note(&show::hex(&properties), show::hex(&bytes));
    }
}

async fn frames_of_two_channels_may_be_mixed(lab: Lab) {
    use amq_protocol::protocol::{AMQPClass, basic};

    use crate::conformance::wire::BODY;
    let client = lab.client().await;
    client.declare("q", &[]).await;
    send(&client, "q", &[]).await;
    let mut wire = lab.wire().await;
    wire.open(2).await;
    wire.call(1, say::confirm()).await;
    wire.call(2, say::confirm()).await;
    let publish = || AMQPClass::Basic(basic::AMQPMethod::Publish(say::to("", "q")));
    wire.send(1, publish()).await;
    wire.send(2, publish()).await;
    wire.send_header(1, 3, &[0, 0]).await;
    wire.send_header(2, 3, &[0, 0]).await;
    wire.send_frame(BODY, 2, b"two").await;
    lab.note("second", show::heard(&wire.hear().await));
    wire.send_frame(BODY, 1, b"one").await;
    lab.note("first", show::heard(&wire.hear().await));
    lab.note(
        "order",
        crate::conformance::tools::drain(&client, "q").await,
    );
}
