//! The user's own messages.

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
    when_down: WhenDown,
}

/// What all clones of a publisher have in common.
struct Shared {
    entrance: Entrance,
    requests: Desk,
    links: LinkWatch,
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
    /// [`ConnectError`], after 10 s for a name and 20 s for each address at most: connection refused, wrong password,
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

    /// Returns when no send is under way.
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

    /// The same publisher, whose messages do this while the broker cannot take them, unless a message
    /// says otherwise. Other clones keep what they do; by default it is [`WhenDown::FailFast`].
    #[must_use = "the clone that it is called on is given back changed"]
    pub fn when_down(self, when_down: WhenDown) -> Self {
        Self { when_down, ..self }
    }

    /// What it holds, what it has done, and its link.
    #[must_use]
    pub fn status(&self) -> PublisherStatus {
        PublisherStatus::of(&self.shared.links, self.shared.entrance.tally())
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

    /// The publish link, for what a message needs before it is sent. One that is down is waited for as
    /// long as the message may wait.
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

    /// Publishes one message and returns when the broker has taken responsibility for it: it lies in
    /// every queue that it was routed to, on disk where queue and message are durable.
    ///
    /// It always answers. While the broker cannot take messages, [`WhenDown`] decides; after that
    /// there are the waits for a place in the window and for the confirm, each as long as the confirm
    /// timeout (10 s unless set) and not counted while the broker blocks. All in all: what `WhenDown`
    /// allows or the confirm timeout, whichever is longer, and at most two confirm timeouts more.
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
        let ticket = match self.try_hand_over(message) {
            Entry::Entered(ticket) => ticket?,
            Entry::Waits(waiting) => waiting.enter().await?,
        };
        ticket.await
    }

    /// Publishes many messages, pipelined, and gives their results in the order of the messages.
    ///
    /// It pulls the next message when there is a place for it in the window, so a source of any
    /// length takes bounded memory: 1,024 messages and 64 MiB unless the publisher was made with
    /// other bounds, and one message that waits for its place. Results that nobody takes stop it too:
    /// see [`SendAll`].
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

    /// Sends a message and waits for the reply, over RabbitMQ's direct reply-to: no queue is made for
    /// replies, and requests are pipelined like sends. A garenne handler answers with
    /// [`Delivery::reply`](crate::Delivery::reply); any other consumer by publishing to the queue that
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
    /// `reply_to` and the correlation id are set here, whatever the message has. A request fails at
    /// once when there is no link, unless the message itself says otherwise
    /// ([`Outgoing::when_down`]); what the publisher does with sends does not count. The handler may
    /// run more than once, as for any message. A request whose deadline is over stays in its queue: give it
    /// an [`Outgoing::expires_after`] where handling it late is of no use.
    ///
    /// # Errors
    ///
    /// [`RequestError`], at once when it is known that no reply can come: nobody takes the message,
    /// or the link is lost. At the latest when the deadline is over.
    ///
    /// # Cancel safety
    ///
    /// As [`Publisher::send`]. A reply that comes when the future was dropped is dropped and counted
    /// ([`PublisherStatus::late_replies`]).
    pub async fn request<T: Body>(
        &self,
        message: Outgoing,
        deadline: Duration,
    ) -> Result<T, RequestError> {
        self.shared.requests.ask(message, deadline).await
    }

    /// Hands a message over if there is a place for it at once.
    pub(super) fn try_hand_over(&self, message: Outgoing) -> Entry {
        self.shared.entrance.try_enter(message, self.when_down)
    }
}

/// The tasks of a publisher, until they are started.
pub(crate) struct Tasks {
    sends: Jobs,
    requests: Jobs,
    replies: Replies,
}

impl Tasks {
    /// Starts them on the links' runtime.
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
