//! An operator's connection to a broker.

use std::sync::Arc;

use garenne_core::{Declare, Entity, Epoch, Queue};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use super::{AdminError, Finding, ServerInfo};
use crate::environment::{broker_settings, host_name};
use crate::failed::ParkingStore;
use crate::link::{
    Access, BrokerUrl, Destination, Link, Purpose, declare_queue, greeting, inspect, links_runtime,
    message_count, plain_text_faults,
};
use crate::publish::{ConnectError, Publisher, PublisherBuilder};

/// The default address.
const LOCAL: &str = "amqp://localhost:5672";

/// An operator's connection to a broker, on its own thread. A lost connection is not made again: calls then
/// fail with an error that says so.
pub struct BrokerAdmin {
    destination: Destination,
    link: Arc<Link>,
    links: watch::Sender<Option<Arc<Link>>>,
    /// `None` while the connection is being dropped.
    runtime: Option<Runtime>,
}

impl BrokerAdmin {
    /// Connects to the first broker that answers: of the given addresses (separated by commas), else of
    /// `AMQP_URL`, else `amqp://localhost:5672`. TLS is configured by `GARENNE_TLS_CA`, `GARENNE_TLS_CERT`
    /// and `GARENNE_TLS_KEY`, and by the address itself.
    ///
    /// The call takes at most 10 s for the name of a host, and 20 s for each of its addresses: connect 5 s,
    /// TLS 5 s, AMQP handshake 10 s.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says what is wrong and how to mend the fault; it never contains a password.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the attempt.
    pub async fn connect(brokers: Option<&str>) -> Result<Self, ConnectError> {
        let settings = broker_settings();
        let (brokers, mut faults) = match (brokers, settings.brokers) {
            (Some(given), _) => BrokerUrl::parse_list("broker address", given),
            (None, Some(configured)) => (configured, Vec::new()),
            (None, None) => BrokerUrl::parse_list("broker address", LOCAL),
        };
        faults.extend(settings.faults);
        faults.extend(plain_text_faults(&brokers, &settings.tls));
        if !faults.is_empty() {
            return Err(ConnectError::faulty(&faults));
        }
        let runtime = links_runtime().map_err(|error| ConnectError::internal(&error))?;
        let guard = RuntimeGuard(Some(runtime));
        let destination = Destination {
            brokers,
            tls: settings.tls,
            name: format!("garenne on {} (admin)", host_name()),
            runtime: guard.handle().clone(),
        };
        // No task reads the news.
        let (news, _) = mpsc::unbounded_channel();
        let dialling = destination.dial(Purpose::Consume, Epoch(1), news);
        let link = dialling.await.map_err(|error| ConnectError::of(&error))?;
        Ok(Self {
            links: watch::Sender::new(Some(Arc::clone(&link))),
            destination,
            link,
            runtime: guard.keep(),
        })
    }

    /// The address of the broker, without credentials.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.link.broker
    }

    /// The user of the connection.
    #[must_use]
    pub fn user(&self) -> &str {
        self.url().map_or("", BrokerUrl::user)
    }

    /// A publisher to the same broker, with its own link and thread.
    ///
    /// # Errors
    ///
    /// As for [`BrokerAdmin::connect`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the attempt.
    pub async fn publisher(&self) -> Result<Publisher, ConnectError> {
        let Destination { brokers, tls, .. } = &self.destination;
        PublisherBuilder::to(brokers.clone(), tls.clone())
            .connect()
            .await
    }

    /// The failed messages of these queues, in their parking queues.
    #[must_use]
    pub fn failed(
        &self,
        publisher: &Publisher,
        queues: impl IntoIterator<Item = impl Into<String>>,
    ) -> ParkingStore {
        let queues = queues.into_iter().map(Into::into).collect();
        ParkingStore::new(
            Access::Shared(self.links.subscribe()),
            publisher.clone(),
            queues,
        )
    }

    /// The product, version, cluster and platform of the broker. The question goes over a separate
    /// connection, without a login.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when the broker does not answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes that connection.
    pub async fn server(&self) -> Result<ServerInfo, AdminError> {
        let url = self
            .url()
            .ok_or_else(|| AdminError::internal("the address is gone"))?;
        greeting(url, &self.destination.tls)
            .await
            .map_err(|error| AdminError::of(&error))
    }

    /// Compares an entity of a queue's topology with its state on the broker, and changes nothing.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when the broker does not answer. A refusal is not an error but a [`Finding`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn inspect(&self, entity: &Entity) -> Result<Finding, AdminError> {
        inspect(&self.link, entity)
            .await
            .map_err(|error| AdminError::of(&error))
    }

    /// How many messages are ready in a queue; messages that consumers hold do not count.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when the queue does not exist, or the broker refuses or does not answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn depth(&self, queue: &str) -> Result<u32, AdminError> {
        let asking = message_count(&self.link, queue);
        self.link
            .while_up(asking)
            .await
            .map_err(|error| AdminError::of(&error))
    }

    /// Declares every entity that the queue needs: missing entities are made, existing entities stay.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when an entity exists with other arguments, or the broker refuses.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, some entities may have been made. Declaring again makes the rest.
    pub async fn declare(&self, queue: &Queue) -> Result<(), AdminError> {
        let queue = queue.clone().declare(Declare::Create);
        declare_queue(&self.link, &queue)
            .await
            .map(drop)
            .map_err(|error| AdminError::of(&error))
    }

    /// The heartbeat interval of the connection, in seconds; 0 when neither side sends heartbeats.
    #[must_use]
    pub fn heartbeat_secs(&self) -> u16 {
        self.link.heartbeat_secs()
    }

    /// Closes the connection, within 2 s.
    pub async fn close(self) {
        self.link.close().await;
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// The URL of the link.
    fn url(&self) -> Option<&BrokerUrl> {
        let is_ours = |url: &&BrokerUrl| url.to_string() == self.link.broker;
        self.destination.brokers.iter().find(is_ours)
    }
}

impl Drop for BrokerAdmin {
    fn drop(&mut self) {
        self.links.send_replace(None);
        drop(RuntimeGuard(self.runtime.take()));
    }
}

impl std::fmt::Debug for BrokerAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrokerAdmin")
            .field("address", &self.link.broker)
            .finish_non_exhaustive()
    }
}

/// Ends a runtime without waiting, because a runtime may not be waited for inside another runtime.
struct RuntimeGuard(Option<Runtime>);

impl RuntimeGuard {
    fn handle(&self) -> &tokio::runtime::Handle {
        self.0
            .as_ref()
            .expect("it is taken out only when the guard is given up")
            .handle()
    }

    fn keep(mut self) -> Option<Runtime> {
        self.0.take()
    }
}

impl Drop for RuntimeGuard {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
