//! The harness of the integration tests: what watches a service. What breaks a broker is
//! `garenne-testing`, and is used under the same names here.
//!
//! | part | what it is |
//! |---|---|
//! | [`Service`], [`Manager`] | the built `order-service` as a child process, alone or restarted when it dies |
//! | [`Client`] | a plain lapin client: the tests' own producer and reader |
//! | [`Checker`] | proves `sent ⊆ handled ∪ parked ∪ still queued` and counts duplicates |
//!
//! It must not use garenne: the subject of these tests is a program, seen from outside.
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

mod checker;
mod client;
mod manager;
mod program;
mod service;
mod transcript;
mod usage;

pub use checker::{Checker, Verdict};
pub use client::{Client, order, persistent};
pub use manager::Manager;
pub use program::Program;
pub use service::{Service, ServiceOptions};
pub use transcript::{Event, Transcript, handled};
pub use usage::{CpuClock, resident_bytes};

pub use garenne_testing::{
    Certs, Direction, FaultProxy, NodeOptions, PostgresNode, QueueDepth, RabbitCluster, RabbitNode,
    RabbitVersion, Signal, Vhost, WebhookAnswer, WebhookServer, eventually, shared_node, stays,
};
