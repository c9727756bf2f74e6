//! Tests for services built on garenne, and real brokers to hurt for services built on anything.
//!
//! | question | asked with |
//! |---|---|
//! | what does my handler return for this message? | [`perform`]: one run, no broker at all |
//! | what does my service do with this message? | [`TestSystem`]: the real thing on an embedded broker |
//!
//! ```
//! use garenne::core::FailReason;
//! use garenne::prelude::*;
//! use garenne_testing::{TestSystem, perform};
//!
//! #[derive(serde::Deserialize)]
//! struct Order {
//!     cents: u64,
//! }
//!
//! async fn charge(order: Delivery<Json<Order>>) -> Result<(), Failure> {
//!     match order.cents {
//!         0 => Err(Failure::discard("nothing to pay")),
//!         cents if cents > 100_000 => Err(Failure::transient("card declined")),
//!         _ => Ok(()),
//!     }
//! }
//!
//! /// `main` runs what this returns; tests start it.
//! fn service(builder: SystemBuilder) -> SystemBuilder {
//!     builder.consume_fn(Queue::quorum("orders").retry(Retry::every(20.secs()).times(3)), charge)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // One run of the handler:
//! let failure = perform(charge, r#"{ "cents": 999999 }"#).await.unwrap_err();
//! assert_eq!(failure.error(), "card declined");
//!
//! // The whole service:
//! let system = TestSystem::start(service).await;
//! let paid = system.send("orders", r#"{ "cents": 1999 }"#).await;
//! let declined = system.send("orders", r#"{ "cents": 999999 }"#).await;
//! system.settled().await;
//! system.assert_handled(&paid);
//! system.assert_retried(&declined).attempt(2).after(20.secs());
//!
//! system.advance(1.minutes()).await;
//! system.assert_parked(&declined).reason(FailReason::Exhausted).attempts(4);
//! system.finish().await;
//! # }
//! ```
//!
//! Both work in `#[tokio::test]` of either flavour and in `#[actix_rt::test]`. Nothing sleeps, and
//! nothing has to be installed.
//!
//! This crate is for tests: nothing that is deployed may depend on it.
//!
//! # Real brokers
//!
//! | part | what it is |
//! |---|---|
//! | [`RabbitNode`] | a private RabbitMQ node as a child process, to kill, pause, alarm and restart |
//! | [`RabbitCluster`] | three of them that know each other |
//! | [`Vhost`] | a virtual host for one test, on a node that all tests of the process share |
//! | [`PostgresNode`] | a private PostgreSQL, likewise |
//! | [`FaultProxy`] | a TCP proxy between a client and a broker that cuts, freezes, delays, throttles, refuses and counts |
//! | [`RawClient`] | an AMQP client that publishes properties as bytes, for messages that no library would write |
//! | [`Certs`] | a private certificate authority, for tests with TLS |
//! | [`WebhookServer`] | an HTTP server that takes webhooks, counts them, and answers as told |
//! | [`ProcessGroup`] | a child process that cannot outlive the test |
//! | [`eventually`], [`stays`] | the only two ways to wait |
//!
//! ```no_run
//! # async fn test() {
//! use garenne_testing::{FaultProxy, RabbitNode};
//!
//! let mut node = RabbitNode::start().await;
//! let proxy = FaultProxy::before(&node).await;
//! let url = proxy.url("/"); // what the service under test connects to
//! // … start the service, publish …
//! node.consumes("/", "orders").await;
//! proxy.cut().await; // a TCP reset
//! node.kill().await; // SIGKILL
//! node.restart().await; // with what it had stored
//! node.drained("/", "orders").await;
//! # }
//! ```
//!
//! Nodes run RabbitMQ 3.10 or 4.0; [`RabbitVersion`] says which, and what each takes. Everything a
//! test starts listens on loopback only, leads a process group of its own, and is killed when its
//! handle is dropped, and also when the test process itself is killed. What cannot go on panics,
//! with what was to happen and what was seen last.

#![allow(
    clippy::panic,
    reason = "a harness that cannot go on fails the test, and says why"
)]

mod assertions;
mod block;
mod certs;
mod fail;
mod journal;
mod message;
mod options;
mod perform;
mod ports;
mod postgres;
mod process;
mod proxy;
mod rabbit;
mod raw;
mod report;
mod scene;
mod sinks;
mod system;
mod wait;
mod webhooks;

pub use assertions::{Handled, Parked, Published, Retried};
pub use certs::Certs;
pub use garenne_broker as broker;
pub use journal::journal;
pub use message::{Message, Sent};
pub use options::TestSystemBuilder;
pub use perform::{Perform, Performed, Performer, Run, perform};
pub use postgres::PostgresNode;
pub use process::ProcessGroup;
pub use proxy::{Direction, FaultProxy};
pub use rabbit::{
    NodeOptions, QueueDepth, RabbitCluster, RabbitNode, RabbitVersion, Vhost, shared_node,
};
pub use raw::{FieldBytes, PropertyBytes, RawClient, RawMessage, Verdict};
pub use sinks::{Asked, SinkWatch, Stored};
pub use system::TestSystem;
pub use wait::{eventually, stays};
pub use webhooks::{Webhook, WebhookAnswer, WebhookServer};

/// The signals that tests send.
pub use rustix::process::Signal;
