//! Starting, killing, pausing and restarting a node.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::certs::Certs;
use crate::ports::PortBlock;
use crate::process::ProcessGroup;
use crate::rabbit::NodeOptions;
use crate::rabbit::command::NodePorts;
use crate::wait::eventually;

/// How long a start or a stop may take: seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// How many nodes run at once beside the shared one. Two cores carry them; more would only make each
/// other slow.
const AT_ONCE: u32 = 2;
static NODES: Semaphore = Semaphore::const_new(AT_ONCE as usize);

/// How long a node may wait for others to be dropped: longer than tests hold them.
const QUEUEING: Duration = Duration::from_secs(900);

/// A private RabbitMQ node; killed when dropped.
///
/// At most two of them run at a time in one process, beside the shared one; further starts wait
/// until one is dropped. A test that needs three starts a [`RabbitCluster`](crate::RabbitCluster).
#[derive(Debug)]
pub struct RabbitNode {
    pub(crate) name: String,
    pub(crate) cookie: String,
    pub(crate) ports: NodePorts,
    root: PathBuf,
    server: Option<ProcessGroup>,
    _epmd: Arc<ProcessGroup>,
    pub(crate) home: TempDir,
    _block: Arc<PortBlock>,
    _permit: Option<SemaphorePermit<'static>>,
}

impl RabbitNode {
    /// Starts a plain node and waits until it serves.
    pub async fn start() -> Self {
        Self::start_with(&NodeOptions::new()).await
    }

    /// Starts a node and waits until it serves.
    pub(crate) async fn start_with(options: &NodeOptions) -> Self {
        let mut node = Self::prepare(options).await;
        node.restart().await;
        node
    }

    pub(crate) async fn prepare(options: &NodeOptions) -> Self {
        let permit = permits(1).await;
        Self::prepare_with(options, Some(permit))
    }

    /// A node that is not counted and lives as long as the test process.
    pub(crate) async fn start_shared() -> Self {
        let mut node = Self::prepare_with(&NodeOptions::new(), None);
        node.restart().await;
        node
    }

    fn prepare_with(options: &NodeOptions, permit: Option<SemaphorePermit<'static>>) -> Self {
        let block = PortBlock::claim();
        let ports = NodePorts::of(&block);
        let epmd = ProcessGroup::spawn("epmd", &mut ports.epmd_command());
        let place = Place {
            name: node_name(&block),
            cookie: format!("GARENNE{}", block.number()),
            ports,
            epmd: Arc::new(epmd),
            block: Arc::new(block),
        };
        Self::prepare_at(place, options, permit)
    }

    pub(crate) fn prepare_at(
        place: Place,
        options: &NodeOptions,
        permit: Option<SemaphorePermit<'static>>,
    ) -> Self {
        let root = options.version.root();
        let root = root.unwrap_or_else(|error| panic!("cannot run RabbitMQ: {error}"));
        let home = tempfile::Builder::new().prefix("garenne-node-").tempdir();
        let home = home.unwrap_or_else(|error| panic!("failed to make a node's home: {error}"));
        options.write(home.path(), &place.ports, &place.cookie);
        Self {
            name: place.name,
            cookie: place.cookie,
            ports: place.ports,
            root,
            server: None,
            _epmd: place.epmd,
            home,
            _block: place.block,
            _permit: permit,
        }
    }

    /// Starts the node, with the data of its last life, and waits until it serves. Kills it first
    /// when it still runs.
    ///
    /// Returns when the broker first accepted a connection.
    ///
    /// # Panics
    ///
    /// When it does not serve after five minutes.
    pub async fn restart(&mut self) -> Instant {
        self.launch();
        self.wait_ready().await
    }

    /// Starts the node's process and does not wait.
    pub(crate) fn launch(&mut self) {
        self.server = None;
        let home = self.home.path();
        let mut command = self.ports.server_command(&self.root, home, &self.name);
        let server = ProcessGroup::spawn_with_scratch(&self.name, &mut command, home);
        self.server = Some(server);
    }

    /// Waits until the node serves; returns when it first accepted a connection.
    ///
    /// # Panics
    ///
    /// When it ends instead, or does not serve after five minutes.
    pub async fn wait_ready(&mut self) -> Instant {
        let port = self.ports.amqp;
        let accepted = eventually(PATIENCE, "the broker accepts connections", async || {
            if let Some(status) = self.server.as_mut().and_then(ProcessGroup::exit) {
                let hint = if self.root == Path::new("/") {
                    ""
                } else {
                    "; in a container, RabbitMQ 4 needs CAP_SYS_ADMIN for its mounts"
                };
                panic!(
                    "the node ended: {status}{hint}\n{}",
                    last_words(self.home.path())
                );
            }
            let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
            socket
                .map(|_| Instant::now())
                .map_err(|error| format!("{error}\n{}", last_words(self.home.path())))
        });
        let accepted = accepted.await;
        eventually(PATIENCE, "the broker has booted", async || {
            match self.eval("rabbit_boot_state:get()").await {
                Ok(state) if state == "ready" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        accepted
    }

    /// SIGKILL, in the middle of whatever it does.
    ///
    /// Only the list of quorum queues is saved first. RabbitMQ 3.10 does that up to half a second
    /// late by itself, and a queue declared in that time comes back without a leader, for ever.
    ///
    /// # Panics
    ///
    /// When the node runs and does not answer.
    pub async fn kill(&mut self) {
        if self.runs() {
            self.run("[dets:sync(Table) || Table <- dets:all()]").await;
        }
        self.server = None;
    }

    /// SIGTERM: the node closes its connections and saves what it has.
    pub async fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.signal(Signal::TERM);
            server.wait_exit(PATIENCE).await;
        }
    }

    /// SIGSTOP: the kernel still accepts connections for it, nobody answers.
    pub fn pause(&mut self) {
        self.running().signal(Signal::STOP);
    }

    /// SIGCONT: goes on where it was paused.
    pub fn resume(&mut self) {
        self.running().signal(Signal::CONT);
    }

    /// Whether the node's process runs.
    pub fn runs(&mut self) -> bool {
        self.server
            .as_mut()
            .is_some_and(|server| server.exit().is_none())
    }

    /// The port for AMQP.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// The URL of a virtual host for the user `guest`.
    #[must_use]
    pub fn url(&self, vhost: &str) -> String {
        self.url_for("guest", "guest", vhost)
    }

    /// The URL of a virtual host for some user.
    #[must_use]
    pub fn url_for(&self, user: &str, password: &str, vhost: &str) -> String {
        url(user, password, self.ports.amqp, vhost)
    }

    /// The `amqps://` URL of the default virtual host, with the CA and the client certificate of
    /// `certs`.
    #[must_use]
    pub fn tls_url(&self, certs: &Certs) -> String {
        format!(
            "amqps://guest:guest@localhost:{}/%2f?cacertfile={}&certfile={}&keyfile={}",
            self.ports.tls,
            certs.ca().display(),
            certs.client_chain().display(),
            certs.client_key().display(),
        )
    }

    fn running(&mut self) -> &mut ProcessGroup {
        self.server.as_mut().expect("the node runs")
    }
}

/// What identifies a node: a lone one has all of it for itself.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) cookie: String,
    pub(crate) ports: NodePorts,
    pub(crate) epmd: Arc<ProcessGroup>,
    pub(crate) block: Arc<PortBlock>,
}

pub(crate) fn node_name(block: &PortBlock) -> String {
    format!("garenne{}@localhost", block.number())
}

/// Waits until so many more nodes may run; a cluster takes all there are.
pub(crate) async fn permits(count: u32) -> SemaphorePermit<'static> {
    let permits = NODES.acquire_many(count.min(AT_ONCE));
    let permits = tokio::time::timeout(QUEUEING, permits).await.unwrap_or_else(|_| {
        panic!(
            "waited {QUEUEING:?} for a node to be dropped: {AT_ONCE} run at a time; does this test \
             hold them itself? Three nodes are a RabbitCluster"
        )
    });
    permits.expect("the semaphore is never closed")
}

/// An AMQP URL on loopback.
pub(crate) fn url(user: &str, password: &str, port: u16, vhost: &str) -> String {
    format!(
        "amqp://{user}:{password}@127.0.0.1:{port}/{}",
        vhost.replace('/', "%2f")
    )
}

/// The end of what a node wrote, for the message of a failed start.
fn last_words(home: &Path) -> String {
    let logs = fs::read_dir(home.join("log"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|file| file.path());
    let mut lines = Vec::new();
    for path in logs.chain([home.join("output")]) {
        let text = fs::read_to_string(path).unwrap_or_default();
        lines.extend(
            text.lines()
                .rev()
                .take(15)
                .map(str::to_owned)
                .collect::<Vec<_>>()
                .into_iter()
                .rev(),
        );
    }
    lines.join("\n")
}
