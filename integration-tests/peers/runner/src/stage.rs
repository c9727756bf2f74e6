//! The queues that all contenders of a case consume or fill.

use std::time::{Duration, Instant};

use bench_plan::{Case, Format, Kind};
use futures_util::{StreamExt, TryStreamExt, stream};
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, Queue};

use crate::message;

/// How many messages are on their way to the queue at once.
const WINDOW: usize = 500;
/// How long the broker may take to see that a consumer has gone, or what was published.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked.
const LOOK: Duration = Duration::from_millis(20);
/// Where hand-written consumers put what failed. It stays there for longer than any run takes.
const RETRY: &str = "bench.retry";
const RETRY_AFTER_MS: i32 = 3_600_000;

/// Queues that all contenders share: nobody has newer or older ones than the others.
pub struct Stage {
    url: String,
    _connection: Connection,
    channel: Channel,
    queues: Vec<String>,
    body: usize,
}

impl Stage {
    #[expect(clippy::disallowed_methods, reason = "the node is known to serve")]
    pub async fn open(url: &str, case: &Case) -> Result<Self, String> {
        let connected = Connection::connect(url, ConnectionProperties::default()).await;
        let connection = connected.map_err(failed("connect"))?;
        let channel = connection.create_channel().await;
        let channel = channel.map_err(failed("open a channel"))?;
        let confirms = channel.confirm_select(ConfirmSelectOptions::default());
        confirms.await.map_err(failed("turn confirms on"))?;
        let stage = Self {
            url: url.to_owned(),
            _connection: connection,
            channel,
            queues: case.queue_names(),
            body: case.body,
        };
        for queue in &stage.queues {
            stage.declare(queue, arguments(case.kind, queue)).await?;
        }
        if case.fail_every > 0 {
            stage.declare(RETRY, lane(case)).await?;
        }
        Ok(stage)
    }

    async fn declare(&self, queue: &str, arguments: FieldTable) -> Result<(), String> {
        let declared = self
            .channel
            .queue_declare(queue.into(), durable(), arguments);
        declared.await.map_err(failed("declare a queue"))?;
        Ok(())
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn queues(&self) -> &[String] {
        &self.queues
    }

    /// Stores so many messages, one queue after the other; all are confirmed when it returns.
    pub async fn fill(&self, messages: u64, format: Format) -> Result<(), String> {
        stream::iter(0..messages)
            .map(|number| self.store(number, format, message::body(number, self.body)))
            .buffer_unordered(WINDOW)
            .try_collect()
            .await
    }

    /// Sends so many messages at this rate, each with the time at which it is sent.
    pub async fn trickle(&self, messages: u64, per_second: u32) -> Result<(), String> {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
        let ticks = stream::poll_fn(|cx| ticks.poll_tick(cx).map(Some));
        stream::iter(0..messages)
            .zip(ticks)
            .map(|(number, _)| {
                let body = message::body_of_now(number, self.body);
                self.store(number, Format::Plain, body)
            })
            .buffer_unordered(WINDOW)
            .try_collect()
            .await
    }

    async fn store(&self, number: u64, format: Format, order: Vec<u8>) -> Result<(), String> {
        let (properties, body) = message::of(format, number, order);
        let place = usize::try_from(number).unwrap_or_default() % self.queues.len();
        let (queue, options) = (self.queues[place].as_str(), BasicPublishOptions::default());
        let sent = self
            .channel
            .basic_publish("".into(), queue.into(), options, &body, properties);
        let confirm = sent.await.map_err(failed("publish"))?;
        let confirmation = confirm.await.map_err(failed("publish"))?;
        if confirmation.is_ack() {
            Ok(())
        } else {
            Err("failed to publish: the broker refused a message".to_owned())
        }
    }

    /// Waits until all consumers have gone, and checks that they have settled everything: a contender
    /// that has not does not give the guarantee that it is measured with.
    pub async fn drained(&self) -> Result<(), String> {
        for name in &self.queues {
            let queue = self
                .until(name, |queue| queue.consumer_count() == 0)
                .await
                .map_err(|error| format!("it has ended and still consumes: {error}"))?;
            // What a consumer held comes back with its end, so nobody holds any now.
            if queue.message_count() > 0 {
                let left = queue.message_count();
                return Err(format!("it left {left} messages unsettled in `{name}`"));
            }
        }
        Ok(())
    }

    /// Waits until so many messages lie in the queue, and takes them out.
    pub async fn holds(&self, messages: u64) -> Result<(), String> {
        let name = &self.queues[0];
        self.until(name, |queue| u64::from(queue.message_count()) >= messages)
            .await
            .map_err(|error| format!("it was to publish {messages} messages: {error}"))?;
        let purged = self
            .channel
            .queue_purge(name.as_str().into(), QueuePurgeOptions::default());
        let purged = purged.await.map_err(failed("empty the queue"))?;
        if u64::from(purged) == messages {
            Ok(())
        } else {
            Err(format!("it published {purged} messages, not {messages}"))
        }
    }

    async fn until(&self, name: &str, wanted: impl Fn(&Queue) -> bool) -> Result<Queue, String> {
        let (since, mut looks) = (Instant::now(), tokio::time::interval(LOOK));
        loop {
            looks.tick().await;
            let queue = self.look(name).await?;
            if wanted(&queue) {
                return Ok(queue);
            }
            if since.elapsed() > PATIENCE {
                return Err(format!("after {PATIENCE:?} there is {queue:?}"));
            }
        }
    }

    async fn look(&self, name: &str) -> Result<Queue, String> {
        let passive = QueueDeclareOptions {
            passive: true,
            ..durable()
        };
        let declared = self
            .channel
            .queue_declare(name.into(), passive, FieldTable::default());
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
fn arguments(kind: Kind, queue: &str) -> FieldTable {
    match kind {
        Kind::Classic => typed(kind),
        Kind::Quorum => {
            let mut arguments = dead_lettering(kind, &format!("{queue}.failed"));
            arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(20));
            arguments
        }
    }
}

/// A lane as garenne declares its own.
fn lane(case: &Case) -> FieldTable {
    let mut arguments = dead_lettering(case.kind, &case.queue_names()[0]);
    arguments.insert("x-message-ttl".into(), AMQPValue::LongInt(RETRY_AFTER_MS));
    arguments
}

fn dead_lettering(kind: Kind, target: &str) -> FieldTable {
    let mut arguments = typed(kind);
    for (name, value) in [
        ("x-dead-letter-exchange", ""),
        ("x-dead-letter-routing-key", target),
        ("x-dead-letter-strategy", "at-least-once"),
        ("x-overflow", "reject-publish"),
    ] {
        arguments.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    arguments
}

fn typed(kind: Kind) -> FieldTable {
    let mut arguments = FieldTable::default();
    let kind = AMQPValue::LongString(kind.name().into());
    arguments.insert("x-queue-type".into(), kind);
    arguments
}

fn failed(what: &str) -> impl Fn(lapin::Error) -> String {
    move |error| format!("failed to {what}: {error}")
}
