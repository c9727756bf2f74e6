//! A private PostgreSQL as a child process.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::ports::PortBlock;
use crate::process::ProcessGroup;
use crate::wait::eventually;

/// How long a start or a stop may take: a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where Debian puts the servers, one folder for each version.
const SERVERS: &str = "/usr/lib/postgresql";

/// The name and the password of the superuser.
const USER: &str = "garenne";
const PASSWORD: &str = "secret";

/// A private PostgreSQL server with a database `garenne`; killed when dropped.
///
/// It runs the newest version that is installed, listens on loopback only, and asks for passwords.
/// Started by root, who may not run a server, it runs as the user `postgres`. It does not wait for
/// the disk: what it has committed survives a SIGKILL, not a loss of power.
#[derive(Debug)]
pub struct PostgresNode {
    bin: PathBuf,
    user: Option<(u32, u32)>,
    server: Option<ProcessGroup>,
    home: TempDir,
    ports: PortBlock,
}

impl PostgresNode {
    /// Makes a cluster, starts its server and waits until it serves.
    ///
    /// # Panics
    ///
    /// When no PostgreSQL is installed, or it does not serve after two minutes.
    pub async fn start() -> Self {
        let home = tempfile::Builder::new()
            .prefix("garenne-postgres-")
            .tempdir();
        let home = home.unwrap_or_else(|error| panic!("failed to make a server's home: {error}"));
        let mut node = Self {
            bin: newest_server(),
            user: rustix::process::geteuid().is_root().then(postgres_user),
            server: None,
            home,
            ports: PortBlock::claim(),
        };
        node.initialize();
        node.restart().await;
        node.sql(&format!("CREATE DATABASE {USER}"), "postgres");
        node
    }

    fn initialize(&self) {
        let home = self.home.path();
        let password = home.join("password");
        fs::write(&password, PASSWORD).expect("a file can be written to a fresh folder");
        if let Some((uid, gid)) = self.user {
            for path in [home, &password] {
                chown(path, Some(uid), Some(gid)).expect("root may give files away");
            }
        }
        let mut initdb = self.command("initdb");
        initdb
            .args(["--username", USER, "--auth", "scram-sha-256", "--no-sync"])
            .args(["--encoding", "UTF8", "--locale", "C", "--pwfile"])
            .arg(&password)
            .arg("--pgdata")
            .arg(self.data());
        let made = initdb.output();
        let made = made.unwrap_or_else(|error| panic!("failed to run {initdb:?}: {error}"));
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "failed to make a cluster: {said}");
    }

    /// Starts the server, with the data of its last life, and waits until it serves. Kills it first
    /// when it still runs.
    ///
    /// # Panics
    ///
    /// When it does not serve after two minutes.
    pub async fn restart(&mut self) {
        self.kill();
        eventually(PATIENCE, "PostgreSQL serves", async || {
            // What is left of a killed server keeps its memory for a moment, and a new one ends at
            // once then.
            let has_ended = |server: &mut ProcessGroup| server.exit().is_some();
            if self.server.as_mut().is_none_or(has_ended) {
                self.launch();
            }
            self.try_sql("SELECT 1", "postgres")
                .map(drop)
                .map_err(|error| {
                    let log = fs::read_to_string(self.home.path().join("log"));
                    format!("{error}\n{}", log.unwrap_or_default())
                })
        })
        .await;
    }

    fn launch(&mut self) {
        let log = fs::File::create(self.home.path().join("log"));
        let log = log.expect("a log can be written to the server's home");
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        let port = format!("port={}", self.port());
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "max_connections=50",
            &port,
        ] {
            command.args(["-c", setting]);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let home = self.home.path();
        self.server = Some(ProcessGroup::spawn_with_scratch(
            "postgres",
            &mut command,
            home,
        ));
    }

    /// SIGKILL, in the middle of whatever it does.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// SIGINT: the server ends its connections, saves what it has, and ends.
    ///
    /// # Panics
    ///
    /// When it does not end within two minutes.
    pub async fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.signal(Signal::INT);
            server.wait_exit(PATIENCE).await;
        }
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.port(0)
    }

    /// The URL of the database `garenne` for the superuser.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of(USER)
    }

    /// The URL of another database for the superuser.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        self.url_for(USER, PASSWORD, self.port(), database)
    }

    /// The URL of a database for some user, at another port: that of a proxy, say.
    #[must_use]
    pub fn url_for(&self, user: &str, password: &str, port: u16, database: &str) -> String {
        format!(
            "postgres://{user}:{password}@{}:{port}/{database}",
            Ipv4Addr::LOCALHOST
        )
    }

    /// Makes an empty database and gives its URL.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    #[must_use]
    pub fn create_database(&self, name: &str) -> String {
        self.sql(&format!("CREATE DATABASE {name}"), "postgres");
        self.url_of(name)
    }

    /// Runs statements as the superuser, and gives what they give: a line for each row, columns
    /// separated by `|`.
    ///
    /// # Panics
    ///
    /// When the server refuses, or does not run.
    pub fn sql(&self, statements: &str, database: &str) -> String {
        self.try_sql(statements, database)
            .unwrap_or_else(|error| panic!("failed to run {statements}: {error}"))
    }

    fn try_sql(&self, statements: &str, database: &str) -> Result<String, String> {
        let mut psql = self.command("psql");
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
        ])
        .args(["-U", USER, "-d", database, "-p", &self.port().to_string()])
        .args(["-c", statements])
        .env("PGPASSWORD", PASSWORD)
        .env("PGCONNECT_TIMEOUT", "5");
        let output = psql.output().map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout)
                .trim_end()
                .to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir("/").env("LC_ALL", "C");
        if let Some((uid, gid)) = self.user {
            command.gid(gid).uid(uid);
        }
        command
    }
}

/// The programs of the newest version that is installed.
fn newest_server() -> PathBuf {
    let versions = fs::read_dir(SERVERS).into_iter().flatten().flatten();
    let newest = versions
        .map(|version| version.path())
        .filter(|version| version.join("bin/postgres").exists())
        .max_by_key(|version| number(version));
    let hint = "install it: apt-get install --no-install-recommends postgresql";
    let newest = newest.unwrap_or_else(|| panic!("no PostgreSQL in {SERVERS}; {hint}"));
    newest.join("bin")
}

fn number(version: &Path) -> u32 {
    let name = version.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or_default()
}

/// The user and group ids of `postgres`, or of nobody where there is none.
fn postgres_user() -> (u32, u32) {
    const NOBODY: (u32, u32) = (65534, 65534);
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let mut ids = line.into_iter().flat_map(|line| line.split(':').skip(2));
    let mut id = || ids.next()?.parse().ok();
    Option::zip(id(), id()).unwrap_or(NOBODY)
}
