//! The framework in which a RabbitMQ consumer lives.
//!
//! You write a struct (or a function, or an actor) that handles a message, register it in a
//! [`SystemBuilder`], and deploy the result as a microservice. Everything between the socket and the handler
//! is the framework's: staying connected through outages of the broker, retrying through delayed lanes, never
//! losing a message, stopping cleanly, telling the operator the truth.
//!
//! ```no_run
//! use garenne::prelude::*;
//!
//! #[derive(serde::Deserialize)]
//! struct Order {
//!     order_id: u64,
//! }
//!
//! #[derive(Default)]
//! struct Charge; // any state lives here
//!
//! impl Handle<Json<Order>> for Charge {
//!     async fn handle(&self, order: Delivery<Json<Order>>) -> Result<(), Failure> {
//!         println!("charged {}", order.order_id);
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     SystemBuilder::from_env()
//!         .consume(Queue::quorum("orders").retry(Retry::every(20.secs()).times(3)), Charge::default)
//!         .run()
//! }
//! ```
//!
//! The value that a handler returns decides how its message is settled ([`Failure`]). The crate
//! `garenne-core`, which does no I/O, computes each decision; this crate carries it out. It must not know
//! SQL or HTTP: stores and alerts that need them live in other crates.

pub mod admin;
mod alert;
mod body;
mod build_error;
mod consumer;
mod dedup;
mod delivery;
mod environment;
pub mod failed;
mod failure;
mod futures;
mod identity;
mod link;
mod logging;
mod panics;
pub mod prelude;
mod publish;
mod quiet;
mod resources;
mod sink;
mod spelling;
pub mod status;
mod supervisor;
mod system;
mod wire;

pub use actix;
pub use garenne_core as core;

pub use alert::{Alert, AlertError, AlertSetup};
pub use body::{Body, Bytes, Json, Text, Undecodable};
pub use build_error::BuildError;
pub use consumer::{ByActor, ByHandle, Handle, IntoHandler};
pub use dedup::Dedup;
pub use delivery::Delivery;
pub use failure::{AnyError, Failure, FailureError, HandlerFuture, IntoFailure, OrFail};
pub use garenne_core::{
    Declare, ExchangeKind, GolangRabbitmq, OutageWindow, Queue, QueueKind, Retry, StopReason,
    Topology, Wish,
};
pub use link::{BrokerUrl, Tls};
pub use logging::{flush_logging, init as init_logging};
pub use publish::{
    ConnectError, ConnectErrorKind, Delays, GolangRabbitmqPublisher, Outgoing, Payload,
    Publication, PublishError, Publisher, PublisherBuilder, RequestError, SendAll, Sent, WhenDown,
};
pub use sink::{FailSinkSetup, FailedMessage, LogSink, SinkError};
pub use system::{System, SystemBuilder, SystemHandle};

// The examples of the guides compile here. The README's examples compile in `garenne-sinks`, which they
// use.
#[cfg(doctest)]
#[doc = include_str!("../../../MIGRATING.md")]
mod migrating {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/replace-an-existing-consumer.md")]
mod replacing {}
