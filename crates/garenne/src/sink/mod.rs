//! The sinks for messages that used up their attempts.

mod actor;
mod asked;
mod follower;
mod log;
mod message;
mod parking;
mod setup;

pub(crate) use actor::{FailSink, Sinks, Store, Stored};
pub(crate) use asked::SinkFactory;
pub use log::LogSink;
pub use message::{FailedMessage, SinkError};
pub(crate) use parking::Parking;
pub use setup::FailSinkSetup;
