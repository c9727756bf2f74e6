//! A broker to play with: prints its URL and serves until ctrl-c.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a program"
)]

use std::process::ExitCode;

use garenne_broker::Broker;

const USAGE: &str = "usage: garenne-broker [--port N]

An AMQP 0-9-1 broker in memory, for first runs and tests. Not a production broker: RabbitMQ is.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let port = match port(std::env::args().skip(1)) {
        Ok(Some(port)) => port,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("{wrong}\n\n{USAGE}");
            return ExitCode::from(64);
        }
    };
    let broker = match Broker::builder().port(port).start().await {
        Ok(broker) => broker,
        Err(error) => {
            let source = std::error::Error::source(&error);
            eprintln!(
                "{error}{}",
                source.map(|why| format!(": {why}")).unwrap_or_default()
            );
            return ExitCode::FAILURE;
        }
    };
    println!("{}", broker.url());
    let _ = tokio::signal::ctrl_c().await;
    broker.shutdown().await;
    ExitCode::SUCCESS
}

/// The port of the command line, 0 when it names none; `None` when help is wanted.
fn port(mut args: impl Iterator<Item = String>) -> Result<Option<u16>, String> {
    let mut port = 0;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--port" => {
                let value = args.next().ok_or("--port needs a number")?;
                port = value
                    .parse()
                    .map_err(|_| format!("'{value}' is not a port"))?;
            }
            "--help" | "-h" => return Ok(None),
            other => return Err(format!("unknown argument '{other}'")),
        }
    }
    Ok(Some(port))
}
