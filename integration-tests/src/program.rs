//! The programs under test, as cargo built them.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use garenne_testing::ProcessGroup;

use crate::transcript::Transcript;

/// Longer than any test waits.
const LONG: Duration = Duration::from_secs(86_400);

/// A built program of this workspace.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    open_files: Option<u32>,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; a signal's death has none.
    pub code: Option<i32>,
    /// Everything it wrote.
    pub transcript: Arc<Transcript>,
}

impl Program {
    /// Finds `name` in the target directory of the running test.
    ///
    /// # Panics
    ///
    /// When it has not been built: tests do not build what they test, `cargo xtask test` does.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let test = std::env::current_exe().expect("a running test knows its own path");
        // target/debug/deps/integration-0123 → target/debug/order-service
        let path = test
            .ancestors()
            .nth(2)
            .map(|dir| dir.join(name))
            .unwrap_or_default();
        assert!(
            path.is_file(),
            "{} is not built: run `cargo build -p {name}` first (`cargo xtask test` does)",
            path.display()
        );
        Self {
            path,
            args: Vec::new(),
            env: Vec::new(),
            open_files: None,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.args.extend(args.into_iter().map(str::to_owned));
        self
    }

    /// Sets an environment variable; nothing but `PATH` and `HOME` is inherited.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// How many files and sockets it may have open.
    #[must_use]
    pub fn open_files(mut self, most: u32) -> Self {
        self.open_files = Some(most);
        self
    }

    /// Runs it, and kills it (SIGKILL) if it has not ended after this long. Its exit code; `None` if it was
    /// killed.
    pub async fn run_or_kill(&self, patience: Duration) -> Option<i32> {
        let transcript = Arc::new(Transcript::default());
        let mut group = self.start(&transcript);
        let ended = tokio::time::timeout(patience, group.wait_exit(LONG)).await;
        group.kill();
        ended.ok().and_then(|status| status.code())
    }

    /// Starts it; what it writes is appended to `transcript`.
    pub(crate) fn start(&self, transcript: &Arc<Transcript>) -> ProcessGroup {
        let name = self
            .path
            .file_name()
            .map(OsStr::to_string_lossy)
            .unwrap_or_default();
        let mut command = match self.open_files {
            None => Command::new(&self.path),
            Some(most) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {most} && exec \"$0\" \"$@\"")]);
                shell.arg(&self.path);
                shell
            }
        };
        command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for kept in ["PATH", "HOME"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command.args(&self.args);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let mut group = ProcessGroup::spawn(name, &mut command);
        transcript.follow(group.child());
        group
    }

    /// Runs it until it ends by itself.
    pub async fn run(&self, deadline: Duration) -> Ended {
        let transcript = Arc::new(Transcript::default());
        let mut group = self.start(&transcript);
        let status = group.wait_exit(deadline).await;
        transcript.complete(deadline).await;
        Ended {
            code: status.code(),
            transcript,
        }
    }
}
