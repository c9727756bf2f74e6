//! The harness of the integration tests: what breaks a broker, what watches a service.
//!
//! | part | what it is |
//! |---|---|
//! | [`RabbitNode`] | a private RabbitMQ node as a child process, to kill, pause, alarm and restart |
//! | [`FaultProxy`] | a TCP proxy between a client and a node that cuts, freezes, refuses and counts |
//! | [`Service`], [`Manager`] | the built `order-service` as a child process, alone or restarted when it dies |
//! | [`Client`] | a plain lapin client: the tests' own producer and reader |
//! | [`Checker`] | proves `sent ⊆ handled ∪ parked ∪ still queued` and counts duplicates |
//! | [`eventually`], [`stays`] | the only two ways to wait |
//!
//! It must not depend on garenne: the subject of these tests is a program, seen from outside.
//!
//! Everything a test starts leads a process group of its own and is killed when its handle is
//! dropped, and also when the test process itself is killed.

#![allow(
    clippy::panic,
    reason = "a harness that cannot go on fails the test, and says why"
)]
#![allow(
    clippy::print_stderr,
    reason = "what a failed test's children said belongs beside its failure"
)]

mod certs;
mod checker;
mod client;
mod manager;
mod node;
mod ports;
mod process;
mod program;
mod proxy;
mod service;
mod shared;
mod transcript;
mod usage;
mod wait;

pub use certs::Certs;
pub use checker::{Checker, Verdict};
pub use client::{Client, order, persistent};
pub use manager::Manager;
pub use node::{NodeOptions, QueueDepth, RabbitNode};
pub use program::Program;
pub use proxy::{Direction, FaultProxy};
pub use service::{Service, ServiceOptions};
pub use shared::{Vhost, shared_node};
pub use transcript::{Event, Transcript, handled};
pub use usage::{CpuClock, resident_bytes};
pub use wait::{eventually, stays};

/// The signals that tests send.
pub use rustix::process::Signal;
