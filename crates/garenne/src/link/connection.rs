//! One epoch of a link.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use garenne_core::Epoch;
use lapin::{Channel, Connection, ErrorKind};
use tokio::sync::watch as watch_channel;
use tokio::time::timeout;
use tracing::warn;

use super::dial::SocketGuard;
use super::{LinkError, Loss, Port, call, io, solo};

/// How long closing a link may take; a broker that hangs must not delay the end of a program.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The purpose of a link. There are two, because `connection.blocked` stops *all* writes of a connection that
/// has published, including acks.
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

/// An epoch of a link. Its holders may use it for as long as it works; the newest link is announced through
/// a [`LinkWatch`].
pub(crate) struct Link {
    pub(crate) purpose: Purpose,
    pub(crate) epoch: Epoch,
    /// The broker's address, without credentials.
    pub(crate) broker: String,
    pub(super) connection: Connection,
    /// Reads and writes the bytes of the link.
    pub(super) io: Arc<io::Shared>,
    /// Ends the socket when the last holder of the link is gone.
    _socket: SocketGuard,
    /// Why the broker blocks this connection, while it does.
    pub(super) blocked: watch_channel::Sender<Option<String>>,
    /// Set before this side closes the link, so that the end does not count as a loss.
    pub(super) closing: AtomicBool,
    /// The messages in flight on all confirm channels of the link.
    pub(crate) solo: solo::Solo,
    /// Some channel numbers cannot be used any more.
    has_lost_numbers: AtomicBool,
}

/// Watches the current link of a purpose come and go.
pub(crate) type LinkWatch = watch_channel::Receiver<Option<Arc<Link>>>;

impl Link {
    pub(super) fn new(
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

    /// The heartbeat interval, in seconds; 0 when neither side sends heartbeats.
    pub(crate) fn heartbeat_secs(&self) -> u16 {
        self.connection.configuration().heartbeat()
    }

    /// Warns that without heartbeats a silent loss of the other side stays unnoticed.
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

    /// Why the link was lost as soon as it was up.
    pub(crate) fn why_lost(&self) -> LinkError {
        let why = self.io.end_of();
        let why = why.unwrap_or_else(LinkError::gone);
        let purpose = self.purpose.as_str();
        why.while_doing(format_args!(
            "the {purpose} link was lost as soon as it was up"
        ))
    }

    /// Watches when the broker blocks and unblocks this connection.
    pub(crate) fn blocked(&self) -> watch_channel::Receiver<Option<String>> {
        self.blocked.subscribe()
    }

    /// Watches for the loss of this link, without keeping the link alive.
    pub(crate) fn loss(&self) -> Loss {
        Loss::new(self.io.ended())
    }

    /// See [`Loss::or`].
    pub(crate) async fn while_up<T>(
        &self,
        work: impl Future<Output = Result<T, LinkError>>,
    ) -> Result<T, LinkError> {
        self.loss().or(work).await
    }

    /// A channel for calls with an answer, such as declares.
    pub(crate) async fn open_channel(&self) -> Result<Channel, LinkError> {
        call("opening a channel", self.create_channel()).await
    }

    /// For lapin, the number of a channel that the broker has closed stays closed: the next channel with this
    /// number gets the old channel's error. Then the next number is tried. When no number is left, another
    /// connection must be made.
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

    /// A channel for messages. Errors name its purpose with `label`.
    pub(crate) async fn open_port(&self, label: impl Into<String>) -> Result<Port, LinkError> {
        let channel = self.open_channel().await?;
        let io = Arc::clone(&self.io);
        Ok(Port::new(channel, io, self.loss(), label.into()))
    }

    /// Closes the connection by the AMQP handshake; gives up after [`CLOSE_TIMEOUT`]. In any case the socket
    /// is gone when the last holder drops the link.
    pub(crate) async fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        let _ = timeout(CLOSE_TIMEOUT, self.connection.close(200, "OK".into())).await;
    }
}
