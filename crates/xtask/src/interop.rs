//! `cargo xtask interop`: clients that nobody here wrote see the same of the embedded broker and of
//! RabbitMQ.

mod brokers;
mod clients;
mod compare;

use std::path::Path;

use crate::steps::{cargo, root, step};
use crate::{install, rabbitmq4};
use brokers::Running;
use clients::Program;
use compare::Comparison;

/// Which RabbitMQ is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rabbit {
    /// The one that is installed here; where it is 3.10 it differs from 4 in what `compare` lists.
    V3,
    /// The one that the embedded broker follows.
    V4,
}

/// Installs the clients, runs every program against both brokers, prints what became of each.
pub(crate) fn run(rabbit: Rabbit) -> Result<(), String> {
    let scratch = root().join("target/interop");
    step("what the comparison needs", install::needed)?;
    if rabbit == Rabbit::V4 {
        step("RabbitMQ 4", || rabbitmq4::prepare(&rabbitmq4::folder()))?;
    }
    step("clients", || clients::install(&scratch))?;
    step("brokers", || {
        cargo("build --locked -p garenne-broker --bin garenne-broker")?;
        cargo("build --locked -p garenne-testing --example rabbit-node")
    })?;
    let programs = clients::programs(&scratch);
    step("comparison", || compare_all(&programs, &scratch, rabbit))
}

fn compare_all(programs: &[Program], scratch: &Path, rabbit: Rabbit) -> Result<(), String> {
    let mut comparisons = Vec::new();
    for program in programs {
        println!("{}", program.client);
        // A broker of its own for every run: it holds nothing that another left.
        let embedded = program.lines(&Running::embedded()?, scratch, "embedded")?;
        let real = program.lines(&Running::rabbit(rabbit)?, scratch, "rabbitmq")?;
        comparisons.push(Comparison::of(program.client, &embedded, &real, rabbit));
    }
    println!("\n{}", compare::table(&comparisons));
    let differing: Vec<&str> = comparisons
        .iter()
        .filter(|one| !one.differences.is_empty())
        .map(|one| one.client)
        .collect();
    if differing.is_empty() {
        Ok(())
    } else {
        Err(format!("the brokers differ for {}", differing.join(", ")))
    }
}
