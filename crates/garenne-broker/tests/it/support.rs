//! What every test needs: a broker, a client, and as few words as possible.

use std::time::Duration;

use futures_util::StreamExt;
use garenne_broker::Broker;
use lapin::message::Delivery;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, ErrorKind,
};

/// Longer than anything takes, shorter than anyone waits.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn broker() -> Broker {
    Broker::start().await.unwrap()
}

pub(crate) async fn connect(broker: &Broker) -> Connection {
    connect_to(&broker.url()).await.unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the broker of a test is there")]
pub(crate) async fn connect_to(url: &str) -> lapin::Result<Connection> {
    let properties = ConnectionProperties::default().with_connection_name("test".into());
    within(Connection::connect(url, properties)).await
}

/// A channel of a connection of its own, which is kept with it.
pub(crate) async fn channel(broker: &Broker) -> (Connection, Channel) {
    let connection = connect(broker).await;
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

pub(crate) async fn confirming(broker: &Broker) -> (Connection, Channel) {
    let (connection, channel) = channel(broker).await;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    (connection, channel)
}

/// Nothing in these tests may hang.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it takes no time at all")
}

pub(crate) fn table(pairs: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in pairs {
        table.insert((*key).into(), value.clone());
    }
    table
}

pub(crate) fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

pub(crate) fn int(value: i32) -> AMQPValue {
    AMQPValue::LongInt(value)
}

pub(crate) async fn declare(channel: &Channel, queue: &str, arguments: &[(&str, AMQPValue)]) {
    try_declare(channel, queue, arguments).await.unwrap();
}

pub(crate) async fn try_declare(
    channel: &Channel,
    queue: &str,
    arguments: &[(&str, AMQPValue)],
) -> lapin::Result<lapin::Queue> {
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    within(channel.queue_declare(queue.into(), options, table(arguments))).await
}

pub(crate) fn persistent() -> BasicProperties {
    BasicProperties::default().with_delivery_mode(2)
}

/// Publishes to a queue and waits for the confirm, if there is one.
pub(crate) async fn send(channel: &Channel, queue: &str, body: &str) -> Confirmation {
    publish(channel, "", queue, body, persistent()).await
}

pub(crate) async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &str,
    properties: BasicProperties,
) -> Confirmation {
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let publish = channel.basic_publish(
        exchange.into(),
        key.into(),
        options,
        body.as_bytes(),
        properties,
    );
    within(within(publish).await.unwrap()).await.unwrap()
}

pub(crate) async fn consume(channel: &Channel, queue: &str, prefetch: u16) -> Consumer {
    channel
        .basic_qos(prefetch, BasicQosOptions::default())
        .await
        .unwrap();
    consume_with(channel, queue, BasicConsumeOptions::default(), &[]).await
}

pub(crate) async fn consume_with(
    channel: &Channel,
    queue: &str,
    options: BasicConsumeOptions,
    arguments: &[(&str, AMQPValue)],
) -> Consumer {
    let consume = channel.basic_consume(queue.into(), "".into(), options, table(arguments));
    within(consume).await.unwrap()
}

pub(crate) async fn next(consumer: &mut Consumer) -> Delivery {
    within(consumer.next())
        .await
        .expect("the consumer lives")
        .expect("no error")
}

pub(crate) fn body(delivery: &Delivery) -> String {
    String::from_utf8(delivery.data.clone()).unwrap()
}

/// The bodies of what waits in a queue.
pub(crate) async fn waiting(broker: &Broker, queue: &str) -> Vec<String> {
    let messages = broker.messages(queue).await.unwrap();
    let ready = messages.iter().filter(|message| !message.unacked);
    ready
        .map(|message| String::from_utf8_lossy(&message.body).into_owned())
        .collect()
}

/// The code and text of a protocol error.
pub(crate) fn reason(error: &lapin::Error) -> (u16, String) {
    match error.kind() {
        ErrorKind::ProtocolError(error) => (error.get_id(), error.get_message().to_string()),
        other => panic!("not a protocol error: {other:?}"),
    }
}
