//! The broker, seen through lapin.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod arguments;
mod clock;
mod consume;
mod dead_letter;
mod errors;
mod eyes;
mod faults;
mod handshake;
mod leaks;
mod limits;
mod program;
mod publish;
mod publish_faults;
mod support;
mod topology;
