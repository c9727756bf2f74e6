//! `cargo xtask test`: the least powerful ring first, so that mistakes show early.

use crate::steps::{cargo, cargo_with, step};
use crate::{install, rabbitmq4, tidy};

/// Everything.
pub(crate) fn everything() -> Result<(), String> {
    step("what the tests need", install::needed)?;
    fast()?;
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
    step("examples", || {
        let examples =
            "order-service quickstart producer failed-orders golang-rabbitmq garenne-cli";
        let packages: Vec<_> = examples
            .split(' ')
            .map(|name| format!("-p {name}"))
            .collect();
        cargo(&format!("build --locked {}", packages.join(" ")))
    })?;
    step("tests on real brokers", || {
        let tests = "test --locked -p integration-tests -- --skip conformance::";
        cargo_with(tests, variables)
    })?;
    // On its own, so that its table is not lost among the names of tests.
    step("the embedded broker beside a real one", || {
        let tests = "test --locked -p integration-tests -- conformance::both --show-output";
        cargo_with(tests, variables)
    })
}

/// All that needs no broker but its own.
pub(crate) fn fast() -> Result<(), String> {
    step("format", || cargo("fmt --all --check"))?;
    step("tidy", tidy::check)?;
    step("lints", || {
        cargo("clippy --locked --workspace --all-targets -- -D warnings")
    })?;
    step("tests and doctests", || {
        cargo("test --locked --workspace --exclude integration-tests")
    })?;
    step("conformance of the embedded broker", || {
        cargo("test --locked -p integration-tests -- conformance:: --skip conformance::both")
    })?;
    step("documents", || {
        cargo_with(
            "doc --locked --workspace --no-deps",
            &[("RUSTDOCFLAGS", "-D warnings")],
        )
    })
}
