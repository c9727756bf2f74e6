//! The queue that all contenders consume.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Queue};

use crate::contender::Contender;

/// The one queue: nobody has a newer or an older one than the others.
pub const QUEUE: &str = "bench";
/// What every message weighs, in bytes.
const BODY: usize = 100;
/// How many messages are on their way to the queue at once.
const WINDOW: usize = 500;
/// How long the broker may take to see that a consumer has gone.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked.
const LOOK: Duration = Duration::from_millis(20);

pub struct Broker {
    url: String,
    _connection: Connection,
    channel: Channel,
}

impl Broker {
    #[expect(clippy::disallowed_methods, reason = "the node is known to serve")]
    pub async fn connect(url: &str) -> Result<Self, String> {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(url, properties)
            .await
            .map_err(failed("connect"))?;
        let channel = connection
            .create_channel()
            .await
            .map_err(failed("open a channel"))?;
        let confirms = channel.confirm_select(ConfirmSelectOptions::default());
        confirms.await.map_err(failed("turn confirms on"))?;
        let declared = channel
            .queue_declare(QUEUE.into(), durable(), arguments())
            .await;
        declared.map_err(failed("declare the queue"))?;
        Ok(Self {
            url: url.to_owned(),
            _connection: connection,
            channel,
        })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stores so many messages; all are confirmed when it returns.
    pub async fn fill(&self, messages: u64) -> Result<(), String> {
        stream::iter(0..messages)
            .map(|number| self.store(number))
            .buffer_unordered(WINDOW)
            .try_collect()
            .await
    }

    async fn store(&self, number: u64) -> Result<(), String> {
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type("application/json".into())
            .with_message_id(number.to_string().into());
        let (options, body) = (BasicPublishOptions::default(), body(number));
        let sent = self
            .channel
            .basic_publish("".into(), QUEUE.into(), options, &body, properties);
        let confirm = sent.await.map_err(failed("publish"))?;
        let confirmation = confirm.await.map_err(failed("publish"))?;
        if confirmation.is_ack() {
            Ok(())
        } else {
            Err("failed to publish: the broker refused a message".to_owned())
        }
    }

    /// Waits until the consumer has gone, and checks that it has settled everything: a contender that
    /// has not does not give the guarantee that it is measured with.
    pub async fn drained(&self, contender: Contender) -> Result<(), String> {
        let (since, mut looks) = (Instant::now(), tokio::time::interval(LOOK));
        loop {
            looks.tick().await;
            let queue = self.look().await?;
            if queue.consumer_count() == 0 {
                // What a consumer held comes back with its end, so nobody holds any now.
                return match queue.message_count() {
                    0 => Ok(()),
                    left => Err(format!(
                        "{} left {left} messages unsettled",
                        contender.name()
                    )),
                };
            }
            if since.elapsed() > PATIENCE {
                return Err(format!("{} has ended and still consumes", contender.name()));
            }
        }
    }

    async fn look(&self) -> Result<Queue, String> {
        let passive = QueueDeclareOptions {
            passive: true,
            ..durable()
        };
        let declared = self
            .channel
            .queue_declare(QUEUE.into(), passive, FieldTable::default());
        declared.await.map_err(failed("look at the queue"))
    }
}

fn durable() -> QueueDeclareOptions {
    QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    }
}

/// The queue as garenne declares it; the others take it as it is.
fn arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    let failed = format!("{QUEUE}.failed");
    for (name, value) in [
        ("x-queue-type", "quorum"),
        ("x-dead-letter-exchange", ""),
        ("x-dead-letter-routing-key", &failed),
        ("x-dead-letter-strategy", "at-least-once"),
        ("x-overflow", "reject-publish"),
    ] {
        arguments.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(20));
    arguments
}

/// An order in JSON, as long as all others.
fn body(number: u64) -> Vec<u8> {
    let start = format!(r#"{{"order_id":{number},"cents":1999,"note":""#);
    let note = "x".repeat(BODY - start.len() - 2);
    format!(r#"{start}{note}"}}"#).into_bytes()
}

fn failed(what: &str) -> impl Fn(lapin::Error) -> String {
    move |error| format!("failed to {what}: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_is_json_of_the_same_length() {
        for number in [0, 7, 99_999, u64::MAX] {
            let body = body(number);
            assert_eq!(body.len(), BODY);
            let order: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(order["order_id"], number);
        }
    }
}
