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
    step("build", || programs::build().map(drop))?;
    step("tests on real brokers", || {
        let tests = "test --locked --workspace --test integration -- --skip conformance::";
        cargo_with(tests, variables)
    })?;
    // On its own, so that its table is not lost among the names of tests.
    step("the embedded broker beside a real one", || {
        let tests =
            "test --locked --workspace --test integration -- conformance::both --show-output";
        cargo_with(tests, variables)
    })
}

/// Tests that need no broker but their own, on a real database and in a size that takes longer.
fn in_full() -> Result<(), String> {
    step("the command on PostgreSQL", || {
        let tests = "test --locked --workspace --test cli -- database:: database_moves::";
        cargo_with(tests, &[("GARENNE_TEST_DATABASE", "postgres")])
    })?;
    step("the storm in full", || {
        let tests = "test --locked --workspace --test publishing -- storms:: --show-output";
        cargo_with(tests, &[("GARENNE_TEST_STORM", "full")])
    })
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
    let mut tests = Vec::new();
    step("build", || programs::build().map(|built| tests = built))?;
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
