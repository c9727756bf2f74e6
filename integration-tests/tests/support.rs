//! What several of the modules do in the same way.

use std::time::Duration;

use integration_tests::{Client, Service, ServiceOptions, Vhost, eventually, persistent};
use lapin::BasicProperties;
use lapin::message::BasicGetMessage;
use lapin::types::{AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable};

/// For what happens within milliseconds unless it never does.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Starts a service on the queue `orders` of a virtual host and waits until it consumes.
pub(crate) async fn start(vhost: &Vhost, retry: &str) -> Service {
    let mut service = options(vhost, retry).start();
    consumes(vhost, &mut service).await;
    service
}

/// The service that [`start`] starts.
pub(crate) fn options(vhost: &Vhost, retry: &str) -> ServiceOptions {
    Service::on(vhost.url())
        .queue("orders")
        .env("ORDERS_RETRY", retry)
}

/// Waits until the service consumes, and with that until everything is declared.
pub(crate) async fn consumes(vhost: &Vhost, service: &mut Service) {
    eventually(SOON, "the service consumes", async || {
        service.assert_lives();
        match vhost.queue("orders").await?.consumers {
            0 => Err("no consumer".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
}

/// Waits for one message in a queue and takes it.
pub(crate) async fn take_one(vhost: &Vhost, client: &Client, queue: &str) -> BasicGetMessage {
    eventually(SOON, "one message waits there", async || {
        let depth = vhost.queue(queue).await?;
        if depth.ready == 1 {
            Ok(())
        } else {
            Err(format!("{depth:?}"))
        }
    })
    .await;
    client.take_all(queue).await.pop().expect("it waits there")
}

pub(crate) fn header<'a>(message: &'a BasicGetMessage, name: &str) -> Option<&'a AMQPValue> {
    message.properties.headers().as_ref()?.inner().get(name)
}

pub(crate) fn text(message: &BasicGetMessage, name: &str) -> String {
    match header(message, name) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        other => panic!("header {name}: {other:?}"),
    }
}

pub(crate) fn integer(message: &BasicGetMessage, name: &str) -> i64 {
    match header(message, name) {
        Some(AMQPValue::LongInt(n)) => i64::from(*n),
        Some(AMQPValue::LongLongInt(n)) => *n,
        other => panic!("header {name}: {other:?}"),
    }
}

/// A value of every type that AMQP 0-9-1 as RabbitMQ speaks it can carry.
fn odd_headers() -> FieldTable {
    let mut inner = FieldTable::default();
    inner.insert("deep".into(), AMQPValue::LongLongInt(-1));
    let list = vec![
        AMQPValue::Boolean(false),
        AMQPValue::LongString("two".into()),
        AMQPValue::Void,
    ];
    let values = [
        ("bool", AMQPValue::Boolean(true)),
        ("i8", AMQPValue::ShortShortInt(-8)),
        ("u8", AMQPValue::ShortShortUInt(200)),
        ("i16", AMQPValue::ShortInt(-1_600)),
        ("u16", AMQPValue::ShortUInt(60_000)),
        ("i32", AMQPValue::LongInt(-320_000)),
        ("u32", AMQPValue::LongUInt(4_000_000_000)),
        ("i64", AMQPValue::LongLongInt(i64::MIN)),
        ("f32", AMQPValue::Float(0.25)),
        ("f64", AMQPValue::Double(1e300)),
        (
            "decimal",
            AMQPValue::DecimalValue(DecimalValue {
                scale: 2,
                value: 12_345,
            }),
        ),
        ("text", AMQPValue::LongString("grüße".into())),
        (
            "not utf-8",
            AMQPValue::LongString(vec![0xff_u8, 0x00, 0xfe].into()),
        ),
        (
            "bytes",
            AMQPValue::ByteArray(ByteArray::from(vec![1_u8, 2, 3])),
        ),
        ("list", AMQPValue::FieldArray(FieldArray::from(list))),
        ("time", AMQPValue::Timestamp(1_700_000_000)),
        ("table", AMQPValue::FieldTable(inner)),
        ("nothing", AMQPValue::Void),
    ];
    let mut table = FieldTable::default();
    for (name, value) in values {
        table.insert(name.into(), value);
    }
    table
}

/// Every property that a client may set, but those that the broker acts on.
pub(crate) fn rich_properties() -> BasicProperties {
    persistent(1)
        .with_headers(odd_headers())
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_priority(3)
        .with_correlation_id("correlation".into())
        .with_reply_to("answers".into())
        .with_timestamp(1_600_000_000)
        .with_type("order.placed".into())
        .with_app_id("shop".into())
}

/// Everything that was sent is still there, unchanged.
pub(crate) fn assert_kept(sent: &BasicProperties, seen: &BasicProperties) {
    let without_headers =
        |properties: &BasicProperties| properties.clone().with_headers(FieldTable::default());
    assert_eq!(without_headers(seen), without_headers(sent));
    let kept = seen.headers().clone().unwrap_or_default();
    for (name, value) in sent.headers().clone().unwrap_or_default().inner() {
        assert_eq!(
            kept.inner().get(name.as_str()),
            Some(value),
            "header {name}"
        );
    }
}
