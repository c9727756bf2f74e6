//! An operator's way to a broker: looking at what is there, declaring what is missing, and working on
//! parked messages, without a running system.
//!
//! The `garenne` command is made of these.

mod broker;
mod checks;
mod declaring;

pub use crate::link::{Difference, Finding, ServerInfo, is_usable, risks};
pub use broker::BrokerAdmin;
pub use checks::AdminError;
pub use declaring::Declared;
