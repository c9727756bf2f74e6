//! What the tests of the API share: a place to be, a system to watch, things to write down.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use garenne::core::StopReason;
use garenne::prelude::*;
use garenne::status::{QueueStatus, Status};
use integration_tests::{Client, FaultProxy, Vhost, eventually};
use lapin::message::BasicGetMessage;
use lapin::options::BasicGetOptions;
use lapin::types::AMQPValue;

use super::logs;

/// Long enough that what has not happened by then never will, on a machine however slow.
pub(super) const SOON: Duration = Duration::from_secs(60);

/// A virtual host of its own, and a plain client in it.
pub(super) struct Place {
    pub(super) vhost: Vhost,
    pub(super) client: Client,
}

impl Place {
    pub(super) async fn new() -> Self {
        logs::capture();
        let vhost = Vhost::new().await;
        let client = Client::connect(&vhost.url()).await;
        Self { vhost, client }
    }

    /// A system here.
    pub(super) fn system(&self) -> SystemBuilder {
        SystemBuilder::new(self.vhost.url())
            .service_name("api-tests")
            .service_version("7.2")
    }

    /// A system here whose links go through a proxy.
    pub(super) fn system_behind(&self, proxy: &FaultProxy) -> SystemBuilder {
        SystemBuilder::new(proxy.url(self.vhost.name())).service_name("api-tests")
    }

    /// Sends these bodies to a queue, in order.
    pub(super) async fn send<'a>(&self, queue: &str, bodies: impl IntoIterator<Item = &'a str>) {
        for body in bodies {
            self.client
                .publish("", queue, body.as_bytes(), id(body))
                .await;
        }
    }

    /// Waits until a queue holds so many messages, wherever in it they are.
    pub(super) async fn holds(&self, queue: &str, wanted: u64) {
        eventually(SOON, &format!("{queue} holds {wanted}"), async || {
            let depth = self.vhost.queue(queue).await?;
            if depth.messages() == wanted {
                Ok(())
            } else {
                Err(format!("{depth:?}"))
            }
        })
        .await;
    }

    /// Takes one message out of a queue as soon as it is there.
    pub(super) async fn take_one(&self, queue: &str) -> BasicGetMessage {
        self.holds(queue, 1).await;
        self.client.take_all(queue).await.remove(0)
    }

    /// The address with a user who may read and write here, and declare nothing.
    pub(super) async fn reader_url(&self) -> String {
        let (node, vhost) = (self.vhost.node(), self.vhost.name());
        let user = format!("reader-{vhost}");
        node.add_user(&user, "secret").await;
        let permit = format!(
            "rabbit_auth_backend_internal:set_permissions(<<\"{user}\">>, <<\"{vhost}\">>, <<\"^$\">>, <<\".*\">>, <<\".*\">>, <<\"test\">>)"
        );
        node.eval(&permit).await.expect("the node sets permissions");
        node.url_for(&user, "secret", vhost)
    }

    /// See [`take_ids`].
    pub(super) async fn take_ids(&self, queue: &str) -> BTreeMap<String, usize> {
        take_ids(&self.client, queue).await
    }
}

/// Takes everything out of a queue that nobody publishes to any more, and counts it by message id.
pub(super) async fn take_ids(client: &Client, queue: &str) -> BTreeMap<String, usize> {
    let id = |properties: &lapin::BasicProperties| {
        let id = properties.message_id().clone().unwrap_or_default();
        id.to_string()
    };
    let channel = client.new_channel().await;
    let mut ids = BTreeMap::new();
    // RabbitMQ says that a quorum queue is empty when its leader does not answer within 250 ms
    // (`rabbit_quorum_queue:stat/2`); one that gives no message is.
    let no_ack = BasicGetOptions { no_ack: true };
    while let Some(first) = channel.basic_get(queue.into(), no_ack).await.unwrap() {
        let mut taken = vec![id(&first.properties)];
        if first.message_count > 0 {
            let count = first.message_count as usize;
            let more = client.consume(queue, count, |message| id(&message.properties));
            taken.extend(more.await);
        }
        for id in taken {
            *ids.entry(id).or_default() += 1;
        }
    }
    channel.close(200, "done".into()).await.unwrap();
    ids
}

/// Properties with this message id.
pub(super) fn id(id: &str) -> lapin::BasicProperties {
    lapin::BasicProperties::default()
        .with_delivery_mode(2)
        .with_message_id(id.into())
}

/// A header that is a text.
pub(super) fn text(message: &BasicGetMessage, name: &str) -> String {
    match header(message, name) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        other => panic!("header {name} is {other:?}"),
    }
}

pub(super) fn header(message: &BasicGetMessage, name: &str) -> Option<AMQPValue> {
    let headers = message.properties.headers().as_ref()?;
    headers.inner().get(name).cloned()
}

/// A running system, ended when dropped.
pub(super) struct Running(SystemHandle);

impl Deref for Running {
    type Target = SystemHandle;

    fn deref(&self) -> &SystemHandle {
        &self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stop_now();
    }
}

impl Running {
    /// Starts a system and waits until it consumes.
    pub(super) async fn consuming(builder: SystemBuilder) -> Self {
        let running = Self::started(builder);
        running.until("it consumes", Status::is_ready).await;
        running
    }

    pub(super) fn started(builder: SystemBuilder) -> Self {
        let system = builder.build().unwrap_or_else(|error| panic!("{error}"));
        Self(system.start().unwrap_or_else(|error| panic!("{error}")))
    }

    /// Waits until the status is as wanted.
    pub(super) async fn until(
        &self,
        what: &str,
        mut wanted: impl FnMut(&Status) -> bool,
    ) -> Status {
        let waiting = self.0.wait_until(&mut wanted);
        match tokio::time::timeout(SOON, waiting).await {
            Ok(Ok(status)) => status,
            Ok(Err(reason)) => panic!("stopped before {what}: {reason}"),
            Err(_) => panic!("not within {SOON:?}: {what}; {:#?}", self.0.status()),
        }
    }

    /// The counters of its only queue.
    pub(super) fn counts(&self) -> QueueStatus {
        self.0.status().queues.remove(0)
    }

    /// Waits until its only queue has settled so many messages and holds none.
    pub(super) async fn acked(&self, messages: u64) -> QueueStatus {
        let what = format!("{messages} are acked");
        let done =
            |status: &Status| status.queues[0].acked == messages && status.queues[0].in_flight == 0;
        self.until(&what, done).await.queues.remove(0)
    }

    /// Waits until two systems have acked so many messages together.
    pub(super) async fn acked_by_both(&self, other: &Self, messages: u64) {
        let others = other.counts().acked;
        self.acked(messages - others).await;
    }

    /// Waits until it has stopped by itself.
    pub(super) async fn stopped(&self) -> StopReason {
        match tokio::time::timeout(SOON, self.0.stopped()).await {
            Ok(reason) => reason,
            Err(_) => panic!("it does not stop; {:#?}", self.0.status()),
        }
    }

    /// Stops it and waits for the end.
    pub(super) async fn stop(&self) {
        self.0.stop();
        assert_eq!(self.stopped().await, StopReason::Requested);
    }
}

/// What handlers write down.
pub(super) struct Seen<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone + std::fmt::Debug> Seen<T> {
    pub(super) fn note(&self, what: T) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(what);
    }

    pub(super) fn all(&self) -> Vec<T> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until there are so many notes.
    pub(super) async fn reach(&self, count: usize) -> Vec<T> {
        eventually(SOON, &format!("{count} are seen"), async || {
            let all = self.all();
            if all.len() >= count {
                Ok(all)
            } else {
                Err(format!("{all:?}"))
            }
        })
        .await
    }
}

/// Where handlers wait until the test lets them go on.
#[derive(Clone)]
pub(super) struct Gate(Arc<tokio::sync::Semaphore>);

impl Gate {
    pub(super) fn closed() -> Self {
        Self(Arc::new(tokio::sync::Semaphore::new(0)))
    }

    pub(super) async fn pass(&self) {
        let _permit = self.0.acquire().await.expect("a gate is never torn down");
    }

    pub(super) fn open(&self) {
        self.0.add_permits(1);
    }
}

/// Proves by being dropped that what holds it is gone.
pub(super) struct DropGuard<T: Clone + std::fmt::Debug>(pub(super) Seen<T>, pub(super) T);

impl<T: Clone + std::fmt::Debug> Drop for DropGuard<T> {
    fn drop(&mut self) {
        self.0.note(self.1.clone());
    }
}

/// A handler that does nothing, for systems that are there to publish.
pub(super) async fn nothing(_: Delivery<Bytes>) -> Result<(), Failure> {
    Ok(())
}
