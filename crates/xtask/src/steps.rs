//! Commands run one after the other, each with its name and how long it took.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Runs one step; an error names it.
pub(crate) fn step(name: &str, run: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    println!("\n=== {name}");
    let since = Instant::now();
    let done = run();
    let seconds = since.elapsed().as_secs_f64();
    match done {
        Ok(()) => {
            println!("=== {name}: ok, {seconds:.1} s");
            Ok(())
        }
        Err(error) => Err(format!("{name} failed after {seconds:.1} s: {error}")),
    }
}

/// `cargo` with these arguments, at the root.
pub(crate) fn cargo(arguments: &str) -> Result<(), String> {
    cargo_with(arguments, &[])
}

/// The same with variables set.
pub(crate) fn cargo_with(arguments: &str, variables: &[(&str, &str)]) -> Result<(), String> {
    run(cargo_command(arguments).envs(variables.iter().copied()))
}

/// The command that runs `cargo` with these arguments, at the root.
///
/// It does not inherit what cargo told this program about its own package: ring's build looks at that,
/// and whatever depends on ring would be built again after each change between `cargo` and `cargo xtask`.
pub(crate) fn cargo_command(arguments: &str) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(arguments.split_whitespace())
        .current_dir(root());
    for (name, _) in std::env::vars_os() {
        if is_of_a_package(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether cargo sets this variable for the package that it runs.
fn is_of_a_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let status = command
        .status()
        .map_err(|e| format!("cannot run {shown}: {e}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{shown}: {status}"))
    }
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}
