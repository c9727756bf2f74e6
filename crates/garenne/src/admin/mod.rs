//! An operator's access to a broker without a running system: inspect entities, declare missing ones, and
//! work on parked messages.
//!
//! The `garenne` command is built on this module.

mod broker;
mod checks;
mod declaring;

pub use crate::link::{Difference, Finding, ServerInfo, is_usable, risks};
pub use broker::BrokerAdmin;
pub use checks::AdminError;
pub use declaring::Declared;
