//! `cargo xtask bench`: builds and installs what is measured side by side, and measures it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bench_plan::{Contender, Mode, Options};

use crate::bench_guests::{self, Install};
use crate::install;
use crate::steps::{cargo, root, run as run_command, step};

/// What a private RabbitMQ node is started and asked with.
const NODE: [(&str, &str); 2] = [
    ("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server"),
    ("/usr/bin/erl_call", "erlang-base"),
];
/// What counts instructions.
const VALGRIND: [(&str, &str); 1] = [("/usr/bin/valgrind", "valgrind")];

/// Measures; the options are read before anything is built, and are the runner's.
pub(crate) fn run(options: &[&str]) -> Result<(), String> {
    let asked = Options::read(options.iter().copied());
    let programs = programs();
    fs::create_dir_all(&programs)
        .map_err(|e| format!("cannot make {}: {e}", programs.display()))?;
    match asked.mode() {
        Mode::Check => return check(),
        Mode::Guard | Mode::Accept => {
            step("what counts instructions", || install::files(&VALGRIND))?;
        }
        Mode::Measure => step("what the broker needs", || install::files(&NODE))?,
    }
    step("contenders in Rust, and the runner", || {
        bench_guests::rust(&peers(), &programs)
    })?;
    let mut runner = Command::new(programs.join("cargo/release/runner"));
    runner.args(options).arg("--programs").arg(&programs);
    if asked.mode() == Mode::Measure {
        install_guests(&asked, &programs, &mut runner);
    }
    step("measurement", || run_command(&mut runner))
}

/// Who cannot be installed is left out; the others can be measured without.
fn install_guests(asked: &Options, programs: &Path, runner: &mut Command) {
    let guests = asked.everybody().into_iter();
    let guests: Vec<(Contender, Install)> = guests
        .filter_map(|guest| Some((guest, bench_guests::install(guest)?)))
        .collect();
    for (guest, install) in guests {
        if let Err(error) = step(guest.name(), || install(&peers(), programs)) {
            println!("{error}");
            runner.args(["--without", guest.name()]);
        }
    }
}

/// Format, lints and tests of all that is in Rust there.
fn check() -> Result<(), String> {
    for package in ["", "amqprs/", "apalis/", "ruststream/"] {
        let manifest = format!("integration-tests/peers/{package}Cargo.toml");
        step(&format!("format of {manifest}"), || {
            cargo(&format!("fmt --all --check --manifest-path {manifest}"))
        })?;
    }
    let peers = "integration-tests/peers/Cargo.toml";
    let place = format!(
        "--locked --manifest-path {peers} --target-dir {}",
        programs().join("cargo").display()
    );
    step("lints", || {
        cargo(&format!("clippy {place} --all-targets -- -D warnings"))
    })?;
    step("tests", || cargo(&format!("test {place}")))
}

fn peers() -> PathBuf {
    root().join("integration-tests/peers")
}

/// Where everything is built and installed.
fn programs() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root().join(target).join("peers")
}
