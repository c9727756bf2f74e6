//! How the contenders of `cargo xtask bench` are built and installed.

use std::fs;
use std::path::Path;
use std::process::Command;

use bench_plan::Contender;

use crate::install;
use crate::steps::run as run_command;

/// Installs a contender from the folder of peers into that of programs.
pub(crate) type Install = fn(peers: &Path, programs: &Path) -> Result<(), String>;

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
/// What the contender in C is built with.
const C: [(&str, &str); 4] = [
    ("/usr/bin/cc", "gcc"),
    ("/usr/include/stdio.h", "libc6-dev"),
    ("/usr/include/amqp.h", "librabbitmq-dev"),
    ("/usr/include/jsmn.h", "libjsmn-dev"),
];

/// How to install a contender that is not built together with the runner.
pub(crate) fn install(contender: Contender) -> Option<Install> {
    match contender {
        Contender::Garenne
        | Contender::LapinAwaitAck
        | Contender::LapinBest
        | Contender::LapinNoAck => None,
        Contender::Amqprs => Some(|peers, programs| rust(&peers.join("amqprs"), programs)),
        Contender::Librabbitmq => Some(c),
        Contender::Amqp091Go => Some(go),
        Contender::ApalisAmqp => Some(|peers, programs| rust(&peers.join("apalis"), programs)),
        Contender::RuststreamLapin => {
            Some(|peers, programs| rust(&peers.join("ruststream"), programs))
        }
        Contender::Pika => Some(|peers, programs| python(peers, programs, "pika.txt")),
        Contender::Celery => Some(|peers, programs| python(peers, programs, "celery.txt")),
        Contender::Amqplib => Some(amqplib),
    }
}

/// Builds a package or a workspace.
pub(crate) fn rust(folder: &Path, programs: &Path) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(programs.join("cargo"));
    run_command(&mut build)
}

fn c(peers: &Path, programs: &Path) -> Result<(), String> {
    install::files(&C)?;
    let mut build = Command::new("cc");
    build
        .args(["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O2"])
        .args(["-Wall", "-Wextra", "-o"])
        .arg(programs.join("librabbitmq-contender"))
        .arg(peers.join("librabbitmq/consumer.c"))
        .arg("-lrabbitmq");
    run_command(&mut build)
}

fn go(peers: &Path, programs: &Path) -> Result<(), String> {
    install::files(&GO)?;
    let mut build = Command::new("go");
    build
        .args(["build", "-o"])
        .arg(programs.join("go-contender"))
        .arg(".")
        .current_dir(peers.join("go"))
        .envs([("GO111MODULE", "off"), ("GOPATH", GOPATH)])
        .env("GOCACHE", programs.join("go-cache"));
    run_command(&mut build)
}

fn python(peers: &Path, programs: &Path, requirements: &str) -> Result<(), String> {
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
        .arg(peers.join("python").join(requirements));
    run_command(&mut pip).map_err(|e| format!("{e}; is there a network?"))
}

fn amqplib(peers: &Path, programs: &Path) -> Result<(), String> {
    for file in ["package.json", "package-lock.json"] {
        let copy = programs.join(file);
        fs::copy(peers.join("node").join(file), &copy)
            .map_err(|e| format!("cannot write {}: {e}", copy.display()))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--silent", "--no-audit", "--no-fund"])
        .current_dir(programs);
    run_command(&mut npm).map_err(|e| format!("{e}; install nodejs and npm; is there a network?"))
}
