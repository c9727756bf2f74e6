//! A broker to play with: prints its URL and serves until ctrl-c or SIGTERM.

mod arguments;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use garenne_broker::BrokerBuilder;
use tokio::signal::unix::{SignalKind, signal};

use arguments::{Asked, USAGE};

/// What shells and `sysexits.h` know as wrong usage.
const WRONG_USAGE: u8 = 64;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match arguments::read(std::env::args_os().skip(1)) {
        Ok(Asked::Help) => say(USAGE),
        Ok(Asked::Version) => say(concat!("garenne-broker ", env!("CARGO_PKG_VERSION"))),
        Ok(Asked::Serve(builder)) => match serve(*builder).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(&chain(error.as_ref()));
                ExitCode::FAILURE
            }
        },
        Err(wrong) => {
            complain(&format!("{wrong}; see garenne-broker --help"));
            ExitCode::from(WRONG_USAGE)
        }
    }
}

async fn serve(builder: BrokerBuilder) -> Result<(), Box<dyn Error>> {
    // Before the URL is printed: who has read it may send a signal at once.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let broker = builder.start().await?;
    say(&broker.url());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    broker.shutdown().await;
    Ok(())
}

/// Prints a line; whoever has closed our output does not want to read it.
fn say(line: &str) -> ExitCode {
    let _unread = writeln!(io::stdout(), "{line}");
    ExitCode::SUCCESS
}

/// The same on standard error.
fn complain(why: &str) {
    let _unread = writeln!(io::stderr(), "garenne-broker: {why}");
}

/// An error and what is behind it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
