//! A broker, a publisher at it, and what the tests look at.

use std::collections::BTreeMap;
use std::time::Duration;

use garenne::prelude::*;
use garenne_broker::{Broker, View};
use garenne_testing::eventually;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties};

/// Long enough that what has not happened by then never will, on a machine however slow.
pub(super) const SOON: Duration = Duration::from_secs(60);

/// A broker with the durable queue `q`, and a publisher at it.
pub(super) struct Post {
    pub(super) broker: Broker,
    pub(super) publisher: Publisher,
}

impl Post {
    pub(super) async fn open() -> Self {
        Self::with(|builder| builder).await
    }

    pub(super) async fn with(change: impl FnOnce(PublisherBuilder) -> PublisherBuilder) -> Self {
        let broker = Broker::start().await.unwrap();
        declare(&broker, "q").await;
        let builder = change(Publisher::builder(broker.url()));
        let publisher = builder.connect().await.unwrap();
        Self { broker, publisher }
    }

    /// Takes the link away for good, and waits until the publisher knows.
    pub(super) async fn down(&self) {
        self.broker.faults().crash().await.unwrap();
        self.knows("the link is down", |publisher| {
            publisher.status().link == garenne::status::LinkState::Down
        })
        .await;
        // Its messages know once one of them was told.
        self.send("probe").await.unwrap_err();
        self.holds(0).await;
    }

    pub(super) async fn up(&self) {
        self.broker.faults().restart().await.unwrap();
    }

    /// Raises an alarm, and waits until the publisher knows: the broker tells those who publish.
    pub(super) async fn alarm(&self) {
        self.send("before").await.unwrap();
        self.broker.faults().block("low on disk").await.unwrap();
        self.knows("it is blocked", |publisher| {
            format!("{:?}", publisher.status().link).contains("low on disk")
        })
        .await;
    }

    /// Waits until the publisher looks as wanted.
    pub(super) async fn knows(&self, what: &str, wanted: impl Fn(&Publisher) -> bool) {
        eventually(SOON, what, async || {
            if wanted(&self.publisher) {
                Ok(())
            } else {
                Err(format!("{:?}", self.publisher.status()))
            }
        })
        .await;
    }

    /// Waits until it holds so many messages.
    pub(super) async fn holds(&self, messages: u64) {
        self.knows(&format!("it holds {messages}"), |publisher| {
            publisher.status().held == messages
        })
        .await;
    }

    pub(super) async fn send(&self, body: &str) -> Result<(), PublishError> {
        answered(self.publisher.send(to_q(body))).await
    }

    /// Sends in a task of its own.
    pub(super) fn sending(
        &self,
        message: Outgoing,
    ) -> tokio::task::JoinHandle<Result<(), PublishError>> {
        let publisher = self.publisher.clone();
        tokio::spawn(async move { publisher.send(message).await })
    }

    /// Waits until `q` looks as wanted.
    pub(super) async fn queue(&self, wanted: impl FnMut(&View) -> bool) {
        let waiting = self.broker.wait_until_within(SOON, wanted);
        waiting.await.unwrap();
    }

    /// The bodies in `q`, in order.
    pub(super) async fn bodies(&self) -> Vec<String> {
        let messages = self.broker.messages("q").await.unwrap();
        let bodies = messages
            .iter()
            .map(|m| String::from_utf8_lossy(&m.body).into_owned());
        bodies.collect()
    }

    /// How often each message id is in `q`.
    pub(super) async fn ids(&self) -> BTreeMap<String, usize> {
        let mut ids = BTreeMap::new();
        for message in self.broker.messages("q").await.unwrap() {
            let id = message.properties.message_id().clone().unwrap_or_default();
            *ids.entry(id.to_string()).or_default() += 1;
        }
        ids
    }
}

/// A message for `q`, whose id is its body.
pub(super) fn to_q(body: &str) -> Outgoing {
    Outgoing::to_queue("q", body).message_id(body)
}

/// Waits for an answer as long as a test may take.
pub(super) async fn answered<T>(waiting: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SOON, waiting).await {
        Ok(answer) => answer,
        Err(_) => panic!("no answer within {SOON:?}"),
    }
}

/// Declares a durable queue.
pub(super) async fn declare(broker: &Broker, queue: &str) {
    declare_with(broker, queue, FieldTable::default()).await;
}

/// Declares a queue that is full as it is, and refuses.
pub(super) async fn declare_full(broker: &Broker, queue: &str) {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(0));
    let refuse = AMQPValue::LongString("reject-publish".into());
    arguments.insert("x-overflow".into(), refuse);
    declare_with(broker, queue, arguments).await;
}

async fn declare_with(broker: &Broker, queue: &str, arguments: FieldTable) {
    let connection = Connection::connect_uri(
        broker.url().parse().unwrap(),
        ConnectionProperties::default(),
    )
    .await;
    let connection = connection.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let options = QueueDeclareOptions::durable();
    let declared = channel.queue_declare(queue.into(), options, arguments);
    declared.await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
}

pub(super) use garenne::{PublishError, PublisherBuilder};
