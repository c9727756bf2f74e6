//! `cargo xtask rabbitmq4`: a root folder with the RabbitMQ 4 of Debian 13.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install;
use crate::steps::{root, run};

/// What the folder is made for.
const SERVER: &str = "usr/lib/rabbitmq/bin/rabbitmq-server";

/// The suite of Debian that it comes from.
const SUITE: &str = "trixie";

/// What the tests read to find it.
pub(crate) const VARIABLE: &str = "GARENNE_RABBITMQ4_ROOT";

/// Where it is made: in the folder that the variable names, or in `target/rabbitmq4`.
pub(crate) fn folder() -> PathBuf {
    match std::env::var_os(VARIABLE) {
        Some(folder) => root().join(folder),
        None => root().join("target/rabbitmq4"),
    }
}

/// Makes the folder, unless it is there.
///
/// A folder of that name is always whole: it is made beside it and renamed.
pub(crate) fn prepare(folder: &Path) -> Result<(), String> {
    if folder.join(SERVER).is_file() {
        println!("{}: RabbitMQ {}", folder.display(), version(folder));
        return Ok(());
    }
    if folder.exists() {
        return Err(format!(
            "{} is there, but holds no RabbitMQ: remove it or name another folder",
            folder.display()
        ));
    }
    if !install::is_root() {
        return Err(format!(
            "only root can make and enter a root folder such as {}: run this as root",
            folder.display()
        ));
    }
    install::files(&[("/usr/bin/mmdebstrap", "mmdebstrap")])?;
    let mut partial = folder.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let parent = folder.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).map_err(|e| format!("cannot make {}: {e}", parent.display()))?;
    // What an interrupted run left; never past a mount that it left too.
    let mut remove = Command::new("rm");
    run(remove.args(["-rf", "--one-file-system"]).arg(&partial))?;
    println!("downloading RabbitMQ 4 into {}", folder.display());
    let mut make = Command::new("mmdebstrap");
    make.args(["--mode=root", "--variant=essential"])
        .arg("--include=rabbitmq-server")
        .arg("--aptopt=APT::Install-Recommends \"false\"")
        .arg(SUITE)
        .arg(&partial);
    run(&mut make).map_err(|e| {
        format!(
            "{e}; it downloads the suite `{SUITE}` of Debian: is a mirror of that reachable, and is \
             `http_proxy` set where one is needed? In a container it also needs CAP_SYS_ADMIN"
        )
    })?;
    fs::rename(&partial, folder)
        .map_err(|e| format!("cannot rename {} : {e}", partial.display()))?;
    println!("{}: RabbitMQ {}", folder.display(), version(folder));
    Ok(())
}

/// Its version, as the name of a folder tells it.
fn version(folder: &Path) -> String {
    let entries = fs::read_dir(folder.join("usr/lib/rabbitmq/lib"));
    let names = entries.into_iter().flatten().flatten();
    let version = names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .find_map(|name| Some(name.strip_prefix("rabbitmq_server-")?.to_owned()));
    version.unwrap_or_else(|| "of unknown version".to_owned())
}
