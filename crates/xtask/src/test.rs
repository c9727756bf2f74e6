//! `cargo xtask test`: the least powerful ring first, so that mistakes show early.

use crate::programs::{self, Job, Program};
use crate::steps::{cargo, cargo_command, cargo_with, step};
use crate::{deny, install, rabbitmq4, tidy};

/// Everything.
pub(crate) fn everything() -> Result<(), String> {
    step("what the tests need", install::needed)?;
    fast()?;
    in_full()?;
    on_real_brokers(&[])
}

/// The tests on real brokers, on the RabbitMQ that is installed here.
pub(crate) fn on_rabbitmq_3() -> Result<(), String> {
    step("what the tests need", install::needed)?;
    on_real_brokers(&[("GARENNE_RABBITMQ", "3")])
}

/// The same on RabbitMQ 4, in its root folder.
pub(crate) fn on_rabbitmq_4() -> Result<(), String> {
    let folder = rabbitmq4::folder();
    step("what the tests need", install::needed)?;
    step("RabbitMQ 4", || rabbitmq4::prepare(&folder))?;
    let folder = folder.display().to_string();
    on_real_brokers(&[("GARENNE_RABBITMQ", "4"), (rabbitmq4::VARIABLE, &folder)])
}

fn on_real_brokers(variables: &[(&str, &str)]) -> Result<(), String> {
    // The integration tests start the examples as processes.
    let tests = built()?;
    let integration = named(&tests, "integration")?;
    step("tests on real brokers", || {
        integration.run("--skip conformance::", variables)
    })?;
    // On its own, so that its table is not lost among the names of tests.
    step("the embedded broker beside a real one", || {
        integration.run("conformance::both --show-output", variables)
    })
}

/// Tests that need no broker but their own, on a real database and in a size that takes longer.
fn in_full() -> Result<(), String> {
    let tests = built()?;
    step("the command on PostgreSQL", || {
        let database = [("GARENNE_TEST_DATABASE", "postgres")];
        named(&tests, "cli")?.run("database:: database_moves::", &database)
    })?;
    step("the storm in full", || {
        let storm = [("GARENNE_TEST_STORM", "full")];
        named(&tests, "publishing")?.run("storms:: --show-output", &storm)
    })
}

/// All programs, built.
fn built() -> Result<Vec<Program>, String> {
    let mut tests = Vec::new();
    step("build", || programs::build().map(|built| tests = built))?;
    Ok(tests)
}

fn named<'a>(tests: &'a [Program], name: &str) -> Result<&'a Program, String> {
    let found = tests.iter().find(|program| program.is(name));
    found.ok_or_else(|| format!("no test program is called {name}"))
}

/// All that needs no broker but its own.
pub(crate) fn fast() -> Result<(), String> {
    step("format", || cargo("fmt --all --check"))?;
    step("tidy", tidy::check)?;
    step("what is depended on", deny::check)?;
    step("lints", || {
        cargo("clippy --locked --workspace --all-targets -- -D warnings")
    })?;
    step("documents", || {
        cargo_with(
            "doc --locked --workspace --no-deps",
            &[("RUSTDOCFLAGS", "-D warnings")],
        )
    })?;
    let tests = built()?;
    step("tests and doctests", || programs::run(jobs(&tests)))
}

/// The tests that need no broker but their own. The doctests begin first: they are compiled, one
/// crate after the other, while the others mostly wait.
fn jobs(tests: &[Program]) -> Vec<Job> {
    let doctests = cargo_command("test --locked --workspace --doc");
    let mut jobs = vec![Job::new("doctests", doctests)];
    jobs.extend(tests.iter().map(|program| {
        if program.is("integration") {
            program.job("conformance:: --skip conformance::both")
        } else {
            program.job("")
        }
    }));
    jobs
}
