//! A TCP proxy that misbehaves on demand.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};

use crate::ports::PortBlock;
use crate::rabbit::RabbitNode;
use crate::wait::eventually;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the broker.
    ToBroker,
    /// From the broker to the client.
    ToClient,
}

/// A proxy on loopback between clients and one broker.
///
/// Its tasks belong to the runtime in which it was started; they end when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
    _block: PortBlock,
}

#[derive(Debug)]
struct Shared {
    upstream: u16,
    door: watch::Sender<Door>,
    listening: watch::Sender<bool>,
    /// How all open connections are to end.
    ends: broadcast::Sender<End>,
    ways: [Way; 2],
    accepted: AtomicUsize,
    /// The numbers of the open connections.
    open: Mutex<BTreeSet<usize>>,
}

/// What happens to the bytes of one direction.
#[derive(Debug)]
struct Way {
    frozen: watch::Sender<bool>,
    bytes: AtomicU64,
    /// How many more bytes may pass before everything is cut.
    allowance: Mutex<Option<usize>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Open,
    Refusing,
    Silent,
    Gone,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Reset,
    Close,
}

impl FaultProxy {
    /// A proxy before `node`, open. The node may come and go behind it.
    pub async fn before(node: &RabbitNode) -> Self {
        Self::before_port(node.port()).await
    }

    /// A proxy before whatever listens, or will listen, on this port of the loopback.
    pub async fn before_port(upstream: u16) -> Self {
        let block = PortBlock::claim();
        let port = block.port(0);
        let way = || Way {
            frozen: watch::Sender::new(false),
            bytes: AtomicU64::new(0),
            allowance: Mutex::new(None),
        };
        let shared = Arc::new(Shared {
            upstream,
            door: watch::Sender::new(Door::Open),
            listening: watch::Sender::new(false),
            ends: broadcast::Sender::new(16),
            ways: [way(), way()],
            accepted: AtomicUsize::new(0),
            open: Mutex::new(BTreeSet::new()),
        });
        tokio::spawn(keep_door(Arc::clone(&shared), port));
        let proxy = Self {
            port,
            shared,
            _block: block,
        };
        proxy.accept().await;
        proxy
    }

    /// The URL of a virtual host of the broker behind it, for the user `guest`.
    #[must_use]
    pub fn url(&self, vhost: &str) -> String {
        crate::rabbit::url("guest", "guest", self.port, vhost)
    }

    /// Accepts connections and connects them to the broker, after `refuse` or `accept_nothing`.
    pub async fn accept(&self) {
        self.turn_door(Door::Open).await;
    }

    /// Refuses new connections; open ones stay.
    pub async fn refuse(&self) {
        self.turn_door(Door::Refusing).await;
    }

    /// Accepts new connections and says nothing on them, as a stopped broker does.
    pub async fn accept_nothing(&self) {
        self.turn_door(Door::Silent).await;
    }

    /// Ends all connections with a TCP reset, to both sides.
    pub async fn cut(&self) {
        self.end(End::Reset).await;
    }

    /// Ends all connections as TCP wants it.
    pub async fn close(&self) {
        self.end(End::Close).await;
    }

    /// Holds back all bytes of both directions; nothing is lost yet.
    pub fn freeze(&self) {
        self.freeze_way(Direction::ToBroker);
        self.freeze_way(Direction::ToClient);
    }

    /// Holds back the bytes of one direction.
    pub fn freeze_way(&self, direction: Direction) {
        self.shared.way(direction).frozen.send_replace(true);
    }

    /// Lets everything pass again, first of all what was held back.
    pub fn thaw(&self) {
        for way in &self.shared.ways {
            way.frozen.send_replace(false);
        }
    }

    /// Cuts all connections once `bytes` more bytes have passed in one direction, in the middle of
    /// a frame or not.
    pub fn cut_after(&self, bytes: usize, direction: Direction) {
        *self.shared.way(direction).allowance() = Some(bytes);
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open().len()
    }

    /// How many bytes passed in one direction.
    #[must_use]
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.shared.way(direction).bytes.load(Ordering::Relaxed)
    }

    async fn turn_door(&self, door: Door) {
        self.shared.door.send_replace(door);
        let listens = door != Door::Refusing;
        let turned = self
            .shared
            .listening
            .subscribe()
            .wait_for(|now| *now == listens)
            .await
            .is_ok();
        assert!(turned, "the proxy's door keeper lives as long as the proxy");
    }

    async fn end(&self, how: End) {
        let doomed = self.shared.open().clone();
        // No connection, no receiver: nothing to end.
        let _nobody = self.shared.ends.send(how);
        // Meanwhile clients may have come back through an open door.
        let soon = Duration::from_secs(10);
        eventually(soon, "the proxy's connections have ended", async || {
            let left = self.shared.open().intersection(&doomed).count();
            if left == 0 {
                Ok(())
            } else {
                Err(format!("{left} open"))
            }
        })
        .await;
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.door.send_replace(Door::Gone);
        let _nobody = self.shared.ends.send(End::Reset);
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn way(&self, direction: Direction) -> &Way {
        match direction {
            Direction::ToBroker => &self.ways[0],
            Direction::ToClient => &self.ways[1],
        }
    }
}

impl Way {
    fn allowance(&self) -> MutexGuard<'_, Option<usize>> {
        self.allowance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of `wanted` bytes may pass, and whether everything is cut after them.
    fn admit(&self, wanted: usize) -> (usize, bool) {
        let mut allowance = self.allowance();
        match *allowance {
            None => (wanted, false),
            Some(left) if wanted < left => {
                *allowance = Some(left - wanted);
                (wanted, false)
            }
            Some(left) => {
                *allowance = None;
                (left, true)
            }
        }
    }
}

async fn keep_door(shared: Arc<Shared>, port: u16) {
    let mut door = shared.door.subscribe();
    loop {
        let now = *door.borrow_and_update();
        match now {
            Door::Gone => return,
            Door::Refusing => {
                shared.listening.send_replace(false);
            }
            Door::Open | Door::Silent => {
                let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
                let listener = bound.unwrap_or_else(|error| {
                    panic!("failed to listen on our own port {port}: {error}")
                });
                shared.listening.send_replace(true);
                serve(&shared, &listener).await;
                continue;
            }
        }
        if door.changed().await.is_err() {
            return;
        }
    }
}

/// Accepts connections until the door is neither open nor silent.
async fn serve(shared: &Arc<Shared>, listener: &TcpListener) {
    let mut door = shared.door.subscribe();
    loop {
        let socket = tokio::select! {
            _ = door.wait_for(|door| !matches!(door, Door::Open | Door::Silent)) => return,
            accepted = listener.accept() => accepted,
        };
        if let Ok((client, _)) = socket {
            let number = shared.accepted.fetch_add(1, Ordering::Relaxed);
            let ends = shared.ends.subscribe();
            shared.open().insert(number);
            let shared = Arc::clone(shared);
            tokio::spawn(async move {
                connect(&shared, client, ends).await;
                shared.open().remove(&number);
            });
        }
    }
}

/// The life of one connection.
async fn connect(shared: &Shared, client: TcpStream, mut ends: broadcast::Receiver<End>) {
    // A broker that is down looks to the client like one that hangs up.
    let broker = if *shared.door.borrow() == Door::Open {
        TcpStream::connect((Ipv4Addr::LOCALHOST, shared.upstream))
            .await
            .ok()
    } else {
        let _ended = ends.recv().await;
        None
    };
    if let Some(broker) = broker {
        forward(shared, client, broker, ends).await;
    }
}

async fn forward(
    shared: &Shared,
    mut client: TcpStream,
    mut broker: TcpStream,
    mut ends: broadcast::Receiver<End>,
) {
    let end = {
        let (from_client, to_client) = client.split();
        let (from_broker, to_broker) = broker.split();
        tokio::select! {
            end = ends.recv() => end.unwrap_or(End::Reset),
            end = pump(shared, shared.way(Direction::ToBroker), from_client, to_broker) => end,
            end = pump(shared, shared.way(Direction::ToClient), from_broker, to_client) => end,
        }
    };
    if let End::Reset = end {
        for socket in [&client, &broker] {
            // A socket that the peer has reset cannot be reset any more.
            let _gone = socket.set_zero_linger();
        }
    }
}

/// Forwards the bytes of one direction until one side ends, and says how to end the other.
async fn pump(shared: &Shared, way: &Way, from: ReadHalf<'_>, to: WriteHalf<'_>) -> End {
    match copy(way, from, to).await {
        Ok(End::Reset) => {
            let _nobody = shared.ends.send(End::Reset);
            End::Reset
        }
        Ok(End::Close) => End::Close,
        Err(_) => End::Reset,
    }
}

async fn copy(way: &Way, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<End> {
    let mut frozen = way.frozen.subscribe();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(End::Close);
        }
        let thawed = frozen.wait_for(|frozen| !frozen).await.map(|_| ());
        thawed.map_err(io::Error::other)?;
        let (passing, cut) = way.admit(read);
        to.write_all(&buffer[..passing]).await?;
        way.bytes.fetch_add(passing as u64, Ordering::Relaxed);
        if cut {
            return Ok(End::Reset);
        }
    }
}
