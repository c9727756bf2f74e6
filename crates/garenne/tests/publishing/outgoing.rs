//! A message arrives with all that was set.

use std::time::{Duration, UNIX_EPOCH};

use garenne::core::{Headers, Value};
use garenne::prelude::*;
use garenne_broker::types::AMQPValue;

use super::support::Post;

#[tokio::test]
async fn every_property_arrives_as_it_was_set() {
    let post = Post::open().await;
    let message = Outgoing::to_queue("q", Json([1, 2]))
        .message_id("id")
        .correlation_id("correlation")
        .reply_to("answers")
        .kind("order.new")
        .app_id("shop")
        .user_id("guest")
        .content_type("application/vnd.shop+json")
        .content_encoding("identity")
        .priority(7)
        .expires_after(3.secs())
        .timestamp(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .not_persistent();
    post.publisher.send(message).await.unwrap();
    let found = post.broker.messages("q").await.unwrap().remove(0);
    let properties = &found.properties;
    let texts = [
        (properties.message_id(), "id"),
        (properties.correlation_id(), "correlation"),
        (properties.reply_to(), "answers"),
        (properties.kind(), "order.new"),
        (properties.app_id(), "shop"),
        (properties.user_id(), "guest"),
        (properties.content_type(), "application/vnd.shop+json"),
        (properties.content_encoding(), "identity"),
        (properties.expiration(), "3000"),
    ];
    for (value, expected) in texts {
        assert_eq!(value.as_ref().map(|v| v.as_str()), Some(expected));
    }
    assert_eq!(*properties.priority(), Some(7));
    assert_eq!(*properties.timestamp(), Some(1_700_000_000));
    assert_eq!(*properties.delivery_mode(), Some(1));
    assert_eq!(&found.body[..], b"[1,2]");
}

#[tokio::test]
async fn unless_told_otherwise_a_message_is_persistent_has_an_id_of_its_own_and_the_time() {
    let post = Post::open().await;
    for _ in 0..2 {
        post.publisher
            .send(Outgoing::to_queue("q", "x"))
            .await
            .unwrap();
    }
    let found = post.broker.messages("q").await.unwrap();
    let ids: Vec<_> = found
        .iter()
        .map(|message| message.properties.message_id().clone().unwrap().to_string())
        .collect();
    assert!(
        ids[0] < ids[1] && ids.iter().all(|id| id.len() == 36),
        "{ids:?}"
    );
    assert_eq!(ids[0].as_bytes()[14], b'7', "a UUID of version 7: {ids:?}");
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    for message in &found {
        assert_eq!(*message.properties.delivery_mode(), Some(2));
        assert!(message.properties.timestamp().unwrap().abs_diff(now) < 3600);
    }
}

#[tokio::test]
async fn headers_of_every_type_arrive_with_their_type() {
    let table = Headers::from([("inner".to_owned(), Value::Bool(true))]);
    let cases = [
        ("bool", Value::Bool(false), 't'),
        ("i8", Value::I8(-1), 'b'),
        ("u8", Value::U8(1), 'B'),
        ("i16", Value::I16(-2), 's'),
        ("u16", Value::U16(2), 'u'),
        ("i32", Value::I32(-3), 'I'),
        ("u32", Value::U32(3), 'i'),
        ("i64", Value::I64(-4), 'l'),
        ("f32", Value::F32(1.5), 'f'),
        ("f64", Value::F64(2.5), 'd'),
        (
            "decimal",
            Value::Decimal {
                scale: 2,
                value: 314,
            },
            'D',
        ),
        ("text", Value::Text("é".into()), 'S'),
        ("bytes", Value::LongString(vec![0xff, 0]), 'S'),
        ("array", Value::Array(vec![Value::I32(1), "a".into()]), 'A'),
        ("timestamp", Value::Timestamp(5), 'T'),
        ("table", Value::Table(table), 'F'),
        ("void", Value::Void, 'V'),
        ("byte array", Value::ByteArray(vec![1, 2]), 'x'),
    ];
    let post = Post::open().await;
    let headers = cases
        .iter()
        .map(|(name, value, _)| ((*name).to_owned(), value.clone()));
    let message = Outgoing::to_queue("q", "x")
        .headers(headers)
        .header("one", 1);
    post.publisher.send(message).await.unwrap();
    let found = post.broker.messages("q").await.unwrap().remove(0);
    let found = found.properties.headers().clone().unwrap();
    let found = found.inner();
    assert_eq!(found.len(), cases.len() + 1);
    assert_eq!(found["one"], AMQPValue::LongInt(1));
    for (name, _, kind) in &cases {
        assert_eq!(letter(&found[*name]), *kind, "{name}: {:?}", found[*name]);
    }
    assert_eq!(found["bytes"], AMQPValue::LongString(vec![0xff, 0].into()));
    assert_eq!(found["i64"], AMQPValue::LongLongInt(-4));
}

/// The letter by which AMQP knows the type.
fn letter(value: &AMQPValue) -> char {
    match value {
        AMQPValue::Boolean(_) => 't',
        AMQPValue::ShortShortInt(_) => 'b',
        AMQPValue::ShortShortUInt(_) => 'B',
        AMQPValue::ShortInt(_) => 's',
        AMQPValue::ShortUInt(_) => 'u',
        AMQPValue::LongInt(_) => 'I',
        AMQPValue::LongUInt(_) => 'i',
        AMQPValue::LongLongInt(_) => 'l',
        AMQPValue::Float(_) => 'f',
        AMQPValue::Double(_) => 'd',
        AMQPValue::DecimalValue(_) => 'D',
        AMQPValue::ShortString(_) => '?',
        AMQPValue::LongString(_) => 'S',
        AMQPValue::FieldArray(_) => 'A',
        AMQPValue::Timestamp(_) => 'T',
        AMQPValue::FieldTable(_) => 'F',
        AMQPValue::ByteArray(_) => 'x',
        AMQPValue::Void => 'V',
    }
}
