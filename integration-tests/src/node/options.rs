//! How a node is configured: the files it reads, the environment it runs in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::certs::Certs;
use crate::node::RabbitNode;
use crate::ports::PortBlock;

/// The server itself: the wrapper in `/usr/sbin` changes user and directory.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// What a node is started with, besides what every private node needs.
#[derive(Clone, Debug, Default)]
pub struct NodeOptions {
    config: String,
    advanced: Vec<String>,
    tls: bool,
}

impl NodeOptions {
    /// A plain node.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line to `rabbitmq.conf`.
    #[must_use]
    pub fn config(mut self, line: &str) -> Self {
        self.config += line;
        self.config += "\n";
        self
    }

    /// Adds a setting of the application `rabbit` to `advanced.config`, as an Erlang tuple.
    #[must_use]
    pub fn advanced(mut self, tuple: &str) -> Self {
        self.advanced.push(tuple.to_owned());
        self
    }

    /// Listens for TLS as well and demands a client certificate signed by the CA of `certs`.
    #[must_use]
    pub fn tls(mut self, certs: &Certs) -> Self {
        self.tls = true;
        self.config(&format!(
            "ssl_options.cacertfile = {}",
            certs.ca().display()
        ))
        .config(&format!(
            "ssl_options.certfile = {}",
            certs.server_chain().display()
        ))
        .config(&format!(
            "ssl_options.keyfile = {}",
            certs.server_key().display()
        ))
        .config("ssl_options.verify = verify_peer")
        .config("ssl_options.fail_if_no_peer_cert = true")
    }

    /// Starts a node and waits until it serves.
    pub async fn start(self) -> RabbitNode {
        RabbitNode::start_with(&self).await
    }

    /// Makes ready a node that is not up yet: [`RabbitNode::restart`] starts it.
    pub async fn prepare(self) -> RabbitNode {
        RabbitNode::prepare(&self).await
    }

    /// Writes the node's files.
    pub(crate) fn write(&self, home: &Path, ports: &NodePorts, cookie: &str) {
        let mut config = format!("listeners.tcp.1 = 127.0.0.1:{}\n", ports.amqp);
        if self.tls {
            config += &format!("listeners.ssl.1 = 127.0.0.1:{}\n", ports.tls);
        }
        // A full disk of a developer's machine is not what these tests are about.
        config += "disk_free_limit.absolute = 1MB\nlog.console = false\n";
        config += &self.config;
        write(&home.join("rabbitmq.conf"), &config);
        let settings = self.advanced.join(",");
        write(
            &home.join("advanced.config"),
            &format!("[{{rabbit,[{settings}]}}].\n"),
        );
        write(&home.join("enabled_plugins"), "[].\n");
        let file = home.join(".erlang.cookie");
        write(&file, cookie);
        // Erlang refuses a cookie that others can read.
        let private = fs::set_permissions(&file, fs::Permissions::from_mode(0o400));
        private.unwrap_or_else(|error| panic!("failed to protect {}: {error}", file.display()));
    }
}

/// Where the parts of one node listen.
#[derive(Debug)]
pub(crate) struct NodePorts {
    pub(crate) amqp: u16,
    pub(crate) tls: u16,
    dist: u16,
    epmd: u16,
}

impl NodePorts {
    pub(crate) fn of(block: &PortBlock) -> Self {
        Self {
            amqp: block.port(0),
            tls: block.port(1),
            dist: block.port(2),
            epmd: block.port(3),
        }
    }

    /// The port mapper of this node alone, in the foreground: a node's own would become a daemon
    /// that outlives it.
    pub(crate) fn epmd_command(&self) -> Command {
        let mut command = Command::new("epmd");
        command.args(["-port", &self.epmd.to_string(), "-address", "127.0.0.1"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// `erl_call`, which evaluates an expression in the node within milliseconds.
    pub(crate) fn erl_call_command(&self, home: &Path, node: &str, cookie: &str) -> Command {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        // A node refuses a second connection of the same name while the first is there.
        let own_name = format!("harness{}", CALLS.fetch_add(1, Ordering::Relaxed));
        let mut command = Command::new("erl_call");
        command.args(["-h", &own_name, "-n", node, "-c", cookie, "-e"]);
        command
            .env("HOME", home)
            .env("ERL_EPMD_PORT", self.epmd.to_string());
        command
    }

    pub(crate) fn server_command(&self, home: &Path, node: &str) -> Command {
        assert!(
            Path::new(SERVER).is_file(),
            "{SERVER} is missing: install it with `apt-get install rabbitmq-server`"
        );
        let output = fs::File::create(home.join("output"));
        let output =
            output.unwrap_or_else(|error| panic!("failed to write the node's output: {error}"));
        let error = output.try_clone().expect("a file handle can be cloned");
        let mut command = Command::new(SERVER);
        // Where it drops its dumps.
        command.current_dir(home);
        command.stdin(Stdio::null()).stdout(output).stderr(error);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("HOME", home)
            .env("LANG", "C.UTF-8")
            .env("ERL_EPMD_PORT", self.epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_CRASH_DUMP_SECONDS", "0")
            .env("RABBITMQ_NODENAME", node)
            .env("RABBITMQ_DIST_PORT", self.dist.to_string())
            .env("RABBITMQ_MNESIA_BASE", home.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", home.join("log"))
            .env("RABBITMQ_PID_FILE", home.join("pid"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_CONFIG_FILE", home.join("rabbitmq.conf"))
            .env(
                "RABBITMQ_ADVANCED_CONFIG_FILE",
                home.join("advanced.config"),
            )
            .env(
                "RABBITMQ_ENABLED_PLUGINS_FILE",
                home.join("enabled_plugins"),
            )
            // Makes the script exec the Erlang machine, so that our child is the node itself and no
            // shell around it; `-noinput` is then ours to say.
            .env("RABBITMQ_ALLOW_INPUT", "1")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-noinput -kernel inet_dist_use_interface {127,0,0,1}",
            );
        command
    }
}

fn write(path: &Path, text: &str) {
    let written = fs::write(path, text);
    written.unwrap_or_else(|error| panic!("failed to write {}: {error}", path.display()));
}
