//! Which RabbitMQ a node runs, and where that is found.

use std::env;
use std::path::{Path, PathBuf};

/// The server inside a root folder: the wrapper in `/usr/sbin` changes user and directory.
pub(crate) const SERVER: &str = "usr/lib/rabbitmq/bin/rabbitmq-server";

/// Where the folder with RabbitMQ 4 lies below the folder of a workspace.
const ROOT: &str = "target/rabbitmq4";

/// Which RabbitMQ a node runs.
///
/// | version | from | what it takes |
/// |---|---|---|
/// | [`V3`](Self::V3) | the package `rabbitmq-server` of this machine; 3.10 in Debian 12 | `apt-get install rabbitmq-server` |
/// | [`V4`](Self::V4) | a folder with the packages of Debian 13, which have 4.0 | root, and `mmdebstrap --variant=essential --include=rabbitmq-server --aptopt='APT::Install-Recommends "false"' trixie FOLDER` |
///
/// Both also need `epmd` and `erl_call` of the package `erlang-base` here. In a checkout of garenne,
/// `cargo xtask rabbitmq4` makes the folder in `target/rabbitmq4`, which is found from every folder
/// of the workspace; any other is named by the variable `GARENNE_RABBITMQ4_ROOT`.
///
/// The default is what the variable `GARENNE_RABBITMQ` says, `3` or `4`, and 3 without it: the same
/// tests run on both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RabbitVersion {
    /// The RabbitMQ that is installed here.
    V3,
    /// RabbitMQ 4 in a folder of its own, run there by `chroot` in a mount namespace of its own.
    V4,
}

impl RabbitVersion {
    /// The version that `GARENNE_RABBITMQ` asks for.
    ///
    /// # Panics
    ///
    /// When it is neither `3` nor `4`.
    #[must_use]
    pub fn from_env() -> Self {
        match env::var("GARENNE_RABBITMQ").as_deref() {
            Err(_) | Ok("" | "3") => Self::V3,
            Ok("4") => Self::V4,
            Ok(other) => panic!("GARENNE_RABBITMQ is `{other}`; set it to 3 or 4, or not at all"),
        }
    }

    /// Finds the folder that is the server's root, and what is wrong if it cannot run.
    pub(crate) fn root(self) -> Result<PathBuf, String> {
        match self {
            Self::V3 if Path::new("/").join(SERVER).is_file() => Ok(PathBuf::from("/")),
            Self::V3 => Err(format!(
                "/{SERVER} is missing: install it with `apt-get install rabbitmq-server`"
            )),
            Self::V4 => root_of_4(),
        }
    }
}

fn root_of_4() -> Result<PathBuf, String> {
    if !rustix::process::geteuid().is_root() {
        return Err(
            "RabbitMQ 4 runs in a root folder of its own, which only root may do: run the tests as \
             root, or with GARENNE_RABBITMQ=3"
                .to_owned(),
        );
    }
    let make = "make it with `cargo xtask rabbitmq4`, or name one with GARENNE_RABBITMQ4_ROOT";
    let has_server = |root: &PathBuf| root.join(SERVER).is_file();
    if let Some(root) = env::var_os("GARENNE_RABBITMQ4_ROOT") {
        let root = PathBuf::from(root);
        return root.canonicalize().ok().filter(has_server).ok_or_else(|| {
            format!(
                "GARENNE_RABBITMQ4_ROOT: no {SERVER} in {}; {make}",
                root.display()
            )
        });
    }
    let here = env::current_dir().map_err(|error| format!("failed to see this folder: {error}"))?;
    here.ancestors()
        .map(|folder| folder.join(ROOT))
        .find(has_server)
        .ok_or_else(|| format!("no {ROOT} in or above {}; {make}", here.display()))
}
