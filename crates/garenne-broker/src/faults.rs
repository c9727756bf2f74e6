//! Things that go wrong, when a test wants them to.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use crate::broker::Handle;
use crate::engine::ChannelPick;
use crate::error::Error;
use crate::server::{Direction, End, Server};

/// How connections are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// With a TCP reset, as by a process that was killed; what was on its way is lost.
    Reset,
    /// With the end of the stream, as by a proxy that was stopped.
    Close,
}

/// A method that a fault waits for, by its class and number in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodKind {
    class: u16,
    method: u16,
}

impl MethodKind {
    /// `basic.publish`, from clients.
    pub const PUBLISH: Self = Self::new(60, 40);
    /// `basic.deliver`, from the broker.
    pub const DELIVER: Self = Self::new(60, 60);
    /// `basic.ack`: of a delivery when it comes from a client, a confirm when the broker sends it.
    pub const ACK: Self = Self::new(60, 80);
    /// `basic.consume`, from clients.
    pub const CONSUME: Self = Self::new(60, 20);
    /// `queue.declare`, from clients.
    pub const QUEUE_DECLARE: Self = Self::new(50, 10);
    /// `channel.open`, from clients.
    pub const CHANNEL_OPEN: Self = Self::new(20, 10);
    /// `connection.open`, from clients: the last step of the handshake.
    pub const CONNECTION_OPEN: Self = Self::new(10, 40);

    /// Any method.
    #[must_use]
    pub const fn new(class: u16, method: u16) -> Self {
        Self { class, method }
    }
}

/// Makes things go wrong; from [`Broker::faults`](crate::Broker::faults).
///
/// Every fault has happened when its future is done, and lasts until it is taken back. All of them
/// fail with [`Error::Stopped`] when the broker was shut down, and with nothing else but what they
/// say.
#[derive(Clone, Debug)]
#[allow(clippy::missing_errors_doc, reason = "said once, above")]
pub struct Faults {
    handle: Handle,
}

#[allow(clippy::missing_errors_doc, reason = "said once, at the type")]
impl Faults {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Ends all connections without a word, and waits until their sockets are closed; returns how many
    /// there were.
    pub async fn drop_connections(&self, how: How) -> Result<usize, Error> {
        let end = match how {
            How::Reset => End::Reset,
            How::Close => End::Close,
        };
        let ending = self.handle.call(move |server| server.cut_all(end)).await?;
        Ok(ending.ended().await)
    }

    /// Refuses new connections, until [`accept`](Self::accept). The port stays ours.
    pub async fn refuse(&self) -> Result<(), Error> {
        self.handle
            .call(|server| server.door.shut().map_err(listen(server.door.addr())))
            .await?
    }

    /// Takes connections again, after [`refuse`](Self::refuse), [`crash`](Self::crash) or
    /// [`accept_silently`](Self::accept_silently); those that were met with silence are closed.
    pub async fn accept(&self) -> Result<(), Error> {
        let accept = |server: &Rc<Server>| {
            server.trouble.be_silent(false);
            server.door.reopen().map_err(listen(server.door.addr()))
        };
        self.handle.call(accept).await?
    }

    /// Takes new connections and says nothing to them, as a broker does that hangs.
    pub async fn accept_silently(&self) -> Result<(), Error> {
        self.handle
            .call(|server| server.trouble.be_silent(true))
            .await
    }

    /// Stops reading and writing on every connection, as a stopped process (SIGSTOP) would. The
    /// clock goes on.
    pub async fn freeze(&self) -> Result<(), Error> {
        self.handle.call(|server| server.trouble.freeze(true)).await
    }

    /// Goes on where [`freeze`](Self::freeze) stopped.
    pub async fn thaw(&self) -> Result<(), Error> {
        self.handle
            .call(|server| server.trouble.freeze(false))
            .await
    }

    /// Closes all connections politely, with a code and a text: 320 is an operator, 541 a bug.
    /// Returns how many there were.
    pub async fn close_connections(
        &self,
        code: u16,
        text: impl Into<String>,
    ) -> Result<usize, Error> {
        let text = text.into();
        self.handle
            .engine(move |engine, now| engine.close_connections(code, &text, now))
            .await
    }

    /// Closes channels, with a code and a text; returns how many there were.
    pub async fn close_channel(
        &self,
        pick: ChannelPick,
        code: u16,
        text: impl Into<String>,
    ) -> Result<usize, Error> {
        let text = text.into();
        self.handle
            .engine(move |engine, now| engine.close_picked(&pick, code, &text, now))
            .await
    }

    /// Cancels the consumers of a queue, as RabbitMQ does when a queue moves; returns how many.
    pub async fn cancel_consumers(&self, queue: impl Into<String>) -> Result<usize, Error> {
        let queue = queue.into();
        self.handle
            .engine(move |engine, now| engine.cancel_consumers(&queue, now))
            .await
    }

    /// Raises an alarm as for memory or disk: connections that publish are told `blocked` and no
    /// longer read, acks included. As in RabbitMQ a connection that never published goes on, and
    /// is stopped after its first publish; and that a blocked client is gone is noticed when
    /// something is written to it (a heartbeat, if it wants them) or the alarm is over.
    pub async fn block(&self, reason: impl Into<String>) -> Result<(), Error> {
        let reason = reason.into();
        self.handle
            .engine(move |engine, now| engine.block(&reason, now))
            .await
    }

    /// Clears the alarm.
    pub async fn unblock(&self) -> Result<(), Error> {
        self.handle.engine(|engine, now| engine.unblock(now)).await
    }

    /// Stores what is published but keeps the confirms back.
    pub async fn hold_confirms(&self) -> Result<(), Error> {
        self.handle
            .engine(|engine, now| engine.hold_confirms(true, now))
            .await
    }

    /// Sends the confirms that were kept back, and no longer keeps any.
    pub async fn release_confirms(&self) -> Result<(), Error> {
        self.handle
            .engine(|engine, now| engine.hold_confirms(false, now))
            .await
    }

    /// Stores what is published to the queues of this name and never says so, not even afterwards: as
    /// a queue whose replicas cannot agree. Other queues' publishes are confirmed.
    pub async fn confirm_nothing_for(&self, queue: impl Into<String>) -> Result<(), Error> {
        let queue = queue.into();
        self.handle
            .engine(move |engine, _| engine.confirm_nothing_for(&queue))
            .await
    }

    /// Fails over every message that is published with a header of this name, as RabbitMQ fails over what
    /// it cannot read: it stores nothing and closes the connection with 541.
    pub async fn fail_over_header(&self, name: impl Into<String>) -> Result<(), Error> {
        let name = name.into();
        self.handle
            .engine(move |engine, _| engine.fail_over_header(Some(name)))
            .await
    }

    /// Nacks the next publishes on channels with confirms, and stores none of them.
    pub async fn nack_publishes(&self, count: u64) -> Result<(), Error> {
        self.handle
            .engine(move |engine, _| engine.nack_publishes(count))
            .await
    }

    /// Refuses what is published to the queues of this name on the channels that are open now: nacks
    /// it where confirms are on, and does not store it. Channels that are opened later take it. As in
    /// a cluster of RabbitMQ 3.10: a channel that first published to a quorum queue while its leader
    /// was dying refuses until that node is back, whoever leads by then.
    pub async fn refuse_on_open_channels(&self, queue: impl Into<String>) -> Result<(), Error> {
        let queue = queue.into();
        self.handle
            .engine(move |engine, _| engine.refuse_on_open_channels(&queue))
            .await
    }

    /// Returns the next mandatory publishes as unroutable, and stores none of them. As in RabbitMQ
    /// a returned message is confirmed with an ack.
    pub async fn return_publishes(&self, count: u64) -> Result<(), Error> {
        self.handle
            .engine(move |engine, _| engine.return_publishes(count))
            .await
    }

    /// Holds everything that is read or written back for a time; zero takes it back.
    pub async fn delay(&self, by: Duration) -> Result<(), Error> {
        self.handle
            .call(move |server| server.trouble.set_delay(by))
            .await
    }

    /// Lets so many more bytes pass in one direction, then resets the connection that the last of
    /// them was on.
    pub async fn cut_after_bytes(&self, count: u64, direction: Direction) -> Result<(), Error> {
        self.handle
            .call(move |server| server.trouble.cut_after_bytes(count, direction))
            .await
    }

    /// Resets the connection that the `n`-th method of a kind is on, counted from now (1 is the
    /// next): before the broker acts on it if a client sends it, instead of sending it if the
    /// broker would. So `cut_at_method(MethodKind::ACK, 1)` on a publisher loses the confirm of a
    /// message that is stored.
    pub async fn cut_at_method(&self, kind: MethodKind, n: u64) -> Result<(), Error> {
        self.handle
            .call(move |server| server.trouble.cut_at_method(kind.class, kind.method, n))
            .await
    }

    /// Delivers messages with this body in a frame without its end, whenever that is: a client that reads
    /// it takes the connection for broken. The queue takes the message for delivered, and counts its
    /// return.
    pub async fn spoil_deliveries(&self, body: impl Into<Bytes>) -> Result<(), Error> {
        let body = body.into();
        self.handle
            .call(move |server| server.trouble.spoil(body))
            .await
    }

    /// Ends as a process that is killed: connections are reset and refused from now on. Kept are
    /// durable exchanges, durable queues, bindings between them, persistent messages in durable
    /// queues and all messages in quorum queues; deliveries that were not acked come back as
    /// redelivered.
    pub async fn crash(&self) -> Result<(), Error> {
        let crash = |server: &Rc<Server>| server.crash().map_err(listen(server.door.addr()));
        let ending = self.handle.call(crash).await??;
        ending.ended().await;
        Ok(())
    }

    /// Comes back after a [`crash`](Self::crash), on the same port.
    pub async fn restart(&self) -> Result<(), Error> {
        self.accept().await
    }

    /// [`crash`](Self::crash) and [`restart`](Self::restart).
    pub async fn crash_and_restart(&self) -> Result<(), Error> {
        self.crash().await?;
        self.restart().await
    }

    /// Takes back every fault; connections that are gone stay gone.
    pub async fn clear(&self) -> Result<(), Error> {
        let clear = |server: &Rc<Server>| {
            server.trouble.clear();
            server.with(|engine, now| {
                engine.unblock(now);
                engine.hold_confirms(false, now);
                engine.nack_publishes(0);
                engine.return_publishes(0);
                engine.refuse_on_no_channel();
                engine.confirm_for_all();
                engine.fail_over_header(None);
            });
            server.door.reopen().map_err(listen(server.door.addr()))
        };
        self.handle.call(clear).await?
    }
}

fn listen(addr: std::net::SocketAddr) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::Listen { addr, source }
}
