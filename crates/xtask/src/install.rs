//! What the tests need and cargo does not bring.

use std::path::Path;
use std::process::{Command, Output};

use crate::steps::run;

/// Files that show that Debian's packages are there, and the packages that bring them.
const NEEDED: [(&str, &str); 3] = [
    ("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server"),
    ("/usr/bin/erl_call", "erlang-base"),
    // Its servers lie in a folder for each version.
    ("/usr/lib/postgresql", "postgresql"),
];

/// Installs what the tests need.
pub(crate) fn needed() -> Result<(), String> {
    files(&NEEDED)
}

/// Installs what is missing, where that is possible; else says exactly what to install.
///
/// Debian may start the node of a freshly installed `rabbitmq-server`. The tests never touch it:
/// theirs have ports and folders of their own.
pub(crate) fn files(needed: &[(&str, &'static str)]) -> Result<(), String> {
    let missing: Vec<&str> = needed
        .iter()
        .filter(|(file, _)| !Path::new(file).exists())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!(
        "install it by hand: apt-get install --no-install-recommends {}",
        missing.join(" ")
    );
    let Some(prefix) = apt() else {
        return Err(format!(
            "missing: {}; cannot install it without root or sudo; {by_hand}",
            missing.join(", ")
        ));
    };
    println!("installing {}", missing.join(", "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new(prefix[0]);
        command
            .args(&prefix[1..])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut command)
    };
    let install = [&["install", "-y", "--no-install-recommends"], &missing[..]].concat();
    apt(&["update"])
        .and_then(|()| apt(&install))
        .map_err(|e| format!("{e}; {by_hand}"))
}

/// `apt-get` as somebody who may install; `None` where nobody here may.
fn apt() -> Option<&'static [&'static str]> {
    let succeeds = |command: &[&str]| output(command).is_some_and(|output| output.status.success());
    if !succeeds(&["apt-get", "--version"]) {
        None
    } else if is_root() {
        Some(&["apt-get"])
    } else if succeeds(&["sudo", "-n", "true"]) {
        Some(&["sudo", "-n", "apt-get"])
    } else {
        None
    }
}

/// Whether this is root.
pub(crate) fn is_root() -> bool {
    output(&["id", "-u"]).is_some_and(|id| id.stdout == b"0\n")
}

fn output(command: &[&str]) -> Option<Output> {
    Command::new(command[0]).args(&command[1..]).output().ok()
}
