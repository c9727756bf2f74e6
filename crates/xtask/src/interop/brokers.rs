//! Brokers as child processes that say their URL and are gone with their handle.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::Rabbit;
use crate::rabbitmq4;
use crate::steps::root;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Embedded,
    Node,
}

/// A broker that serves until this is dropped.
pub(super) struct Running {
    kind: Kind,
    child: Child,
    pub(super) url: String,
}

impl Running {
    /// The embedded broker, as its own program.
    pub(super) fn embedded() -> Result<Self, String> {
        Self::start(Kind::Embedded, Command::new(built("garenne-broker")))
    }

    /// A private RabbitMQ node.
    pub(super) fn rabbit(rabbit: Rabbit) -> Result<Self, String> {
        let mut command = Command::new(built("examples/rabbit-node"));
        match rabbit {
            Rabbit::V3 => command.env("GARENNE_RABBITMQ", "3"),
            Rabbit::V4 => command
                .env("GARENNE_RABBITMQ", "4")
                .env(rabbitmq4::VARIABLE, rabbitmq4::folder()),
        };
        Self::start(Kind::Node, command)
    }

    fn start(kind: Kind, mut command: Command) -> Result<Self, String> {
        let shown = format!("{command:?}");
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|e| format!("cannot run {shown}: {e}"))?;
        let output = child.stdout.take().map(BufReader::new);
        let mut running = Self {
            kind,
            child,
            url: String::new(),
        };
        // A broker that does not come up ends by itself, and with it its output.
        let read = output.map(|mut output| output.read_line(&mut running.url));
        running.url = running.url.trim().to_owned();
        match read {
            Some(Ok(_)) if !running.url.is_empty() => Ok(running),
            _ => Err(format!("{shown} did not say its URL")),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A node ends with its input, so that it can clean up; the embedded broker has nothing to.
        drop(self.child.stdin.take());
        if self.kind == Kind::Embedded {
            let _gone = self.child.kill();
        }
        let _reaped = self.child.wait();
    }
}

/// Where cargo puts what it builds.
fn built(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root().join(target).join("debug").join(name)
}
