//! One connection of an operator's.

use std::sync::Arc;
use std::time::Duration;

use garenne_core::{Declare, Entity, Epoch, Queue};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use super::{AdminError, Finding, ServerInfo};
use crate::environment::{broker_settings, host_name};
use crate::failed::ParkingStore;
use crate::link::{
    Access, BrokerUrl, Brokers, Link, Purpose, Tls, declare_queue, greeting, inspect,
    links_runtime, message_count, plain_text_faults,
};
use crate::publish::{ConnectError, Publisher, PublisherBuilder};

/// What is dialled when nobody says anything else.
const LOCAL: &str = "amqp://localhost:5672";

/// How long closing may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// An operator's connection to a broker, on a thread of its own. It is not made again when it is
/// lost: what was asked for then fails, and says so.
pub struct BrokerAdmin {
    brokers: Vec<BrokerUrl>,
    tls: Tls,
    link: Arc<Link>,
    links: watch::Sender<Option<Arc<Link>>>,
    /// `None` while it is being dropped.
    runtime: Option<Runtime>,
}

impl BrokerAdmin {
    /// Connects to the first of these brokers that answers (addresses separated by commas), or to
    /// those in `AMQP_URL`, or to `amqp://localhost:5672`. TLS is configured by `GARENNE_TLS_CA`,
    /// `GARENNE_TLS_CERT` and `GARENNE_TLS_KEY`, and by the address itself.
    ///
    /// It answers within 10 s for the name of a host, and 20 s for each of its addresses: connect 5 s, TLS
    /// 5 s, AMQP handshake 10 s.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says what is wrong and what to do about it, never a password.
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
        let tls = settings.tls;
        let name = format!("garenne on {} (admin)", host_name());
        let addresses = Brokers {
            urls: &brokers,
            tls: &tls,
        };
        let dialling = addresses.dial(&name, guard.handle(), Purpose::Consume, Epoch(1));
        let link = dialling.await.map_err(|error| ConnectError::of(&error))?;
        // Nobody wants the news, but the link knows of its loss through its watcher.
        let (news, mut unread) = mpsc::unbounded_channel();
        guard.handle().spawn(link.watch(news));
        guard
            .handle()
            .spawn(async move { while unread.recv().await.is_some() {} });
        Ok(Self {
            links: watch::Sender::new(Some(Arc::clone(&link))),
            brokers,
            tls,
            link,
            runtime: guard.keep(),
        })
    }

    /// The address of the broker, without credentials.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.link.broker
    }

    /// The user that is logged in.
    #[must_use]
    pub fn user(&self) -> &str {
        self.url().map_or("", BrokerUrl::user)
    }

    /// A publisher to the same broker, with a link and a thread of its own.
    ///
    /// # Errors
    ///
    /// As [`BrokerAdmin::connect`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the attempt.
    pub async fn publisher(&self) -> Result<Publisher, ConnectError> {
        PublisherBuilder::to(self.brokers.clone(), self.tls.clone())
            .connect()
            .await
    }

    /// The failed messages of these queues, where they are parked.
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

    /// Who the broker is. It is asked over a connection of its own, which nobody logs in to.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when it does not answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes that connection.
    pub async fn server(&self) -> Result<ServerInfo, AdminError> {
        let url = self
            .url()
            .ok_or_else(|| AdminError::internal("the address is gone"))?;
        greeting(url, &self.tls)
            .await
            .map_err(|error| AdminError::of(&error))
    }

    /// Compares one entity of a queue's topology with what is on the broker, and changes nothing.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when the broker does not answer. That it refuses is a [`Finding`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn inspect(&self, entity: &Entity) -> Result<Finding, AdminError> {
        inspect(&self.link, entity)
            .await
            .map_err(|error| AdminError::of(&error))
    }

    /// How many messages are ready in a queue; those that consumers hold do not count.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when there is no such queue, or the broker refuses or does not answer.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn depth(&self, queue: &str) -> Result<u32, AdminError> {
        let asking = message_count(&self.link, queue);
        self.link
            .while_up(asking)
            .await
            .map_err(|error| AdminError::of(&error))
    }

    /// Declares everything that the queue needs: what is missing is made, what is there stays.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when something is there with other arguments, or the broker refuses.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, a part may have been made. Declaring again makes the rest.
    pub async fn declare(&self, queue: &Queue) -> Result<(), AdminError> {
        let queue = queue.clone().declare(Declare::Create);
        declare_queue(&self.link, &queue)
            .await
            .map(drop)
            .map_err(|error| AdminError::of(&error))
    }

    /// How often each side of the connection shows that it lives, in seconds; 0 when neither does.
    #[must_use]
    pub fn heartbeat_secs(&self) -> u16 {
        self.link.heartbeat_secs()
    }

    /// Closes the connection, within 2 s.
    pub async fn close(self) {
        self.link.close(CLOSE_PATIENCE).await;
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// The URL that the link was made with.
    fn url(&self) -> Option<&BrokerUrl> {
        let is_ours = |url: &&BrokerUrl| url.to_string() == self.link.broker;
        self.brokers.iter().find(is_ours)
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

/// Ends a runtime without waiting, as it must be ended where another runtime runs.
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
