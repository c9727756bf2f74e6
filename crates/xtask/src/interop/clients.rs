//! The clients: installed by their own package managers into a folder of their own, never elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::brokers::Running;
use crate::steps::{root, run};

/// How long a program may take: seconds, on an idle machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often a program is asked whether it has ended.
const LOOK: Duration = Duration::from_millis(50);

/// A program that uses one client.
pub(super) struct Program {
    pub(super) client: &'static str,
    interpreter: PathBuf,
    file: PathBuf,
}

/// Installs what the programs need, unless it is there.
pub(super) fn install(scratch: &Path) -> Result<(), String> {
    fs::create_dir_all(scratch).map_err(|e| format!("cannot make {}: {e}", scratch.display()))?;
    let python = python(scratch);
    if !python.is_file() {
        let mut make = Command::new("python3");
        run(make.args(["-m", "venv"]).arg(scratch.join("venv")))
            .map_err(|e| format!("{e}; install python3 and python3-venv"))?;
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet"])
        .arg("--disable-pip-version-check")
        .arg("--requirement")
        .arg(folder().join("requirements.txt"));
    run(&mut pip).map_err(|e| format!("{e}; is there a network?"))?;
    let manifest = scratch.join("package.json");
    fs::copy(folder().join("package.json"), &manifest)
        .map_err(|e| format!("cannot write {}: {e}", manifest.display()))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund"])
        .current_dir(scratch);
    run(&mut npm).map_err(|e| format!("{e}; install nodejs and npm; is there a network?"))
}

pub(super) fn programs(scratch: &Path) -> [Program; 3] {
    let program = |client, interpreter: PathBuf, file: &str| Program {
        client,
        interpreter,
        file: folder().join(file),
    };
    [
        program("pika", python(scratch), "blocking.py"),
        program("aio-pika", python(scratch), "asynchronous.py"),
        program("amqplib", PathBuf::from("node"), "amqplib.js"),
    ]
}

impl Program {
    /// Runs it on a broker; what it printed stays in the scratch folder, too.
    pub(super) fn lines(
        &self,
        broker: &Running,
        scratch: &Path,
        name: &str,
    ) -> Result<Vec<String>, String> {
        let seen = scratch.join(format!("{}.{name}.jsonl", self.client));
        let output =
            fs::File::create(&seen).map_err(|e| format!("cannot write {}: {e}", seen.display()))?;
        let mut child = Command::new(&self.interpreter)
            .arg(&self.file)
            .arg(&broker.url)
            .env("NODE_PATH", scratch.join("node_modules"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(output)
            .spawn()
            .map_err(|e| format!("cannot run {}: {e}", self.interpreter.display()))?;
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => pause(),
                _ => {
                    let _gone = child.kill();
                    let _reaped = child.wait();
                    return Err(format!("{} on {name} does not end", self.client));
                }
            }
        };
        if !status.success() {
            return Err(format!("{} on {name}: {status}", self.client));
        }
        let text = fs::read_to_string(&seen)
            .map_err(|e| format!("cannot read {}: {e}", seen.display()))?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

fn folder() -> PathBuf {
    root().join("integration-tests/interop")
}

fn python(scratch: &Path) -> PathBuf {
    scratch.join("venv/bin/python")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a command has no actors that it could delay"
)]
fn pause() {
    std::thread::sleep(LOOK);
}
