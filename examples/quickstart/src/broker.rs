//! A broker to run on: the one that `AMQP_URL` names, or a private RabbitMQ node as a child process,
//! on loopback, in a folder of its own, gone at the end.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where Debian's package has the server itself; the wrapper in `/usr/sbin` would change the user.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A broker's address, and the node behind it if it is ours.
pub(crate) struct Broker {
    url: String,
    _node: Option<Node>,
}

impl Broker {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// The broker of `AMQP_URL`, or a private one.
pub(crate) fn from_env_or_private() -> Result<Broker, String> {
    garenne::init_logging();
    if let Ok(url) = std::env::var("AMQP_URL") {
        return Ok(Broker { url, _node: None });
    }
    if !Path::new(SERVER).exists() {
        return Err(
            "no broker: set AMQP_URL, or install one (`apt-get install rabbitmq-server`)"
                .to_owned(),
        );
    }
    let node = Node::start().map_err(|e| format!("cannot start a private RabbitMQ node: {e}"))?;
    // The system waits for it: a broker that is not there yet is an outage like any other.
    Ok(Broker {
        url: format!("amqp://127.0.0.1:{}", node.port),
        _node: Some(node),
    })
}

struct Node {
    port: u16,
    epmd: u16,
    server: Child,
    folder: PathBuf,
}

impl Node {
    fn start() -> io::Result<Self> {
        let [port, dist, epmd] = free_ports()?;
        let folder =
            std::env::temp_dir().join(format!("garenne-quickstart-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let cookie = folder.join(".erlang.cookie");
        fs::write(&cookie, "QUICKSTART")?;
        fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400))?;
        fs::write(folder.join("plugins"), "[].")?;
        let log = File::create(folder.join("output.log"))?;
        let server = Command::new(SERVER)
            .env("HOME", &folder)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", epmd.to_string())
            .env(
                "RABBITMQ_NODENAME",
                format!("quickstart{}@localhost", std::process::id()),
            )
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", port.to_string())
            .env("RABBITMQ_DIST_PORT", dist.to_string())
            .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
            .env("RABBITMQ_LOG_BASE", folder.join("log"))
            .env("RABBITMQ_PID_FILE", folder.join("pid"))
            .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"))
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            )
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A group of its own, so that Ctrl-C reaches us first and we stop it.
            .process_group(0)
            .spawn()?;
        Ok(Self {
            port,
            epmd,
            server,
            folder,
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The server's group: the Erlang VM and its helpers. Its port mapper stands apart.
        let group = format!("-{}", self.server.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _ = self.server.wait();
        let mut port_mapper = Command::new("epmd");
        port_mapper
            .arg("-kill")
            .env("ERL_EPMD_PORT", self.epmd.to_string());
        let _ = port_mapper
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Three ports that are free at the moment, below the range that connections are given theirs from.
fn free_ports() -> io::Result<[u16; 3]> {
    let start = 20_000 + u16::try_from(std::process::id() % 9_000).unwrap_or(0);
    let mut free =
        (start..32_000).filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    match (free.next(), free.next(), free.next()) {
        (Some(a), Some(b), Some(c)) => Ok([a, b, c]),
        _ => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "no free port on loopback",
        )),
    }
}
