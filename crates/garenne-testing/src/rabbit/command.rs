//! The processes that make a node, and where its parts listen.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ports::PortBlock;
use crate::rabbit::version::SERVER;

/// Enters the root folder `$1` with the folder `$2` at the same path inside. The mounts are seen by
/// this process and what it becomes, and are gone with it, however it ends.
const ENTER: &str = r#"
root=$1 shared=$2
shift 2
mkdir -p "$root$shared" &&
mount --bind /dev "$root/dev" &&
mount --bind /proc "$root/proc" &&
mount --bind "$shared" "$root$shared" &&
exec chroot "$root" /bin/sh -c 'cd "$HOME" && exec "$@"' node "$@"
"#;

/// Where the parts of one node listen.
#[derive(Clone, Debug)]
pub(crate) struct NodePorts {
    pub(crate) amqp: u16,
    pub(crate) tls: u16,
    pub(crate) dist: u16,
    pub(crate) epmd: u16,
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

    /// A port mapper in the foreground: a node's own would become a daemon that outlives it.
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

    /// The server, whose process becomes the node itself.
    pub(crate) fn server_command(&self, root: &Path, home: &Path, node: &str) -> Command {
        let output = fs::File::create(home.join("output"));
        let output =
            output.unwrap_or_else(|error| panic!("failed to write the node's output: {error}"));
        let error = output.try_clone().expect("a file handle can be cloned");
        let mut command = in_root(root);
        // Where it drops its dumps.
        command.current_dir(home);
        command.stdin(Stdio::null()).stdout(output).stderr(error);
        command.env_clear().envs(self.variables(home, node));
        let here = std::env::var_os("PATH").filter(|_| root == Path::new("/"));
        command.env(
            "PATH",
            here.unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into()),
        );
        command
    }

    fn variables(&self, home: &Path, node: &str) -> Vec<(&'static str, OsString)> {
        let text = |text: &str| OsStr::new(text).to_owned();
        let file = |name: &str| home.join(name).into_os_string();
        vec![
            ("HOME", home.into()),
            ("LANG", text("C.UTF-8")),
            ("ERL_EPMD_PORT", self.epmd.to_string().into()),
            ("ERL_EPMD_ADDRESS", text("127.0.0.1")),
            ("ERL_CRASH_DUMP_SECONDS", text("0")),
            ("RABBITMQ_NODENAME", text(node)),
            ("RABBITMQ_DIST_PORT", self.dist.to_string().into()),
            ("RABBITMQ_MNESIA_BASE", file("mnesia")),
            ("RABBITMQ_LOG_BASE", file("log")),
            ("RABBITMQ_PID_FILE", file("pid")),
            ("RABBITMQ_CONF_ENV_FILE", text("/dev/null")),
            ("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf")),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", file("advanced.config")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", file("enabled_plugins")),
            // Makes the script exec the Erlang machine, so that our child is the node itself and no
            // shell around it; `-noinput` is then ours to say.
            ("RABBITMQ_ALLOW_INPUT", text("1")),
            (
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                text("-noinput -kernel inet_dist_use_interface {127,0,0,1}"),
            ),
        ]
    }
}

/// The server of a root folder; temporary files, a node's home among them, have the same paths
/// inside and outside.
fn in_root(root: &Path) -> Command {
    let server = Path::new("/").join(SERVER);
    if root == Path::new("/") {
        return Command::new(server);
    }
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private"])
        .args(["--", "/bin/sh", "-c", ENTER, "enter"])
        .arg(root)
        .arg(std::env::temp_dir())
        .arg(server);
    command
}
