//! What was published is what is read.

use garenne::core::reader::Message;
use garenne::core::{Properties, PropertyList};
use garenne_broker::types::{AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable};
use garenne_broker::{BasicProperties, Broker};

use crate::client::{Client, Seen, encoded};

/// A value of every type that lapin has, and one in another.
fn headers() -> FieldTable {
    let mut inner = FieldTable::default();
    inner.insert("deep".into(), AMQPValue::Void);
    let mut array = FieldArray::default();
    array.push(AMQPValue::FieldTable(inner.clone()));
    array.push(AMQPValue::ShortShortInt(-1));
    let values = [
        AMQPValue::Boolean(true),
        AMQPValue::ShortShortInt(i8::MIN),
        AMQPValue::ShortShortUInt(u8::MAX),
        AMQPValue::ShortInt(i16::MIN),
        AMQPValue::ShortUInt(u16::MAX),
        AMQPValue::LongInt(i32::MIN),
        AMQPValue::LongUInt(u32::MAX),
        AMQPValue::LongLongInt(i64::MIN),
        AMQPValue::Float(1.5),
        AMQPValue::Double(-2.5),
        AMQPValue::DecimalValue(DecimalValue {
            scale: 2,
            value: 199,
        }),
        AMQPValue::LongString("Größe".into()),
        AMQPValue::LongString(b"caf\xe9"[..].into()),
        AMQPValue::FieldArray(array),
        AMQPValue::Timestamp(1_790_000_000),
        AMQPValue::FieldTable(inner),
        AMQPValue::ByteArray(ByteArray::from(&[0, 255][..])),
        AMQPValue::Void,
    ];
    let mut headers = FieldTable::default();
    for (number, value) in values.into_iter().enumerate() {
        headers.insert(format!("h{number:02}").into(), value);
    }
    headers
}

/// No properties, all properties, and some.
fn properties() -> Vec<Vec<u8>> {
    let none = BasicProperties::default();
    let all = none
        .clone()
        .with_content_type("application/json".into())
        .with_content_encoding("gzip".into())
        .with_headers(headers())
        .with_delivery_mode(2)
        .with_priority(7)
        .with_correlation_id("c-1".into())
        .with_reply_to("answers".into())
        .with_expiration("3600000".into())
        .with_message_id("m-1".into())
        .with_timestamp(1_790_000_000)
        .with_type("order".into())
        .with_user_id("guest".into())
        .with_app_id("till".into())
        .with_cluster_id("c".into());
    let headers = none.clone().with_headers(headers());
    let empty = none
        .clone()
        .with_headers(FieldTable::default())
        .with_type("".into());
    [none, all, headers, empty].iter().map(encoded).collect()
}

/// No body, the smallest, all that fits into a frame, one byte more, and bodies in many frames.
fn bodies(frame_max: usize) -> Vec<Vec<u8>> {
    let sizes = [
        0,
        1,
        frame_max - 8,
        frame_max - 7,
        2 * (frame_max - 8),
        11 * frame_max + 3,
    ];
    let bytes = |size| (0..=250).cycle().take(size).collect();
    sizes.into_iter().map(bytes).collect()
}

fn check(message: &Message, queue: &str, properties: &[u8], body: &[u8]) {
    assert_eq!(message.exchange(), b"");
    assert_eq!(message.routing_key(), queue.as_bytes());
    assert_eq!(message.properties(), properties);
    assert!(message.body == body, "{} bytes", body.len());
    let (read, lazy) = (
        Properties::decode(properties),
        PropertyList::new(properties),
    );
    assert_eq!(read.unread, []);
    assert_eq!(
        lazy.text(garenne::core::TextProperty::MessageId),
        read.message_id.as_deref().map(str::as_bytes)
    );
}

/// A broker with this largest frame, and a client with channel 1 and queue `q`.
async fn start(frame_max: u32) -> (Broker, Client) {
    let broker = Broker::builder()
        .frame_max(frame_max)
        .start()
        .await
        .unwrap();
    let mut client = Client::connect(&broker).await;
    client.open(1).await;
    client.declare(1, "q").await;
    (broker, client)
}

/// Publishes each kind of message, each with its confirm.
async fn publish_all(client: &mut Client, queue: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut published = Vec::new();
    for properties in properties() {
        for body in bodies(client.frame_max) {
            client.publish(1, queue, &properties, &body).await;
            published.push((properties.clone(), body));
        }
    }
    published
}

/// Waits until so many messages are confirmed.
async fn confirmed(client: &mut Client, count: usize) {
    let mut last = 0;
    while last < count as u64 {
        match client.next().await {
            Seen::Confirmed(1, tag, _, true) => last = last.max(tag),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn messages_of_every_kind_are_delivered_byte_for_byte() {
    for frame_max in [4096, 131_072] {
        let (_broker, mut client) = start(frame_max).await;
        assert_eq!(client.frame_max, frame_max as usize);
        let published = publish_all(&mut client, "q").await;
        confirmed(&mut client, published.len()).await;
        client.consume(1, "q").await;
        for (tag, (properties, body)) in (1..).zip(&published) {
            match client.next().await {
                Seen::Delivered(1, message) => {
                    assert_eq!((message.tag, message.redelivered), (tag, false));
                    check(&message, "q", properties, body);
                }
                other => panic!("{other:?}"),
            }
        }
        client.check();
    }
}

#[tokio::test]
async fn messages_of_every_kind_are_got_byte_for_byte() {
    let (_broker, mut client) = start(4096).await;
    let published = publish_all(&mut client, "q").await;
    confirmed(&mut client, published.len()).await;
    let get = [&[0, 0][..], b"\x01q", &[0]].concat();
    for (tag, (properties, body)) in (1..).zip(&published) {
        client.method(1, 60, 70, &get).await;
        match client.next().await {
            Seen::Got(1, message) => {
                assert_eq!((message.tag, message.redelivered), (tag, false));
                check(&message, "q", properties, body);
            }
            other => panic!("{other:?}"),
        }
    }
    client.method(1, 60, 70, &get).await;
    client.expect(1, 60, 72).await;
    client.check();
}

#[tokio::test]
async fn messages_that_nobody_wants_come_back_before_their_confirm() {
    let (_broker, mut client) = start(4096).await;
    let published = publish_all(&mut client, "nowhere").await;
    let mut returned = published.iter();
    let (mut back, mut last) = (0, 0);
    while last < published.len() as u64 {
        match client.next().await {
            Seen::Returned(1, message) => {
                let (properties, _) = returned.next().unwrap();
                assert_eq!((message.code, message.text.as_str()), (312, "NO_ROUTE"));
                assert_eq!(message.exchange(), b"");
                assert_eq!(message.routing_key(), b"nowhere");
                assert_eq!(message.properties(), properties);
                back += 1;
            }
            Seen::Confirmed(1, tag, _, true) => {
                last = last.max(tag);
                assert!(last <= back, "{last} is confirmed, {back} came back");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(back, published.len() as u64);
    client.check();
}

#[tokio::test]
async fn messages_of_many_channels_are_each_read_on_theirs() {
    const CHANNELS: u16 = 9;
    let (_broker, mut client) = start(4096).await;
    let queue = |channel: u16| format!("q{channel}");
    let body = |channel: u16| vec![channel.to_be_bytes()[1]; usize::from(channel) * 3_000];
    for channel in 2..=CHANNELS {
        client.open(channel).await;
        client.declare(channel, &queue(channel)).await;
        client.consume(channel, &queue(channel)).await;
    }
    for _ in 0..3 {
        for channel in 2..=CHANNELS {
            client
                .publish(1, &queue(channel), &[0, 0], &body(channel))
                .await;
        }
    }
    let mut left = [3; CHANNELS as usize + 1];
    let (mut delivered, mut taken) = (0, 0);
    while (delivered, taken) != (3 * (CHANNELS - 1), 3 * u64::from(CHANNELS - 1)) {
        match client.next().await {
            Seen::Delivered(channel, message) => {
                check(&message, &queue(channel), &[0, 0], &body(channel));
                left[usize::from(channel)] -= 1;
                delivered += 1;
            }
            Seen::Confirmed(1, tag, _, true) => taken = taken.max(tag),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(left[2..], [0; CHANNELS as usize - 1]);
    client.check();
}
