//! Child processes that cannot outlive the tests.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::wait::eventually;

/// `$1` is the group, `$2` the files it leaves, which may be removed only when it writes no more.
const GUARD: &str = r#"
read _
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -KILL "-$1" 2>/dev/null && sleep 0.1; done
[ -z "$2" ] || rm -rf "$2"
"#;

/// A child that leads a process group of its own.
///
/// Dropping it kills the group. When this process ends without dropping anything (statics, a
/// SIGKILL, a double panic), the guard does: a shell that waits for the end of a pipe from us.
#[derive(Debug)]
pub struct ProcessGroup {
    name: String,
    child: Child,
    guard: Option<Child>,
    exit: Option<ExitStatus>,
}

impl ProcessGroup {
    /// Starts `command`; `name` is for messages.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn spawn(name: impl Into<String>, command: &mut Command) -> Self {
        Self::spawn_with_scratch(name, command, Path::new(""))
    }

    /// The same, for a child whose files in `scratch` the guard removes as well.
    pub(crate) fn spawn_with_scratch(
        name: impl Into<String>,
        command: &mut Command,
        scratch: &Path,
    ) -> Self {
        let name = name.into();
        let child = command
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("failed to start {name} ({command:?}): {error}"));
        let guard = Command::new("/bin/sh")
            .args(["-c", GUARD, "guard"])
            .arg(child.id().to_string())
            .arg(scratch)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("failed to start the guard of {name}: {error}"));
        Self {
            name,
            child,
            guard: Some(guard),
            exit: None,
        }
    }

    /// The child itself, to take its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The process id, which is also that of the group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    ///
    /// When somebody else has reaped it: a test that waits for all children of its process.
    pub fn exit(&mut self) -> Option<ExitStatus> {
        if self.exit.is_none() {
            self.exit = self
                .child
                .try_wait()
                .expect("our own child can be waited for");
            if self.exit.is_some() {
                self.dismiss_guard();
            }
        }
        self.exit
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    ///
    /// When it has not by the deadline.
    pub async fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        eventually(deadline, &what, async || {
            self.exit().ok_or_else(|| "it runs".to_owned())
        })
        .await
    }

    /// Sends a signal to the child alone; none if it has ended.
    ///
    /// # Panics
    ///
    /// When the kernel does not allow it.
    pub fn signal(&mut self, signal: Signal) {
        if self.exit().is_none() {
            let sent = rustix::process::kill_process(self.rustix_pid(), signal);
            sent.unwrap_or_else(|error| panic!("failed to signal {}: {error}", self.name));
        }
    }

    /// SIGKILL to the whole group; returns when the child is gone and its ports are free.
    pub fn kill(&mut self) {
        if self.exit().is_none() {
            // It fails only when nobody is left to kill.
            let _gone = rustix::process::kill_process_group(self.rustix_pid(), Signal::KILL);
            self.exit = self.child.wait().ok();
        }
        self.dismiss_guard();
    }

    fn rustix_pid(&self) -> Pid {
        i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a pid is a positive i32")
    }

    fn dismiss_guard(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            // Killed first: its pipe must not close while it can still act.
            let _killed = guard.kill();
            let _reaped = guard.wait();
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
    }
}
