//! How a node is configured: the files it reads, the environment it runs in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::certs::Certs;
use crate::rabbit::command::NodePorts;
use crate::rabbit::{RabbitNode, RabbitVersion};

/// What a node is started with, besides what every private node needs.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    pub(crate) version: RabbitVersion,
    config: String,
    advanced: Vec<String>,
    tls: bool,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl NodeOptions {
    /// A plain node of the version that `GARENNE_RABBITMQ` asks for.
    ///
    /// # Panics
    ///
    /// When that is not a version.
    #[must_use]
    pub fn new() -> Self {
        Self {
            version: RabbitVersion::from_env(),
            config: String::new(),
            advanced: Vec::new(),
            tls: false,
        }
    }

    /// Runs this version, whatever `GARENNE_RABBITMQ` says.
    #[must_use]
    pub fn version(mut self, version: RabbitVersion) -> Self {
        self.version = version;
        self
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

fn write(path: &Path, text: &str) {
    let written = fs::write(path, text);
    written.unwrap_or_else(|error| panic!("failed to write {}: {error}", path.display()));
}
