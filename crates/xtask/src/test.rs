//! `cargo xtask test`: the least powerful ring first, so that mistakes show early.

use crate::steps::{cargo, cargo_with, step};
use crate::{install, tidy};

/// Everything.
pub(crate) fn everything() -> Result<(), String> {
    step("what the tests need", install::needed)?;
    fast()?;
    // The integration tests start the examples as processes.
    step("examples", || {
        cargo("build --locked -p order-service -p quickstart")
    })?;
    step("tests on real brokers", || {
        cargo("test --locked -p integration-tests")
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
    step("documents", || {
        cargo_with(
            "doc --locked --workspace --no-deps",
            &[("RUSTDOCFLAGS", "-D warnings")],
        )
    })
}
