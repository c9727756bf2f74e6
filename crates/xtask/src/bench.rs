//! `cargo xtask bench`: builds and installs what is measured side by side, and measures it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install;
use crate::steps::{root, run as run_command, step};

/// What a private RabbitMQ node is started and asked with.
const NODE: [(&str, &str); 2] = [
    ("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server"),
    ("/usr/bin/erl_call", "erlang-base"),
];
/// Where Debian puts what Go programs import.
const GOPATH: &str = "/usr/share/gocode";
/// What the contender in Go is built with.
const GO: [(&str, &str); 2] = [
    ("/usr/bin/go", "golang-go"),
    (
        "/usr/share/gocode/src/github.com/rabbitmq/amqp091-go",
        "golang-github-rabbitmq-amqp091-go-dev",
    ),
];

/// Installs a contender into this folder.
type Install = fn(&Path) -> Result<(), String>;

/// Who needs more than cargo; the names are those of the runner.
const GUESTS: [(&str, Install); 3] = [("amqp091-go", go), ("pika", pika), ("amqplib", amqplib)];

/// Measures; the options are the runner's.
pub(crate) fn run(options: &[&str]) -> Result<(), String> {
    let programs = programs();
    fs::create_dir_all(&programs)
        .map_err(|e| format!("cannot make {}: {e}", programs.display()))?;
    step("what the broker needs", || install::files(&NODE))?;
    step("contenders in Rust, and the runner", || rust(&programs))?;
    let mut runner = Command::new(programs.join("cargo/release/runner"));
    runner.args(options).arg("--programs").arg(&programs);
    for (name, install) in GUESTS {
        // Who cannot be installed is left out; the others can be measured without.
        if let Err(error) = step(name, || install(&programs)) {
            println!("{error}");
            runner.args(["--without", name]);
        }
    }
    step("measurement", || run_command(&mut runner))
}

fn rust(programs: &Path) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(peers().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(programs.join("cargo"));
    run_command(&mut build)
}

fn go(programs: &Path) -> Result<(), String> {
    install::files(&GO)?;
    let mut build = Command::new("go");
    build
        .args(["build", "-o"])
        .arg(programs.join("go-contender"))
        .arg(peers().join("go/main.go"))
        .envs([("GO111MODULE", "off"), ("GOPATH", GOPATH)])
        .env("GOCACHE", programs.join("go-cache"));
    run_command(&mut build)
}

fn pika(programs: &Path) -> Result<(), String> {
    let venv = programs.join("venv");
    let python = venv.join("bin/python");
    if !python.is_file() {
        run_command(Command::new("python3").args(["-m", "venv"]).arg(&venv))
            .map_err(|e| format!("{e}; install python3 and python3-venv"))?;
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet"])
        .arg("--disable-pip-version-check")
        .arg("--requirement")
        .arg(peers().join("python/requirements.txt"));
    run_command(&mut pip).map_err(|e| format!("{e}; is there a network?"))
}

fn amqplib(programs: &Path) -> Result<(), String> {
    for file in ["package.json", "package-lock.json"] {
        let copy = programs.join(file);
        fs::copy(peers().join("node").join(file), &copy)
            .map_err(|e| format!("cannot write {}: {e}", copy.display()))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--silent", "--no-audit", "--no-fund"])
        .current_dir(programs);
    run_command(&mut npm).map_err(|e| format!("{e}; install nodejs and npm; is there a network?"))
}

fn peers() -> PathBuf {
    root().join("integration-tests/peers")
}

/// Where everything is built and installed.
fn programs() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root().join(target).join("peers")
}
