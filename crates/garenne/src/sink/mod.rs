//! Where messages go that used up their attempts.

mod actor;
mod log;
mod message;
mod parking;

pub(crate) use actor::{FailSink, SinkFactory, Store, Stored};
pub use log::LogSink;
pub use message::{FailedMessage, SinkError};
pub(crate) use parking::Parking;
