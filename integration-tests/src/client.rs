//! A plain lapin client: the tests' own producer and reader.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use lapin::message::{BasicGetMessage, Delivery};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};

/// How many publishes wait for their confirms at once.
const WINDOW: usize = 256;
/// How long one wait may take: longer than the slowest broker needs for anything, and shorter than a run
/// of tests may be silent. What hangs is then named.
const PATIENCE: Duration = Duration::from_mins(5);

/// A connection with one channel on which publishes are confirmed.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    channel: Channel,
}

impl Client {
    /// Connects to a broker that is up.
    ///
    /// # Panics
    ///
    /// When that fails: these connections are not what is tested.
    pub async fn connect(url: &str) -> Self {
        let uri: AMQPUri = url.parse().expect("the tests' own URLs are valid");
        let connecting = Connection::connect_uri(uri, ConnectionProperties::default());
        let connection = within(|| format!("connecting to {url}"), connecting).await;
        let connection =
            connection.unwrap_or_else(|error| panic!("failed to connect to {url}: {error}"));
        let opening = async {
            let channel = connection.create_channel().await?;
            let confirms = channel.confirm_select(ConfirmSelectOptions::default());
            confirms.await?;
            Ok::<_, lapin::Error>(channel)
        };
        let channel = within(|| format!("opening a channel to {url}"), opening).await;
        let channel = channel.expect("a fresh connection opens a channel that confirms");
        Self {
            connection,
            channel,
        }
    }

    /// The channel for everything that has no method here. A failed call closes it.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// A second channel, for calls that may fail.
    ///
    /// # Panics
    ///
    /// When the connection is gone.
    pub async fn new_channel(&self) -> Channel {
        let opening = self.connection.create_channel();
        let channel = within(|| "opening a channel".to_owned(), opening).await;
        channel.expect("an open connection opens a channel")
    }

    /// Declares a durable queue with arguments.
    ///
    /// # Panics
    ///
    /// When the broker refuses.
    pub async fn declare(&self, queue: &str, arguments: &[(&str, AMQPValue)]) {
        let mut table = FieldTable::default();
        for (name, value) in arguments {
            table.insert((*name).into(), value.clone());
        }
        let declared =
            self.channel
                .queue_declare(queue.into(), QueueDeclareOptions::durable(), table);
        within(|| format!("declaring {queue}"), declared)
            .await
            .unwrap_or_else(|error| panic!("failed to declare {queue}: {error}"));
    }

    /// Deletes a queue, with what is in it.
    ///
    /// # Panics
    ///
    /// When the broker refuses.
    pub async fn delete(&self, queue: &str) {
        let deleted = self.channel.queue_delete(queue.into(), Default::default());
        deleted
            .await
            .unwrap_or_else(|error| panic!("failed to delete {queue}: {error}"));
    }

    /// Publishes one message and waits for its confirm.
    ///
    /// # Panics
    ///
    /// When it cannot be routed or is not confirmed.
    pub async fn publish(
        &self,
        exchange: &str,
        key: &str,
        body: &[u8],
        properties: BasicProperties,
    ) {
        let sent = self.try_publish(exchange, key, body, properties).await;
        sent.unwrap_or_else(|error| panic!("failed to publish to {exchange}/{key}: {error}"));
    }

    /// Publishes orders to a queue, many in flight, and waits for all confirms.
    ///
    /// # Panics
    ///
    /// When one of them is not confirmed.
    pub async fn publish_orders<'a>(
        &self,
        queue: &str,
        orders: impl IntoIterator<Item = (u64, &'a str)>,
    ) {
        let publishes = stream::iter(orders).map(|(id, what)| async move {
            let body = order(id, what);
            self.try_publish("", queue, &body, persistent(id)).await
        });
        let all = publishes
            .buffer_unordered(WINDOW)
            .try_collect::<Vec<()>>()
            .await;
        all.unwrap_or_else(|error| panic!("failed to publish to {queue}: {error}"));
    }

    /// Takes and acks every message that waits in a queue; none if there is no such queue.
    ///
    /// # Panics
    ///
    /// When the broker fails in between.
    pub async fn take_all(&self, queue: &str) -> Vec<BasicGetMessage> {
        let channel = self.new_channel().await;
        let mut all = Vec::new();
        let taking = async {
            while let Ok(Some(message)) = channel
                .basic_get(queue.into(), BasicGetOptions::default())
                .await
            {
                let acked = message.ack(BasicAckOptions::default()).await;
                acked.expect("what was just read can be acked");
                all.push(message);
            }
        };
        within(|| format!("emptying {queue}"), taking).await;
        all
    }

    /// Consumes so many messages of a queue, and gives their bodies with the times when they came.
    ///
    /// # Panics
    ///
    /// When the broker fails in between, a body is not a text, or they have not come after five minutes.
    pub async fn arrivals(&self, queue: &str, count: usize) -> Vec<(String, Instant)> {
        self.consume(queue, count, |message| {
            let body = String::from_utf8(message.data).expect("the tests send texts");
            (body, Instant::now())
        })
        .await
    }

    /// Consumes so many messages of a queue without acks, and gives what is made of each as it comes.
    /// What comes on top of them may be lost.
    ///
    /// # Panics
    ///
    /// When the broker fails in between, or they have not come after five minutes.
    pub async fn consume<T>(
        &self,
        queue: &str,
        count: usize,
        mut take: impl FnMut(Delivery) -> T,
    ) -> Vec<T> {
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let channel = self.new_channel().await;
        let consuming =
            channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
        let messages = within(|| format!("consuming {queue}"), consuming).await;
        let messages = messages.expect("a queue that is there is consumed");
        let came = AtomicUsize::new(0);
        let taken = messages.take(count).map(|message| {
            came.fetch_add(1, Ordering::Relaxed);
            take(message.expect("the broker goes on"))
        });
        let so_far = || {
            let came = came.load(Ordering::Relaxed);
            format!("{came} of {count} messages came out of {queue}")
        };
        let taken = within(so_far, taken.collect()).await;
        let closing = channel.close(200, "done".into());
        let closed = within(|| "closing a channel".to_owned(), closing).await;
        closed.expect("what is open can be closed");
        taken
    }

    async fn try_publish(
        &self,
        exchange: &str,
        key: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<(), String> {
        // An unroutable message is confirmed too: only `mandatory` tells.
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let publish =
            self.channel
                .basic_publish(exchange.into(), key.into(), options, body, properties);
        let confirmed = async { publish.await?.await };
        let confirmed = within(|| format!("a confirm of {exchange}/{key}"), confirmed).await;
        match confirmed.map_err(|error| error.to_string())? {
            Confirmation::Ack(None) => Ok(()),
            other => Err(format!("not confirmed: {other:?}")),
        }
    }
}

/// Awaits what may never come.
async fn within<T>(what: impl FnOnce() -> String, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("waited {PATIENCE:?}: {}", what()))
}

/// The body of an order.
#[must_use]
pub fn order(id: u64, what: &str) -> Vec<u8> {
    serde_json::json!({ "order_id": id, "do": what })
        .to_string()
        .into_bytes()
}

/// Properties of a message that survives a broker's restart.
#[must_use]
pub fn persistent(id: u64) -> BasicProperties {
    BasicProperties::default()
        .with_delivery_mode(2)
        .with_message_id(format!("order-{id}").into())
}
