//! Links: AMQP connections with one purpose, one incarnation number and a watcher each.

mod address;
mod bell;
mod declare;
mod dial;
mod error;
mod greeting;
mod inspect;
mod kit;
mod levels;
mod socket;
mod tls;
mod wakes;
mod watch;

pub use address::BrokerUrl;
pub(crate) use bell::Bell;
pub(crate) use declare::{declare_entities, declare_lane, declare_queue, message_count};
pub(crate) use dial::Brokers;
pub(crate) use error::{Kind, LinkError, timed_out};
pub use greeting::ServerInfo;
pub(crate) use greeting::greeting;
pub use inspect::Finding;
pub(crate) use inspect::inspect;
pub(crate) use levels::{bind_destination, declare_levels};
pub use tls::Tls;
pub(crate) use wakes::Gently;
pub(crate) use watch::{LinkEvent, LinkNews};

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use garenne_core::Epoch;
use lapin::{Channel, Connection};
use tokio::sync::watch as watch_channel;
use tokio::time::timeout;

use dial::SocketGuard;
use wakes::Wakes;

/// How long one AMQP call (opening a channel, a declare, a cancel) may take. Calls can hang: a
/// declare on a dead node's classic queue was seen to take 12 s.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// From so many on, the broker sends enough at a time. Below, it sends little and waits for acks, and
/// fetching each bit at once costs more than the way by the reactor: at 100 it left an eighth fewer
/// messages per second.
const MUCH: usize = 256;

/// What a link is for. There are two, because `connection.blocked` stops *all* writes of a
/// connection that has published, its acks included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    Consume,
    Publish,
}

impl Purpose {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Consume => "consume",
            Self::Publish => "publish",
        }
    }
}

/// What tasks and a link's I/O thread wake each other with.
#[derive(Clone, Debug)]
struct IoThread {
    bell: Bell,
    wakes: Wakes,
}

impl IoThread {
    fn new() -> io::Result<Self> {
        Ok(Self {
            bell: Bell::new()?,
            wakes: Wakes::default(),
        })
    }
}

/// One incarnation of a link. Whoever holds it may use it for as long as it works; the newest one
/// is announced through a [`LinkWatch`].
pub(crate) struct Link {
    pub(crate) purpose: Purpose,
    pub(crate) epoch: Epoch,
    /// The broker's address, without credentials.
    pub(crate) broker: String,
    connection: Connection,
    thread: IoThread,
    /// Ends the socket when the last holder of the link is gone.
    _socket: SocketGuard,
    /// Why the broker blocks this connection, while it does.
    blocked: watch_channel::Sender<Option<String>>,
    /// Set before we close it ourselves, so that its end is not taken for a loss.
    closing: AtomicBool,
    /// Set once it is known to be lost.
    lost: watch_channel::Sender<bool>,
}

/// Sees the current link of one purpose come and go.
pub(crate) type LinkWatch = watch_channel::Receiver<Option<Arc<Link>>>;

impl Link {
    fn new(
        purpose: Purpose,
        epoch: Epoch,
        broker: String,
        connection: Connection,
        thread: IoThread,
        socket: SocketGuard,
    ) -> Arc<Self> {
        Arc::new(Self {
            purpose,
            epoch,
            broker,
            connection,
            thread,
            _socket: socket,
            blocked: watch_channel::Sender::new(None),
            closing: AtomicBool::new(false),
            lost: watch_channel::Sender::new(false),
        })
    }

    /// The size of the largest frame that both sides agreed on, in bytes.
    pub(crate) fn frame_max(&self) -> usize {
        usize::try_from(self.connection.configuration().frame_max()).unwrap_or(usize::MAX)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.connection.status().connected()
    }

    /// Sees when the broker blocks and unblocks this connection.
    pub(crate) fn blocked(&self) -> watch_channel::Receiver<Option<String>> {
        self.blocked.subscribe()
    }

    /// For those who write much on this link: they ring when they have handed something over.
    pub(crate) fn bell(&self) -> Bell {
        self.thread.bell.clone()
    }

    /// For those who wait for what much of comes on this link.
    pub(crate) fn gently(&self) -> Gently {
        Gently::new(self.thread.wakes.clone())
    }

    /// The broker may send so many messages or confirms at once. If that is much, the link's I/O thread
    /// waits for them by itself from now on, and what is handed over without the bell may lie for a
    /// millisecond before it is written.
    pub(crate) fn expects(&self, at_once: usize) {
        if at_once >= MUCH {
            self.thread.bell.is_used_from_now_on();
        }
    }

    /// Sees the loss of this link, without keeping it.
    pub(crate) fn loss(&self) -> Loss {
        Loss(self.lost.subscribe())
    }

    /// See [`Loss::or`].
    pub(crate) async fn while_up<T>(
        &self,
        work: impl Future<Output = Result<T, LinkError>>,
    ) -> Result<T, LinkError> {
        self.loss().or(work).await
    }

    pub(crate) async fn open_channel(&self) -> Result<Channel, LinkError> {
        call("opening a channel", self.connection.create_channel()).await
    }

    /// Closes the connection as AMQP wants it; gives up after `patience`. The socket is gone in any
    /// case when the last holder drops the link.
    pub(crate) async fn close(&self, patience: Duration) {
        self.closing.store(true, Ordering::Relaxed);
        let _ = timeout(patience, self.connection.close(200, "OK".into())).await;
    }
}

/// The loss of a link, as something to wait for.
#[derive(Clone)]
pub(crate) struct Loss(watch_channel::Receiver<bool>);

impl Loss {
    /// Waits for it.
    pub(crate) async fn happened(&mut self) {
        // A link that is dropped is lost as well.
        let _ = self.0.wait_for(|lost| *lost).await;
    }

    /// Awaits something that is done over the link, for as long as there is a link.
    ///
    /// A call that is made while the client takes the connection down gets no answer at all: without
    /// this it would wait for its whole deadline while a new link is long up.
    pub(crate) async fn or<T>(
        mut self,
        work: impl Future<Output = Result<T, LinkError>>,
    ) -> Result<T, LinkError> {
        tokio::select! {
            biased;
            result = work => result,
            _ = self.0.wait_for(|lost| *lost) => Err(LinkError::transient("the link was lost meanwhile")),
        }
    }
}

/// Awaits one AMQP call, under its deadline.
pub(crate) async fn call<T>(
    what: &str,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, LinkError> {
    match timeout(CALL_TIMEOUT, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(LinkError::of(&error).while_doing(what)),
        Err(_) => Err(timed_out(what, CALL_TIMEOUT)),
    }
}
