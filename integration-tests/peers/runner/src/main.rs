//! Measures consumers side by side on a private RabbitMQ node; `cargo xtask bench` runs it.
//!
//! Contenders take turns (A B C A B C …), so that what disturbs the machine disturbs all of them.
//! Each run is a process of its own that handles a queue's worth of messages, filled in before it
//! starts, and must leave the queue empty. Its programs say one line of JSON when the first message
//! comes and one when the last is handled and its ack is written, and end with their input.

mod broker;
mod contender;
mod measure;
mod plan;
mod table;
mod targets;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use garenne_testing::RabbitNode;

use crate::broker::Broker;
use crate::plan::Plan;
use crate::table::Results;

/// How long a queue may take to be empty after the last ack.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked.
const LOOK: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() -> ExitCode {
    let plan = Plan::parse();
    match measure_all(&plan).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure_all(plan: &Plan) -> Result<(), String> {
    let contenders = plan.contenders();
    for contender in plan.left_out() {
        println!(
            "left out: {}, which could not be installed; see above",
            contender.name()
        );
    }
    if contenders.is_empty() {
        return Err("nobody to measure".to_owned());
    }
    let node = RabbitNode::start().await;
    let broker = Broker::connect(&node.url("/")).await?;
    println!("{}", setting(&node).await?);
    let mut results = Results::default();
    for load in plan.loads() {
        for round in 1..=plan.rounds() {
            eprintln!(
                "prefetch {}, round {round} of {}",
                load.prefetch,
                plan.rounds()
            );
            for &contender in &contenders {
                broker.fill(load.messages).await?;
                let sample = {
                    let settled = settled(&node);
                    measure::run(contender, &plan.programs, broker.url(), load, settled).await?
                };
                broker.drained(contender).await?;
                results.add(load.prefetch, contender, sample);
            }
        }
        println!("\n{}", table::of_prefetch(&results, load));
    }
    println!("{}", targets::report(&results));
    Ok(())
}

/// Waits until the queue holds nothing, in nobody's hands either, or gives up after a while: [`Broker::drained`]
/// finds out what is left.
async fn settled(node: &RabbitNode) -> Result<(), String> {
    let (since, mut looks) = (Instant::now(), tokio::time::interval(LOOK));
    while node.queue("/", broker::QUEUE).await?.messages() > 0 && since.elapsed() < PATIENCE {
        looks.tick().await;
    }
    Ok(())
}

/// What the numbers depend on, beside the programs.
async fn setting(node: &RabbitNode) -> Result<String, String> {
    let version = node.eval("rabbit_misc:version()").await?;
    let cores = std::thread::available_parallelism().map_err(|e| format!("how many cores: {e}"))?;
    Ok(format!(
        "RabbitMQ {version}, on the same {cores} cores as the contenders"
    ))
}
