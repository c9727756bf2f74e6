//! The wire contract of the Go package, written down a second time: as a script of plain AMQP calls,
//! without any of garenne's code.

use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};

/// The queue of every script.
pub(super) const QUEUE: &str = "orders";
/// Where its messages wait for their next attempt.
pub(super) const RETRY: &str = "orders_retry_3";

/// A program on the package, on the queue `orders`.
pub(super) struct Script {
    connection: Connection,
    channel: Channel,
    exchange: &'static str,
    key: &'static str,
}

impl Script {
    pub(super) async fn connect(url: &str, exchange: &'static str, key: &'static str) -> Self {
        let uri = url.parse().unwrap();
        let connection = Connection::connect_uri(uri, ConnectionProperties::default());
        let connection = connection.await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        Self {
            connection,
            channel,
            exchange,
            key,
        }
    }

    /// What it declares whenever it sends or consumes. A refusal closes the channel and panics.
    pub(super) async fn declare(&self) {
        if !self.exchange.is_empty() {
            let durable = ExchangeDeclareOptions {
                durable: true,
                ..ExchangeDeclareOptions::default()
            };
            let declaring = self.channel.exchange_declare(
                self.exchange.into(),
                ExchangeKind::Direct,
                durable,
                FieldTable::default(),
            );
            declaring.await.unwrap();
        }
        self.declare_queue(QUEUE, FieldTable::default()).await;
        if self.has_both() {
            self.bind(QUEUE, self.key).await;
        }
    }

    /// What it declares when a message has failed.
    pub(super) async fn declare_retry(&self) {
        let target = if self.has_both() { self.key } else { QUEUE };
        self.declare_queue(RETRY, self.waiting(20_000, target))
            .await;
        if self.has_both() {
            self.bind(RETRY, &format!("{}_retry_3", self.key)).await;
        }
    }

    /// What it declares when it sends with a delay.
    pub(super) async fn declare_delay(&self, seconds: i64) {
        let name = format!("orders_delay_{seconds}");
        self.declare_queue(&name, self.waiting(seconds * 1000, self.key))
            .await;
        if !self.exchange.is_empty() {
            self.bind(&name, &name).await;
        }
    }

    /// Sends a message.
    pub(super) async fn send(&self, body: &str) {
        self.declare().await;
        let (exchange, key) = match self.has_both() {
            true => (self.exchange, self.key),
            false => ("", QUEUE),
        };
        let properties = plain().with_delivery_mode(2);
        self.publish(exchange, key, body, properties).await;
    }

    /// Puts a message that has failed so many times into the retry queue.
    pub(super) async fn retry(&self, body: &str, failed: i32) {
        self.declare_retry().await;
        let key = format!("{}_retry_3", if self.has_both() { self.key } else { QUEUE });
        let exchange = if self.has_both() { self.exchange } else { "" };
        self.publish(
            exchange,
            &key,
            body,
            plain().with_headers(retry_nums(failed)),
        )
        .await;
    }

    /// Sends a message with a delay.
    pub(super) async fn send_delayed(&self, body: &str, seconds: i64) {
        self.declare().await;
        self.declare_delay(seconds).await;
        let key = format!("orders_delay_{seconds}");
        self.publish(
            self.exchange,
            &key,
            body,
            plain().with_headers(retry_nums(0)),
        )
        .await;
    }

    /// Publishes anything, anywhere.
    pub(super) async fn publish(
        &self,
        exchange: &str,
        key: &str,
        body: &str,
        properties: BasicProperties,
    ) {
        let publishing = self.channel.basic_publish(
            exchange.into(),
            key.into(),
            BasicPublishOptions::default(),
            body.as_bytes(),
            properties,
        );
        publishing.await.unwrap().await.unwrap();
    }

    /// Takes a message out of a queue for good, if there is one.
    pub(super) async fn take(&self, queue: &str) -> Option<BasicGetMessage> {
        let getting = self
            .channel
            .basic_get(queue.into(), BasicGetOptions::default());
        let message = getting.await.unwrap()?;
        message.ack(BasicAckOptions::default()).await.unwrap();
        Some(message)
    }

    /// How many messages of a queue are in nobody's hands; none when there is no such queue.
    pub(super) async fn ready(&self, queue: &str) -> u32 {
        let channel = self.connection.create_channel().await.unwrap();
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let asking = channel.queue_declare(queue.into(), passive, FieldTable::default());
        let ready = asking.await.map_or(0, |queue| queue.message_count());
        // A refused question has closed it already.
        let _ = channel.close(200, "asked".into()).await;
        ready
    }

    /// A further queue, such as somebody else has on the same exchange.
    pub(super) async fn declare_queue(&self, name: &str, arguments: FieldTable) {
        let declaring =
            self.channel
                .queue_declare(name.into(), QueueDeclareOptions::durable(), arguments);
        declaring.await.unwrap();
    }

    /// Deletes a queue with everything in it.
    pub(super) async fn delete(&self, queue: &str) {
        let deleting = self
            .channel
            .queue_delete(queue.into(), QueueDeleteOptions::default());
        deleting.await.unwrap();
    }

    pub(super) async fn bind(&self, queue: &str, key: &str) {
        let binding = self.channel.queue_bind(
            queue.into(),
            self.exchange.into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        binding.await.unwrap();
    }

    fn waiting(&self, ttl: i64, target: &str) -> FieldTable {
        let text = |text: &str| AMQPValue::LongString(text.into());
        let mut arguments = FieldTable::default();
        arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(ttl));
        arguments.insert("x-dead-letter-exchange".into(), text(self.exchange));
        arguments.insert("x-dead-letter-routing-key".into(), text(target));
        arguments
    }

    fn has_both(&self) -> bool {
        !self.exchange.is_empty() && !self.key.is_empty()
    }
}

/// What the package says of everything that it publishes.
pub(super) fn plain() -> BasicProperties {
    BasicProperties::default().with_content_type("text/plain".into())
}

pub(super) fn retry_nums(failed: i32) -> FieldTable {
    let mut headers = FieldTable::default();
    headers.insert("retry_nums".into(), AMQPValue::LongInt(failed));
    headers
}

/// The header as a program on the package reads it: whatever is not a 32-bit integer is 0.
pub(super) fn failed(message: &BasicGetMessage) -> i32 {
    let headers = message.properties.headers().as_ref();
    match headers.and_then(|headers| headers.inner().get("retry_nums")) {
        Some(AMQPValue::LongInt(failed)) => *failed,
        _ => 0,
    }
}
