//! The framework in which a RabbitMQ consumer lives.
//!
//! You write an actor that handles a message, register it in a [`SystemBuilder`], and deploy the
//! result as a microservice. Everything between the socket and the handler is the framework's:
//! staying connected through outages of the broker, retrying through delayed lanes, never losing a
//! message, stopping cleanly, telling the operator the truth.
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
//! impl Actor for Charge {
//!     type Context = Context<Self>;
//! }
//!
//! impl Handler<Delivery<Json<Order>>> for Charge {
//!     type Result = HandlerResult;
//!
//!     fn handle(&mut self, order: Delivery<Json<Order>>, _: &mut Self::Context) -> Self::Result {
//!         Box::pin(async move {
//!             println!("charged {}", order.order_id);
//!             Ok(())
//!         })
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
//! What happens to a message is decided by what its handler returns ([`Failure`]). What is decided
//! is computed in `garenne-core`, a crate without I/O; this one does it. It must not know SQL or
//! HTTP: stores and alerts that need them live elsewhere.

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
pub use dedup::Dedup;
pub use delivery::Delivery;
pub use failure::{Failure, HandlerResult};
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

// What the guide shows compiles. So does what the README shows, in `garenne-sinks`, which it shows too.
#[cfg(doctest)]
#[doc = include_str!("../../../MIGRATING.md")]
mod migrating {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/replace-an-existing-consumer.md")]
mod replacing {}
