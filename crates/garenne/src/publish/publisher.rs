//! The publisher of the user's own messages.

use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::entrance::{Entrance, Entry};
use super::keeper::Home;
use super::levels::Levels;
use super::owner::start_requests;
use super::replies::Replies;
use super::request::Desk;
use super::room::{MAX_BYTES, MAX_MESSAGES, Room};
use super::{
    ConnectError, Jobs, Limits, Outgoing, PublishError, PublisherBuilder, PublisherStatus,
    RequestError, SendAll, WhenDown,
};
use crate::body::Body;
use crate::link::{Link, LinkWatch};

/// Sends messages, each confirmed by the broker. A publisher is cheap to clone. All clones share a channel
/// and pipeline their confirms, so concurrent sends cost a single round trip together.
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
    when_down: WhenDown,
}

/// The state that all clones of a publisher share.
struct Shared {
    entrance: Entrance,
    requests: Desk,
    links: LinkWatch,
    /// The thread of the link; `None` when a system owns the link.
    home: Option<Home>,
}

/// How long a send waits for its confirm by default. Time in which the broker blocks publishers does not
/// count.
pub(crate) const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);

impl Publisher {
    /// A publisher for a program that consumes nothing. It connects over a link of its own to the broker with
    /// this address, `amqp://user:password@host:5672/vhost`. Several addresses are separated by commas and
    /// tried in turn.
    ///
    /// The link lives on its own thread and reconnects by itself after an outage. The publisher works inside
    /// any tokio runtime. [`Publisher::builder`] has more settings.
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
    /// [`ConnectError`]: connection refused, wrong password, missing virtual host, invalid address. The error
    /// says what to do about it. It comes after at most 10 s for a name and 20 s for each address.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the attempt.
    pub async fn connect(brokers: impl AsRef<str>) -> Result<Self, ConnectError> {
        Self::builder(brokers).connect().await
    }

    /// Like [`Publisher::connect`], with settings. A fault in the address is reported when the publisher
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

    /// A publisher whose messages wait until its tasks are started.
    pub(crate) fn unstarted(links: LinkWatch) -> (Self, Tasks) {
        Self::made_of(Room::new(MAX_MESSAGES, MAX_BYTES), links, None)
    }

    /// A publisher with a link of its own.
    pub(super) fn at_home(home: Home, limits: Limits, room: Room) -> Self {
        let links = home.links();
        let runtime = home.runtime().cloned();
        let (publisher, tasks) = Self::made_of(room, links.clone(), Some(home));
        if let Some(runtime) = runtime {
            tasks.start(&runtime, &links, limits);
        }
        publisher.set_patience(limits.confirm_timeout);
        publisher
    }

    fn made_of(room: Room, links: LinkWatch, home: Option<Home>) -> (Self, Tasks) {
        let (sends, send_jobs) = super::channel();
        let (requests, request_jobs) = super::channel();
        let replies = Replies::new(Arc::clone(room.tally()));
        let tasks = Tasks {
            sends: send_jobs,
            requests: request_jobs,
            replies: replies.clone(),
        };
        let shared = Shared {
            entrance: Entrance::new(sends, room.clone()),
            requests: Desk {
                entrance: Entrance::new(requests, room),
                replies,
            },
            links,
            home,
        };
        let publisher = Self {
            shared: Arc::new(shared),
            levels: Levels::new(),
            when_down: WhenDown::default(),
        };
        (publisher, tasks)
    }

    /// Returns when no send is in progress.
    pub(crate) async fn idle(&self) {
        self.shared.entrance.idle().await;
        self.shared.requests.entrance.idle().await;
    }

    pub(crate) fn set_patience(&self, confirm_timeout: Duration) {
        let requests = &self.shared.requests.entrance;
        for entrance in [&self.shared.entrance, requests] {
            entrance.set_confirm_timeout(confirm_timeout);
        }
    }

    /// Sets what this clone does with a message while the broker cannot take it, unless the message says
    /// otherwise. Other clones keep their setting. The default is [`WhenDown::FailFast`].
    #[must_use = "the clone that it is called on is given back changed"]
    pub fn when_down(self, when_down: WhenDown) -> Self {
        Self { when_down, ..self }
    }

    /// The messages that the publisher holds, its counts, and the state of its link.
    #[must_use]
    pub fn status(&self) -> PublisherStatus {
        PublisherStatus::of(&self.shared.links, self.shared.entrance.tally())
    }

    /// Ends the publisher and all its clones. It takes no new message, waits until every send in progress has
    /// its answer, then closes the link (2 s at most) and ends its thread.
    ///
    /// Dropping the last clone closes the link too, without waiting: a message whose future was dropped
    /// before may be stored or not. A system's publisher ends with its system; for it, this call only waits
    /// for the sends in progress.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the publisher still takes no new messages; a second call continues the
    /// close.
    pub async fn close(&self) {
        if let Some(home) = &self.shared.home {
            self.shared.entrance.close();
            self.shared.requests.entrance.close();
            self.idle().await;
            home.close().await;
        } else {
            self.idle().await;
        }
    }

    /// The size of the largest frame, in bytes; `None` while there is no link.
    pub(crate) fn frame_max(&self) -> Option<usize> {
        let link = self.shared.links.borrow();
        link.as_ref().map(|link| link.frame_max())
    }

    /// The publish link, for work that a message needs before it is sent. While the link is down, this waits
    /// as long as the message may wait.
    pub(super) async fn link(&self, message: &Outgoing) -> Result<Arc<Link>, PublishError> {
        self.link_when_up(message.when_down).await
    }

    pub(super) async fn link_when_up(
        &self,
        when_down: Option<WhenDown>,
    ) -> Result<Arc<Link>, PublishError> {
        let mut links = self.shared.links.clone();
        let when_down = when_down.unwrap_or(self.when_down);
        let patience = match when_down {
            WhenDown::FailFast => Duration::ZERO,
            WhenDown::WaitUpTo(wait) | WhenDown::Buffer { max_age: wait, .. } => wait,
        };
        match timeout(patience, links.wait_for(Option::is_some)).await {
            Ok(Ok(link)) => link.clone(),
            Ok(Err(_)) | Err(_) => None,
        }
        .ok_or_else(|| PublishError::Disconnected {
            reason: "the publish link is down".to_owned(),
            sent: false,
        })
    }

    /// Publishes a message and returns when the broker has confirmed it: the message is in every queue that
    /// it was routed to, and on disk where queue and message are durable.
    ///
    /// The call always returns. While the broker cannot take messages, [`WhenDown`] decides how long it
    /// waits. After that it waits for a place in the window and for the confirm. Each of these waits is at
    /// most the confirm timeout (10 s unless set); time in which the broker blocks publishers does not count.
    /// The total is at most the longer of the `WhenDown` limit and the confirm timeout, plus two confirm
    /// timeouts.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; [`PublishError::may_be_stored`] says whether the broker may have stored the message
    /// nevertheless.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before the message was handed to the link, the message is not sent. After
    /// that it may be stored.
    pub async fn send(&self, message: Outgoing) -> Result<(), PublishError> {
        let ticket = match self.try_hand_over(message) {
            Entry::Entered(ticket) => ticket?,
            Entry::Waits(waiting) => waiting.enter().await?,
        };
        ticket.await
    }

    /// Publishes many messages, pipelined, and gives their results in the order of the messages.
    ///
    /// It pulls the next message when the window has a place for it, so a source of any length takes bounded
    /// memory: 1,024 messages and 64 MiB unless the publisher has other bounds, plus a message that waits
    /// for its place. If the caller does not take results, sending stops too: see [`SendAll`].
    ///
    /// ```no_run
    /// # use garenne::prelude::*;
    /// # async fn example(publisher: Publisher) {
    /// let orders = (0..1_000_000).map(|n: u32| Outgoing::to_queue("orders", Json(n)));
    /// let sent = publisher.send_all(orders).finish().await;
    /// println!("{} confirmed, {} failed", sent.confirmed, sent.failed);
    /// # }
    /// ```
    pub fn send_all<'a, M>(&self, messages: M) -> SendAll<'a>
    where
        M: IntoIterator<Item = Outgoing>,
        M::IntoIter: Send + 'a,
    {
        self.send_stream(futures_util::stream::iter(messages))
    }

    /// Like [`Publisher::send_all`], for messages that come over time.
    pub fn send_stream<'a>(
        &self,
        messages: impl Stream<Item = Outgoing> + Send + 'a,
    ) -> SendAll<'a> {
        SendAll::new(self.clone(), Box::pin(messages))
    }

    /// Sends a message and waits for the reply, over RabbitMQ's direct reply-to. No queue is made for
    /// replies, and requests are pipelined like sends. A garenne handler answers with
    /// [`Delivery::reply`](crate::Delivery::reply). Any other consumer publishes its reply to the queue that
    /// `reply_to` names, with the request's correlation id.
    ///
    /// ```no_run
    /// # use garenne::prelude::*;
    /// # async fn example(publisher: Publisher) -> Result<(), Box<dyn std::error::Error>> {
    /// let question = Outgoing::to_queue("prices", Json("garlic"));
    /// let Json(cents): Json<u32> = publisher.request(question, 2.secs()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// This call sets `reply_to` and the correlation id, whatever the message has. A request fails at once
    /// when there is no link, unless the message itself says otherwise ([`Outgoing::when_down`]); the
    /// publisher's own setting does not apply. The handler may run more than once, as for any message. A
    /// request whose deadline is over stays in its queue: set [`Outgoing::expires_after`] where late handling
    /// is of no use.
    ///
    /// # Errors
    ///
    /// [`RequestError`]: at once when it is known that no reply can come, because no queue takes the message
    /// or the link is lost; otherwise when the deadline is over.
    ///
    /// # Cancel safety
    ///
    /// As for [`Publisher::send`]. A reply that comes after the future was dropped is discarded and counted
    /// ([`PublisherStatus::late_replies`]).
    pub async fn request<T: Body>(
        &self,
        message: Outgoing,
        deadline: Duration,
    ) -> Result<T, RequestError> {
        self.shared.requests.ask(message, deadline).await
    }

    /// Hands a message over if the window has a place for it now.
    pub(super) fn try_hand_over(&self, message: Outgoing) -> Entry {
        self.shared.entrance.try_enter(message, self.when_down)
    }
}

/// The tasks of a publisher that are not started yet.
pub(crate) struct Tasks {
    sends: Jobs,
    requests: Jobs,
    replies: Replies,
}

impl Tasks {
    /// Starts the tasks on the runtime of the links.
    pub(crate) fn start(self, runtime: &Handle, links: &LinkWatch, limits: Limits) {
        super::start(runtime, self.sends, links.clone(), limits);
        start_requests(runtime, self.requests, links.clone(), limits, self.replies);
    }
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}
