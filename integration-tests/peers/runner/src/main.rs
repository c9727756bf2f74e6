//! Measures consumers side by side on a private RabbitMQ node; `cargo xtask bench` runs it.
//!
//! Contenders take turns (A B C A B C …), so that what disturbs the machine disturbs all of them.
//! Each run is a process of its own that handles a queue's worth of messages, filled in before it
//! starts, and must leave the queue empty. Its programs say one line of JSON when the first message
//! comes and one when the last is handled and its ack is written, and end with their input. Who
//! fails is left out of the rest of its axis, and makes the whole fail at the end.

mod guard;
mod measure;
mod message;
mod process;
mod programs;
mod recovery;
mod stage;
mod turns;

use std::path::PathBuf;
use std::process::ExitCode;

use bench_plan::{Axis, Contender, Mode, Options};
use clap::Parser;
use garenne_testing::RabbitNode;

/// What `cargo xtask bench` says, and what it found out before.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(flatten)]
    options: Options,

    /// Who could not be installed
    #[arg(long, value_name = "NAME", hide = true)]
    without: Vec<Contender>,

    /// Where the programs are that were built and installed
    #[arg(long, value_name = "FOLDER", hide = true)]
    programs: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.options.mode() {
        Mode::Guard => guard::check(&arguments.programs).await,
        Mode::Accept => guard::accept(&arguments.programs).await,
        Mode::Measure | Mode::Check => measure_all(&arguments).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure_all(arguments: &Arguments) -> Result<(), String> {
    for contender in &arguments.without {
        println!(
            "left out: {}, which could not be installed; see above",
            contender.name()
        );
    }
    let mut node = RabbitNode::start().await;
    println!("{}", setting(&node).await?);
    let mut failed = Vec::new();
    for axis in arguments.options.axes() {
        failed.extend(measure_axis(axis, arguments, &mut node).await?);
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("failed while measured: {}", failed.join(", ")))
    }
}

/// Measures one axis and tells the results; gives the names of those who failed.
async fn measure_axis(
    axis: Axis,
    arguments: &Arguments,
    node: &mut RabbitNode,
) -> Result<Vec<String>, String> {
    let options = &arguments.options;
    let mut contenders = options.contenders(axis);
    contenders.retain(|contender| !arguments.without.contains(contender));
    if contenders.is_empty() {
        println!("\n{}: nobody to measure", axis.name());
        return Ok(Vec::new());
    }
    let cases = options.cases(axis);
    let turns = turns::Turns {
        axis,
        cases: &cases,
        rounds: options.rounds(axis),
        programs: &arguments.programs,
    };
    let outcome = turns.take(contenders, node).await?;
    println!("\n{}", bench_plan::of_axis(axis, &cases, &outcome.results));
    let targets = bench_plan::report(axis, &cases, &outcome.results);
    if !targets.is_empty() {
        println!("{targets}");
    }
    let failed = outcome.failed.iter();
    Ok(failed
        .map(|contender| format!("{} ({})", contender.name(), axis.name()))
        .collect())
}

/// What the numbers depend on, beside the programs.
async fn setting(node: &RabbitNode) -> Result<String, String> {
    let version = node.eval("rabbit_misc:version()").await?;
    let cores = std::thread::available_parallelism().map_err(|e| format!("how many cores: {e}"))?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown");
    Ok(format!(
        "RabbitMQ {version}, on the same {cores} cores as the contenders; load before: {load}"
    ))
}
