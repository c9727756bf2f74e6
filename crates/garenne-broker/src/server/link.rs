//! One connection's socket: what is to be written, and when it ends.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, unconstrained};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Server, reader, writer};
use crate::engine::ConnectionId;

/// How long a client may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take to answer a close, or to close its side of the socket.
const GOODBYE: Duration = Duration::from_secs(3);

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With a TCP reset; what was not sent is lost.
    Reset,
    /// With the end of the stream.
    Close,
    /// The other side ended it.
    Gone,
    /// Everything was said.
    Finished,
}

/// How much of its life is behind a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Handshake,
    Open,
    /// A close was sent and is to be answered, or was answered and the client is to go.
    Leaving,
    /// Everything is said.
    HangingUp,
}

pub(crate) struct Link {
    pub(super) id: ConnectionId,
    out: RefCell<Vec<u8>>,
    written: Notify,
    drained: Notify,
    frame_max: Cell<usize>,
    heartbeat: Cell<Duration>,
    blocked: Cell<bool>,
    unblocked: Notify,
    phase: Cell<Phase>,
    end: Cell<Option<End>>,
    ended: Notify,
    /// What serves it: when that has ended, the socket is closed.
    task: Cell<Option<JoinHandle<()>>>,
    /// When it ends by itself, if nothing happens: handshake, silence, unanswered close.
    deadline: Cell<Option<Instant>>,
    deadline_moved: Notify,
}

impl Link {
    pub(super) fn new(id: ConnectionId) -> Self {
        Self {
            id,
            out: RefCell::default(),
            written: Notify::new(),
            drained: Notify::new(),
            frame_max: Cell::new(0),
            heartbeat: Cell::new(Duration::ZERO),
            blocked: Cell::new(false),
            unblocked: Notify::new(),
            phase: Cell::new(Phase::Handshake),
            end: Cell::new(None),
            ended: Notify::new(),
            task: Cell::new(None),
            deadline: Cell::new(Some(Instant::now() + HANDSHAKE)),
            deadline_moved: Notify::new(),
        }
    }

    /// Adds to what is to be written.
    pub(super) fn write(&self, add: impl FnOnce(&mut Vec<u8>)) {
        add(&mut self.out.borrow_mut());
        self.written.notify_one();
    }

    /// Trades what is to be written for an empty buffer.
    pub(super) fn take_output(&self, empty: Vec<u8>) -> Vec<u8> {
        self.out.replace(empty)
    }

    pub(super) fn has_output(&self) -> bool {
        !self.out.borrow().is_empty()
    }

    pub(super) async fn output(&self) {
        self.written.notified().await;
    }

    pub(super) fn on_drained(&self) {
        self.drained.notify_waiters();
    }

    /// Waits until everything is written.
    pub(super) async fn until_drained(&self) {
        self.drained.notified().await;
    }

    /// The largest frame to send; 0 while nothing is agreed on.
    pub(super) fn frame_max(&self) -> usize {
        self.frame_max.get()
    }

    pub(super) fn heartbeat(&self) -> Duration {
        self.heartbeat.get()
    }

    pub(super) fn tune(&self, frame_max: usize, heartbeat: Duration) {
        self.frame_max.set(frame_max);
        self.heartbeat.set(heartbeat);
        self.written.notify_one();
    }

    /// The handshake is over, and with it its deadline.
    pub(super) fn open(&self) {
        self.phase.set(Phase::Open);
        self.heard();
    }

    /// Something came from the client: it lives.
    pub(super) fn heard(&self) {
        if self.phase.get() == Phase::Open && !self.blocked.get() {
            let silence = self.heartbeat.get() * 2;
            self.set_deadline((!silence.is_zero()).then(|| Instant::now() + silence));
        }
    }

    fn set_deadline(&self, deadline: Option<Instant>) {
        let earlier = match (self.deadline.get(), deadline) {
            (Some(old), Some(new)) => new < old,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        self.deadline.set(deadline);
        // A watch that wakes too early looks again; only one that would wake too late must know.
        if earlier {
            self.deadline_moved.notify_one();
        }
    }

    pub(super) fn block(&self, blocked: bool) {
        self.blocked.set(blocked);
        if self.phase.get() != Phase::Open {
            return;
        }
        if blocked {
            // A client that is not read cannot be heard.
            self.set_deadline(None);
        } else {
            self.heard();
            self.unblocked.notify_waiters();
        }
    }

    pub(super) async fn until_unblocked(&self) {
        while self.blocked.get() && self.phase.get() == Phase::Open {
            self.unblocked.notified().await;
        }
    }

    /// A close was sent or answered: the client has a moment to answer, or to go.
    pub(super) fn expect_end(&self) {
        self.leave(Phase::Leaving);
    }

    /// Everything is said: end when it is written.
    pub(super) fn hang_up(&self) {
        self.leave(Phase::HangingUp);
        self.written.notify_one();
    }

    fn leave(&self, phase: Phase) {
        self.phase.set(phase);
        self.unblocked.notify_waiters();
        self.set_deadline(Some(Instant::now() + GOODBYE));
    }

    pub(super) fn is_hanging_up(&self) -> bool {
        self.phase.get() == Phase::HangingUp
    }

    pub(super) fn is_ending(&self) -> bool {
        self.end.get().is_some()
    }

    /// Ends it now.
    pub(super) fn end(&self, how: End) {
        self.end.set(self.end.get().or(Some(how)));
        self.ended.notify_one();
    }

    pub(super) fn served_by(&self, task: JoinHandle<()>) {
        self.task.set(Some(task));
    }

    async fn until_ended(&self) -> End {
        loop {
            if let Some(how) = self.end.get() {
                return how;
            }
            self.ended.notified().await;
        }
    }

    async fn until_late(&self) -> End {
        loop {
            match self.deadline.get() {
                Some(deadline) if deadline <= Instant::now() => return End::Close,
                Some(deadline) => tokio::select! {
                    () = sleep_until(deadline) => {}
                    () = self.deadline_moved.notified() => {}
                },
                None => self.deadline_moved.notified().await,
            }
        }
    }
}

/// Connections that were told to end.
#[must_use]
pub(crate) struct Ending(Vec<JoinHandle<()>>);

impl Ending {
    /// Ends them now.
    pub(super) fn of(links: &[Rc<Link>], how: End) -> Self {
        for link in links {
            link.end(how);
        }
        Self(links.iter().filter_map(|link| link.task.take()).collect())
    }

    /// Waits until their sockets are closed: what a client writes from then on, it sees fail. Returns
    /// how many there were.
    pub(crate) async fn ended(self) -> usize {
        let count = self.0.len();
        for task in self.0 {
            // An error is the end of the broker, and so of the connection.
            let _ = unconstrained(task).await;
        }
        count
    }
}

/// Serves one connection until it ends.
pub(super) async fn run(server: Rc<Server>, link: Rc<Link>, mut stream: TcpStream) {
    let (read, write) = stream.split();
    let end = tokio::select! {
        end = reader::run(&server, &link, read) => end,
        end = writer::run(&server, &link, write) => end,
        end = link.until_ended() => end,
        end = link.until_late() => end,
    };
    // Whoever is cut may not even say goodbye.
    let end = link.end.get().unwrap_or(end);
    server.disconnected(link.id);
    match end {
        End::Reset => drop(stream.set_zero_linger()),
        End::Finished => part(&mut stream).await,
        End::Close => drop(stream.shutdown().await),
        End::Gone => {}
    }
}

/// Closes our side and reads what the client still says: bytes that nobody read would turn the
/// end of the stream into a reset, and the client might lose our last words.
async fn part(stream: &mut TcpStream) {
    let farewell = async {
        stream.shutdown().await?;
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = timeout(GOODBYE, farewell).await;
}
