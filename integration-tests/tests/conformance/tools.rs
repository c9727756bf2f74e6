//! What makes cases with lapin short.

use futures_util::StreamExt;
use integration_tests::Client;
use lapin::message::{BasicGetMessage, Delivery};
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
    BasicPublishOptions, BasicQosOptions, BasicRejectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Channel, Confirmation, Consumer, ExchangeKind};

use super::lab::SOON;
pub(crate) use super::wire::table;

pub(crate) fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

pub(crate) fn int(value: i32) -> AMQPValue {
    AMQPValue::LongInt(value)
}

pub(crate) fn long(value: i64) -> AMQPValue {
    AMQPValue::LongLongInt(value)
}

pub(crate) fn yes() -> AMQPValue {
    AMQPValue::Boolean(true)
}

pub(crate) fn quorum() -> (&'static str, AMQPValue) {
    ("x-queue-type", text("quorum"))
}

pub(crate) fn plain() -> BasicProperties {
    BasicProperties::default()
}

pub(crate) fn headers(headers: &[(&str, AMQPValue)]) -> BasicProperties {
    plain().with_headers(table(headers))
}

/// Nothing may hang.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future)
        .await
        .expect("an answer comes soon")
}

/// Publishes messages to a queue, one after the other, each confirmed.
pub(crate) async fn send(client: &Client, queue: &str, bodies: &[&str]) {
    for body in bodies {
        within(client.publish("", queue, body.as_bytes(), plain())).await;
    }
}

/// Publishes without asking for more than the broker says by itself.
pub(crate) async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &[u8],
    properties: BasicProperties,
) -> lapin::Result<Confirmation> {
    let options = BasicPublishOptions::default();
    let publish = channel.basic_publish(exchange.into(), key.into(), options, body, properties);
    within(within(publish).await?).await
}

pub(crate) async fn exchange(client: &Client, name: &str, kind: ExchangeKind) {
    exchange_with(client, name, kind, &[]).await;
}

pub(crate) async fn exchange_with(
    client: &Client,
    name: &str,
    kind: ExchangeKind,
    arguments: &[(&str, AMQPValue)],
) {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..Default::default()
    };
    let declare = client
        .channel()
        .exchange_declare(name.into(), kind, options, table(arguments));
    within(declare).await.expect("what the case sets up");
}

pub(crate) async fn bind(client: &Client, queue: &str, exchange: &str, key: &str) {
    bind_with(client, queue, exchange, key, &[]).await;
}

pub(crate) async fn bind_with(
    client: &Client,
    queue: &str,
    exchange: &str,
    key: &str,
    arguments: &[(&str, AMQPValue)],
) {
    let options = QueueBindOptions::default();
    let bind = client.channel().queue_bind(
        queue.into(),
        exchange.into(),
        key.into(),
        options,
        table(arguments),
    );
    within(bind).await.expect("what the case sets up");
}

/// Consumes on a channel, holding at most so many messages; 0 is any number.
pub(crate) async fn consume(channel: &Channel, queue: &str, prefetch: u16) -> Consumer {
    consume_with(
        channel,
        queue,
        prefetch,
        BasicConsumeOptions::default(),
        &[],
    )
    .await
    .expect("what the case sets up")
}

pub(crate) async fn consume_with(
    channel: &Channel,
    queue: &str,
    prefetch: u16,
    options: BasicConsumeOptions,
    arguments: &[(&str, AMQPValue)],
) -> lapin::Result<Consumer> {
    within(channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
    within(channel.basic_consume(queue.into(), "".into(), options, table(arguments))).await
}

pub(crate) async fn cancel(channel: &Channel, consumer: &Consumer) {
    within(channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()))
        .await
        .expect("what the case sets up");
}

/// The next message of a consumer.
pub(crate) async fn next(consumer: &mut Consumer) -> Delivery {
    within(consumer.next())
        .await
        .expect("the consumer goes on")
        .expect("and does not fail")
}

/// The bodies of the next messages of a consumer.
pub(crate) async fn next_bodies(consumer: &mut Consumer, count: usize) -> String {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(word(&next(consumer).await));
    }
    all.join(" ")
}

/// A body that is a word, with `*` when it was redelivered.
pub(crate) fn word(delivery: &Delivery) -> String {
    let again = if delivery.redelivered { "*" } else { "" };
    format!("{}{again}", String::from_utf8_lossy(&delivery.data))
}

/// Takes a message, without an ack.
pub(crate) async fn get(channel: &Channel, queue: &str) -> Option<BasicGetMessage> {
    within(channel.basic_get(queue.into(), BasicGetOptions::default()))
        .await
        .expect("what the case sets up")
}

/// Takes and acks all that waits in a queue; its bodies.
pub(crate) async fn drain(client: &Client, queue: &str) -> String {
    let all = within(client.take_all(queue)).await;
    all.iter()
        .map(|message| word(message))
        .collect::<Vec<_>>()
        .join(" ")
}

pub(crate) async fn ack(channel: &Channel, tag: u64, multiple: bool) {
    channel
        .basic_ack(tag, BasicAckOptions { multiple })
        .await
        .expect("what the case sets up");
}

pub(crate) async fn nack(channel: &Channel, tag: u64, multiple: bool, requeue: bool) {
    channel
        .basic_nack(tag, BasicNackOptions { multiple, requeue })
        .await
        .expect("what the case sets up");
}

pub(crate) async fn reject(channel: &Channel, tag: u64, requeue: bool) {
    channel
        .basic_reject(tag, BasicRejectOptions { requeue })
        .await
        .expect("what the case sets up");
}

/// Messages that wait and consumers, as a passive declare tells them.
pub(crate) async fn count(channel: &Channel, queue: &str) -> (u32, u32) {
    let options = QueueDeclareOptions {
        passive: true,
        ..Default::default()
    };
    let queue = channel.queue_declare(queue.into(), options, table(&[]));
    let queue = within(queue).await.expect("what the case sets up");
    (queue.message_count(), queue.consumer_count())
}

/// One message out of a queue, once there is one: acked.
pub(crate) async fn take(client: &Client, queue: &str) -> Delivery {
    let channel = client.new_channel().await;
    let mut consumer = consume(&channel, queue, 1).await;
    let delivery = next(&mut consumer).await;
    ack(&channel, delivery.delivery_tag, false).await;
    channel
        .close(200, "done".into())
        .await
        .expect("what the case sets up");
    delivery
}
