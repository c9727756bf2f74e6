//! The `garenne` command: what operators do about failed messages, queues and brokers.
//!
//! It reads arguments, calls the library, and writes tables, lines of JSON and exit codes. It must
//! not know how a message is settled or stored: that is the library's.

mod args;
mod commands;
mod exit;
mod interrupt;
mod output;
mod secrets;
mod store;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use exit::{Done, Trouble};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            secrets::tell(&error);
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::USAGE));
        }
    };
    secrets::warn_of_passwords();
    if let Err(error) = has_files() {
        return exit::end(Err(Trouble::unreachable(format_args!(
            "cannot start: {error}; let this process open more files (`ulimit -n`)"
        ))));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return exit::end(Err(Trouble::internal(format!(
                "cannot start a thread: {error}"
            ))));
        }
    };
    let done = runtime.block_on(run(cli.command));
    // A thread that still reads standard input must not hold the process.
    runtime.shutdown_background();
    exit::end(done)
}

/// Whether the runtime can open what it needs: where one file is missing, it panics.
fn has_files() -> std::io::Result<()> {
    const NEEDED: usize = 8;
    let open = |_| std::fs::File::open("/dev/null");
    (0..NEEDED).map(open).collect::<Result<Vec<_>, _>>()?;
    Ok(())
}

async fn run(command: Command) -> Result<Done, Trouble> {
    match command {
        Command::Failed { command } => commands::failed::run(command).await,
        Command::Send(send) => commands::send::run(send).await,
        Command::Topology(topology) => commands::topology::run(&topology).await,
        Command::Doctor(doctor) => commands::doctor::run(&doctor).await,
        Command::Completions(completions) => commands::completions::run(&completions),
    }
}
