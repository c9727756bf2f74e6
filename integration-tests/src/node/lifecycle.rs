//! Starting, killing, pausing and restarting a node.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::certs::Certs;
use crate::node::options::{NodeOptions, NodePorts};
use crate::ports::PortBlock;
use crate::process::ProcessGroup;
use crate::wait::eventually;

/// How long a start or a stop may take: seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Two cores carry this many nodes beside the shared one; more would only make each other slow.
static NODES: Semaphore = Semaphore::const_new(2);

/// A private RabbitMQ node; killed when dropped.
#[derive(Debug)]
pub struct RabbitNode {
    pub(crate) name: String,
    pub(crate) cookie: String,
    pub(crate) ports: NodePorts,
    server: Option<ProcessGroup>,
    _epmd: ProcessGroup,
    pub(crate) home: TempDir,
    _block: PortBlock,
    _permit: Option<SemaphorePermit<'static>>,
}

impl RabbitNode {
    /// Starts a plain node and waits until it serves.
    pub async fn start() -> Self {
        Self::start_with(&NodeOptions::new()).await
    }

    pub(crate) async fn start_with(options: &NodeOptions) -> Self {
        let mut node = Self::prepare(options).await;
        node.restart().await;
        node
    }

    pub(crate) async fn prepare(options: &NodeOptions) -> Self {
        let permit = NODES
            .acquire()
            .await
            .expect("the semaphore is never closed");
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
        let home = tempfile::Builder::new().prefix("garenne-node-").tempdir();
        let home = home.unwrap_or_else(|error| panic!("failed to make a node's home: {error}"));
        let name = format!("garenne{}@localhost", block.number());
        let cookie = format!("GARENNE{}", block.number());
        options.write(home.path(), &ports, &cookie);
        let epmd = ProcessGroup::spawn("epmd", &mut ports.epmd_command());
        Self {
            name,
            cookie,
            ports,
            server: None,
            _epmd: epmd,
            home,
            _block: block,
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
    /// When it does not serve after two minutes.
    pub async fn restart(&mut self) -> Instant {
        self.server = None;
        let mut command = self.ports.server_command(self.home.path(), &self.name);
        let server = ProcessGroup::spawn_with_scratch(&self.name, &mut command, self.home.path());
        self.server = Some(server);
        self.wait_ready().await
    }

    /// Waits until the node serves; returns when it first accepted a connection.
    ///
    /// # Panics
    ///
    /// When it ends instead, or does not serve after two minutes.
    pub async fn wait_ready(&mut self) -> Instant {
        let port = self.ports.amqp;
        let accepted = eventually(PATIENCE, "the broker accepts connections", async || {
            if let Some(status) = self.server.as_mut().and_then(ProcessGroup::exit) {
                panic!("the node ended: {status}\n{}", last_words(self.home.path()));
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
