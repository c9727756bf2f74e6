//! Links: AMQP connections with one purpose, one incarnation number and a watcher each.

mod address;
mod adopt;
mod advice;
mod candidates;
mod declare;
mod dial;
mod difference;
mod error;
mod greeting;
mod inspect;
mod io;
mod levels;
mod parameters;
mod restore;
mod solo;
mod tls;
mod visit;
mod watch;

pub use address::BrokerUrl;
pub(crate) use address::plain_text_faults;
pub(crate) use adopt::{Consumers, find_out};
pub use adopt::{is_usable, risks};
pub(crate) use declare::{
    Load, declare_entities, declare_lane, declare_one, declare_queue, declare_topology, load,
    message_count,
};
pub(crate) use dial::Brokers;
pub use difference::Difference;
pub(crate) use error::{Kind, LinkError, timed_out};
pub use greeting::ServerInfo;
pub(crate) use greeting::greeting;
pub use inspect::Finding;
pub(crate) use inspect::inspect;
pub(crate) use io::{Incoming, Port, Publish, Subscription, Writer};
pub(crate) use levels::{bind_destination, declare_levels};
pub(crate) use parameters::is_contents;
pub(crate) use restore::{restore, restore_gone};
pub use tls::Tls;
pub(crate) use visit::{Access, Destination, Visit};
pub(crate) use watch::{LinkEvent, LinkNews};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use garenne_core::Epoch;
use lapin::{Channel, Connection, ErrorKind};
use tokio::sync::watch as watch_channel;
use tokio::time::timeout;
use tracing::warn;

use dial::SocketGuard;
use error::GONE;

/// How long one AMQP call (opening a channel, a declare, a cancel) may take. Calls can hang: a
/// declare on a dead node's classic queue was seen to take 12 s.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(15);

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

/// One incarnation of a link. Whoever holds it may use it for as long as it works; the newest one
/// is announced through a [`LinkWatch`].
pub(crate) struct Link {
    pub(crate) purpose: Purpose,
    pub(crate) epoch: Epoch,
    /// The broker's address, without credentials.
    pub(crate) broker: String,
    connection: Connection,
    /// Reads and writes its bytes.
    io: Arc<io::Shared>,
    /// Ends the socket when the last holder of the link is gone.
    _socket: SocketGuard,
    /// Why the broker blocks this connection, while it does.
    blocked: watch_channel::Sender<Option<String>>,
    /// Set before we close it ourselves, so that its end is not taken for a loss.
    closing: AtomicBool,
    /// What is in flight on all of its confirm channels.
    pub(crate) solo: solo::Solo,
    /// Some channel numbers are of no use any more.
    has_lost_numbers: AtomicBool,
}

/// Sees the current link of one purpose come and go.
pub(crate) type LinkWatch = watch_channel::Receiver<Option<Arc<Link>>>;

impl Link {
    fn new(
        purpose: Purpose,
        epoch: Epoch,
        broker: String,
        connection: Connection,
        io: Arc<io::Shared>,
        socket: SocketGuard,
    ) -> Arc<Self> {
        Arc::new(Self {
            purpose,
            epoch,
            broker,
            connection,
            io,
            _socket: socket,
            blocked: watch_channel::Sender::new(None),
            closing: AtomicBool::new(false),
            solo: solo::Solo::default(),
            has_lost_numbers: AtomicBool::new(false),
        })
    }

    /// The size of the largest frame that both sides agreed on, in bytes.
    pub(crate) fn frame_max(&self) -> usize {
        self.io.frame_max()
    }

    /// How often each side shows that it lives, in seconds; 0 when neither does.
    pub(crate) fn heartbeat_secs(&self) -> u16 {
        self.connection.configuration().heartbeat()
    }

    /// Says that nobody will notice when the other side is gone without a word.
    pub(crate) fn warn_without_heartbeat(&self) {
        if self.heartbeat_secs() == 0 {
            warn!(
                event = "no_heartbeat",
                purpose = self.purpose.as_str(),
                "neither this service nor the broker sends heartbeats: a link that is cut without a word is found dead only when something is \
                 written, or never; leave `heartbeat` out of the address, or set it above 0 on either side"
            );
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        !self.io.has_ended() && self.connection.status().connected()
    }

    /// Why it was lost as soon as it was up.
    pub(crate) fn why_lost(&self) -> LinkError {
        let why = self.io.end_of();
        let why = why.unwrap_or_else(|| LinkError::transient(GONE));
        let purpose = self.purpose.as_str();
        why.while_doing(format_args!(
            "the {purpose} link was lost as soon as it was up"
        ))
    }

    /// Sees when the broker blocks and unblocks this connection.
    pub(crate) fn blocked(&self) -> watch_channel::Receiver<Option<String>> {
        self.blocked.subscribe()
    }

    /// Sees the loss of this link, without keeping it.
    pub(crate) fn loss(&self) -> Loss {
        Loss(self.io.ended())
    }

    /// See [`Loss::or`].
    pub(crate) async fn while_up<T>(
        &self,
        work: impl Future<Output = Result<T, LinkError>>,
    ) -> Result<T, LinkError> {
        self.loss().or(work).await
    }

    /// A channel for questions with an answer: declares, and the like.
    pub(crate) async fn open_channel(&self) -> Result<Channel, LinkError> {
        call("opening a channel", self.create_channel()).await
    }

    /// lapin takes the number of a channel that the broker has closed for closed for ever: whoever gets the
    /// number next gets the old channel's error. Then the next number is tried. When none is left, another
    /// connection has to be made.
    async fn create_channel(&self) -> lapin::Result<Channel> {
        loop {
            let error = match self.connection.create_channel().await {
                Ok(channel) => return Ok(channel),
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::ProtocolError(_) | ErrorKind::InvalidChannelState(..)
                    if self.is_up() =>
                {
                    self.has_lost_numbers.store(true, Ordering::Relaxed);
                }
                ErrorKind::ChannelsLimitReached
                    if self.has_lost_numbers.load(Ordering::Relaxed) =>
                {
                    self.io.end(&LinkError::transient(
                        "the broker has closed so many channels that the connection has no numbers for others",
                    ));
                    return Err(error);
                }
                _ => return Err(error),
            }
        }
    }

    /// A channel for messages. `label` says in errors whom it serves.
    pub(crate) async fn open_port(&self, label: impl Into<String>) -> Result<Port, LinkError> {
        let channel = self.open_channel().await?;
        let io = Arc::clone(&self.io);
        Ok(Port::new(channel, io, self.loss(), label.into()))
    }

    /// Closes the connection as AMQP wants it; gives up after `patience`. The socket is gone in any
    /// case when the last holder drops the link.
    pub(crate) async fn close(&self, patience: Duration) {
        self.closing.store(true, Ordering::Relaxed);
        let _ = timeout(patience, self.connection.close(200, "OK".into())).await;
    }
}

const LOST_MEANWHILE: &str = "the link was lost meanwhile";

/// How long the reason of a loss is waited for that lapin has noticed first.
const WHY_PATIENCE: Duration = Duration::from_secs(2);

/// The loss of a link, as something to wait for.
#[derive(Clone)]
pub(crate) struct Loss(watch_channel::Receiver<Option<LinkError>>);

impl Loss {
    /// Waits for it. Returns why the link is gone.
    pub(crate) async fn happened(&mut self) -> LinkError {
        match self.0.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(why)) => why.clone(),
            // A link that is dropped is lost as well.
            Ok(None) | Err(_) => LinkError::transient("the link was closed"),
        }
    }

    /// Awaits something that is done over the link, for as long as there is a link.
    ///
    /// lapin gives no answer to a call that is made while it takes the connection down. Without this the
    /// call would wait for its whole deadline, although a new link may long be up.
    pub(crate) async fn or<T>(
        mut self,
        work: impl Future<Output = Result<T, LinkError>>,
    ) -> Result<T, LinkError> {
        let result = tokio::select! {
            biased;
            result = work => result,
            why = self.happened() => return Err(why.while_doing(LOST_MEANWHILE)),
        };
        match result {
            // lapin has noticed the end before the link's own task, which knows why.
            Err(echo) if echo.is_echo() => match timeout(WHY_PATIENCE, self.happened()).await {
                Ok(why) => Err(why.while_doing(LOST_MEANWHILE)),
                Err(_) => Err(echo),
            },
            result => result,
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
        Ok(Err(error)) => Err(LinkError::of(&error).advised_of_limits().while_doing(what)),
        Err(_) => Err(timed_out(what, CALL_TIMEOUT)),
    }
}

#[cfg(test)]
mod tests;
