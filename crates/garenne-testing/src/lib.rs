//! Tests for services built on garenne.
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

mod assertions;
mod block;
mod fail;
mod journal;
mod message;
mod options;
mod perform;
mod report;
mod scene;
mod system;
mod wire;

pub use assertions::{Handled, Parked, Published, Retried};
pub use garenne_broker as broker;
pub use journal::journal;
pub use message::{Message, Sent};
pub use options::TestSystemBuilder;
pub use perform::{Perform, Performed, Performer, perform};
pub use system::TestSystem;
