//! The client made of bytes, on the embedded broker; and what it writes, read by lapin.

use futures_util::StreamExt;
use garenne_testing::broker::Broker;
use garenne_testing::{FieldBytes, PropertyBytes, RawClient, Verdict};
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties};

async fn broker() -> (Broker, RawClient) {
    let broker = Broker::start().await.expect("loopback has a free port");
    let mut client = RawClient::connect(&broker.url()).await;
    client.declare("q").await;
    (broker, client)
}

/// All properties, and what lapin calls them.
fn all() -> (PropertyBytes, BasicProperties) {
    let mut inner = FieldTable::default();
    inner.insert("t".into(), AMQPValue::Boolean(true));
    let mut headers = FieldTable::default();
    headers.insert("a".into(), AMQPValue::LongString("text".into()));
    headers.insert(
        "b".into(),
        AMQPValue::FieldArray(vec![AMQPValue::LongLongInt(-5), AMQPValue::Void].into()),
    );
    headers.insert("c".into(), AMQPValue::FieldTable(inner));
    headers.insert("d".into(), AMQPValue::ByteArray(vec![1, 2].into()));
    let mut bytes = PropertyBytes::new();
    // The opposite order: the builder puts them right.
    for name in ["cluster_id", "app_id", "type", "message_id", "reply_to"] {
        bytes = bytes.short(name, name);
    }
    let bytes = bytes
        .short("user_id", "guest")
        .timestamp(1_234_567_890)
        .short("expiration", "100000")
        .short("correlation_id", "correlation_id")
        .octet("priority", 7)
        .octet("delivery_mode", 2)
        .header("a", FieldBytes::text("text"))
        .header(
            "b",
            FieldBytes::array([FieldBytes::long(-5), FieldBytes::void()]),
        )
        .header("c", FieldBytes::table([("t", FieldBytes::bool(true))]))
        .header("d", FieldBytes::bytes([1, 2]))
        .short("content_encoding", "gzip")
        .short("content_type", "text/plain");
    let lapin = BasicProperties::default()
        .with_content_type("text/plain".into())
        .with_content_encoding("gzip".into())
        .with_headers(headers)
        .with_delivery_mode(2)
        .with_priority(7)
        .with_correlation_id("correlation_id".into())
        .with_reply_to("reply_to".into())
        .with_expiration("100000".into())
        .with_message_id("message_id".into())
        .with_timestamp(1_234_567_890)
        .with_type("type".into())
        .with_user_id("guest".into())
        .with_app_id("app_id".into())
        .with_cluster_id("cluster_id".into());
    (bytes, lapin)
}

#[tokio::test]
async fn every_property_that_is_written_is_what_lapin_reads_and_writes() {
    let (broker, mut client) = broker().await;
    let (bytes, properties) = all();
    let (bytes, body) = (bytes.to_bytes(), vec![b'x'; 300_000]);
    let verdict = client.publish("", "q", &bytes, &body).await;
    assert_eq!(verdict, Verdict::Confirmed);

    #[expect(clippy::disallowed_methods, reason = "the broker of a test is there")]
    let connection = Connection::connect(&broker.url(), ConnectionProperties::default()).await;
    let connection = connection.expect("the broker is there");
    let channel = connection.create_channel().await;
    let channel = channel.expect("it takes channels");
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume("q".into(), "c".into(), options, FieldTable::default());
    let mut consumer = consumer.await.expect("it takes consumers");
    let delivery = consumer.next().await.expect("it delivers");
    let delivery = delivery.expect("it delivers");
    assert_eq!(delivery.properties, properties);
    assert_eq!(delivery.data, body);

    client.declare("back").await;
    let options = BasicPublishOptions::default();
    let published = channel.basic_publish("".into(), "back".into(), options, &body, properties);
    published.await.expect("it takes messages");
    broker
        .wait_until(|view| view.ready("back") == 1)
        .await
        .expect("the message arrives");
    let message = client.get("back").await.expect("the message is there");
    assert_eq!(message.properties, bytes);
    assert_eq!(message.body, body);
    assert_eq!(message.header_frame, 8 + 12 + bytes.len());
    assert_eq!((&*message.exchange, &*message.routing_key), ("", "back"));
    assert_eq!(client.get("back").await, None);
}

#[tokio::test]
async fn every_word_of_the_broker_is_told_and_the_client_goes_on() {
    let (broker, mut client) = broker().await;
    let none = PropertyBytes::new().to_bytes();
    assert_eq!(none, [0, 0]);
    let closed = client.publish("nowhere", "q", &none, b"m").await;
    assert!(
        matches!(&closed, Verdict::ChannelClosed { code: 404, text } if text.contains("nowhere")),
        "{closed:?}"
    );
    let app = PropertyBytes::new().short("app_id", "a").to_bytes();
    let returned = client.publish_mandatory("", "nowhere", &app, b"body").await;
    let Verdict::Returned {
        code: 312, message, ..
    } = returned
    else {
        panic!("{returned:?}")
    };
    assert_eq!((message.properties, &*message.body), (app, &b"body"[..]));
    let unrouted = client.publish("", "nowhere", &none, b"m").await;
    assert_eq!(unrouted, Verdict::Confirmed);

    let arguments = [
        ("x-max-length", FieldBytes::long(0)),
        ("x-overflow", FieldBytes::text("reject-publish")),
    ];
    client.declare_with("full", arguments).await;
    let nacked = client.publish("", "full", &none, b"m").await;
    assert_eq!(nacked, Verdict::Nacked);

    // Flags that announce what is not there.
    let cut = PropertyBytes::new().flags(0x8000).to_bytes();
    let closed = client.publish("", "q", &cut, b"m").await;
    assert!(
        matches!(closed, Verdict::ConnectionClosed { .. }),
        "{closed:?}"
    );
    broker
        .faults()
        .cut_at_method(garenne_testing::broker::MethodKind::ACK, 1)
        .await
        .expect("the broker is there");
    let cut = client.publish("", "q", &none, b"m").await;
    assert_eq!(cut, Verdict::Cut);
    let confirmed = client.publish("", "q", &none, b"m").await;
    assert_eq!(confirmed, Verdict::Confirmed);
}

#[test]
fn nested_values_are_what_they_would_be_written_by_hand() {
    let two = FieldBytes::void().in_arrays(2);
    let by_hand = FieldBytes::array([FieldBytes::array([FieldBytes::void()])]);
    assert_eq!(two, by_hand);
    let two = FieldBytes::bool(true).in_tables(2);
    let inner = FieldBytes::table([("k", FieldBytes::bool(true))]);
    assert_eq!(two, FieldBytes::table([("k", inner)]));
    assert_eq!(FieldBytes::void().in_tables(0), FieldBytes::void());
}

#[test]
fn properties_can_promise_more_than_there_is_and_end_early() {
    let full = PropertyBytes::new().short("app_id", "abc").extra([9, 9]);
    assert_eq!(full.to_bytes(), b"\0\x08\x03abc\x09\x09");
    assert_eq!(full.clone().cut_to(4).to_bytes(), b"\0\x08\x03a");
    assert_eq!(full.flags(0xFFFF).to_bytes(), b"\xff\xff\x03abc\x09\x09");
    let table = PropertyBytes::new().header_bytes([1, 2]);
    assert_eq!(table.to_bytes(), b"\x20\0\0\0\0\x02\x01\x02");
    assert_eq!(PropertyBytes::short_names().count(), 10);
}

#[tokio::test]
async fn what_no_library_reads_goes_through_the_broker_as_it_is() {
    let (broker, mut client) = broker().await;
    for properties in [
        PropertyBytes::new().short("app_id", b"caf\xe9"),
        PropertyBytes::new().header(b"\xff", FieldBytes::text(b"\xff")),
        PropertyBytes::new().header("deep", FieldBytes::void().in_arrays(20_000)),
        PropertyBytes::new().header("deep", FieldBytes::void().in_tables(15_000)),
    ] {
        let sent = properties.to_bytes();
        let verdict = client.publish("", "q", &sent, b"m").await;
        assert_eq!(verdict, Verdict::Confirmed);
        let seen = broker.messages("q").await.expect("the queue is there");
        assert_eq!(seen[0].raw_properties, sent);
        let got = client.get("q").await.expect("the message is there");
        assert_eq!(got.properties, sent);
    }
    broker.messages("q").await.expect("the broker lives");
}
