//! The user's own messages.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::keeper::Home;
use super::levels::Levels;
use super::{
    ConfirmChannel, ConnectError, Job, Limits, Outgoing, PublishError, PublisherBuilder,
    WhenBlocked,
};
use crate::link::{Link, LinkWatch};

/// Sends messages, each confirmed by the broker. Cheap to clone; all clones share one channel whose
/// confirms are pipelined, so sending concurrently costs a round trip in all, not one each.
///
/// ```no_run
/// # use garenne::prelude::*;
/// # async fn example(publisher: Publisher) -> Result<(), PublishError> {
/// publisher.send(Outgoing::to_queue("invoices", Text("no. 7".into()))).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
    pub(super) levels: Arc<Levels>,
}

/// What all clones of a publisher have in common.
struct Shared {
    channel: ConfirmChannel,
    links: LinkWatch,
    /// Set when the system is built.
    patience: OnceLock<Duration>,
    /// One receiver for each send that is under way.
    under_way: watch::Sender<()>,
    closed: AtomicBool,
    /// The link's own thread, where no system has one.
    home: Option<Home>,
}

/// How long a confirm is waited for unless the builder says otherwise, not counting time in which
/// the broker blocks publishers.
pub(crate) const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);

impl Publisher {
    /// A publisher for a program that consumes nothing: connects to the broker (or the brokers,
    /// separated by commas and tried in turn) with this address,
    /// `amqp://user:password@host:5672/vhost`, over a link of its own.
    ///
    /// The link lives on a thread of its own and comes back by itself after an outage. It works
    /// inside any tokio runtime. [`Publisher::builder`] has more settings.
    ///
    /// ```no_run
    /// # use garenne::prelude::*;
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let publisher = Publisher::connect("amqp://app:secret@mq.example/shop").await?;
    /// publisher.send(Outgoing::to_queue("orders", Json([1, 2, 3]))).await?;
    /// publisher.close().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConnectError`], after 20 s for each address at most: connection refused, wrong password,
    /// missing virtual host, an address that is none, and what to do about it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the attempt.
    pub async fn connect(brokers: impl AsRef<str>) -> Result<Self, ConnectError> {
        Self::builder(brokers).connect().await
    }

    /// Like [`Publisher::connect`], with settings. What is wrong with the address is told when it
    /// connects.
    pub fn builder(brokers: impl AsRef<str>) -> PublisherBuilder {
        PublisherBuilder::new(brokers.as_ref())
    }

    /// Like [`Publisher::builder`], with the address from `AMQP_URL` (by default
    /// `amqp://localhost:5672`) and TLS from `GARENNE_TLS_CA`, `GARENNE_TLS_CERT` and
    /// `GARENNE_TLS_KEY`, as [`SystemBuilder::from_env`](crate::SystemBuilder::from_env) reads them.
    pub fn from_env() -> PublisherBuilder {
        PublisherBuilder::from_env()
    }

    pub(crate) fn new(channel: ConfirmChannel, links: LinkWatch) -> Self {
        Self::made_of(channel, links, None)
    }

    /// A publisher with a link of its own.
    pub(super) fn at_home(home: Home, limits: Limits) -> Self {
        let (channel, jobs) = super::channel();
        let links = home.links();
        if let Some(runtime) = home.runtime() {
            super::start(runtime, jobs, links.clone(), limits);
        }
        let publisher = Self::made_of(channel, links, Some(home));
        publisher.set_patience(limits.confirm_timeout);
        publisher
    }

    fn made_of(channel: ConfirmChannel, links: LinkWatch, home: Option<Home>) -> Self {
        Self {
            shared: Arc::new(Shared {
                channel,
                links,
                patience: OnceLock::new(),
                under_way: watch::Sender::new(()),
                closed: AtomicBool::new(false),
                home,
            }),
            levels: Levels::new(),
        }
    }

    /// Returns when no send is under way.
    pub(crate) async fn idle(&self) {
        self.shared.under_way.closed().await;
    }

    pub(crate) fn set_patience(&self, confirm_timeout: Duration) {
        // A system is built once.
        let _ = self.shared.patience.set(confirm_timeout);
    }

    /// Ends the publisher and all its clones: takes no new message, waits until every send that is
    /// under way has its answer, then closes the link (2 s at most) and ends its thread.
    ///
    /// Dropping the last clone closes the link too, without waiting: a message whose future was
    /// dropped before may then be stored or not. A system's publisher ends with its system; here it
    /// only waits for the sends that are under way.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the publisher without new messages; calling it again goes on.
    pub async fn close(&self) {
        if let Some(home) = &self.shared.home {
            self.shared.closed.store(true, Ordering::SeqCst);
            self.idle().await;
            home.close().await;
        } else {
            self.idle().await;
        }
    }

    /// The publish link, if there is one now.
    pub(super) fn link(&self) -> Result<Arc<Link>, PublishError> {
        let link = self.shared.links.borrow().clone();
        link.ok_or_else(|| PublishError::Disconnected {
            reason: "the publish link is down".to_owned(),
            sent: false,
        })
    }

    /// Publishes one message and returns when the broker has taken responsibility for it: it lies in
    /// every queue that it was routed to, on disk where queue and message are durable.
    ///
    /// It answers within a bounded time: a link that is down is an error at once; the confirm is
    /// waited for 10 s by default.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; [`PublishError::may_be_stored`] says whether the message may be on the
    /// broker nevertheless.
    ///
    /// # Cancel safety
    ///
    /// A message whose future is dropped before it was handed to the link is not sent; after that
    /// it may be stored.
    pub async fn send(&self, message: Outgoing) -> Result<(), PublishError> {
        let Outgoing {
            exchange,
            routing_key,
            properties,
            body,
            mandatory,
        } = message;
        let (mut job, answer) = Job::new(
            exchange,
            routing_key,
            properties,
            body?,
            WhenBlocked::GiveUp,
        );
        job.mandatory = mandatory;
        let _under_way = self.shared.under_way.subscribe();
        if self.shared.closed.load(Ordering::SeqCst) {
            let reason = "the publisher was closed".to_owned();
            return Err(PublishError::Disconnected {
                reason,
                sent: false,
            });
        }
        let patience = *self.shared.patience.get().unwrap_or(&CONFIRM_TIMEOUT);
        // With the window full, waiting for room is bounded like waiting for the confirm.
        if timeout(patience, self.shared.channel.ready())
            .await
            .is_err()
        {
            let blocked = self
                .shared
                .links
                .borrow()
                .as_ref()
                .and_then(|link| link.blocked().borrow().clone());
            return Err(match blocked {
                Some(reason) => PublishError::Blocked { reason },
                None => PublishError::Timeout { after: patience },
            });
        }
        self.shared.channel.publish(job, answer).await
    }
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}
