//! The supervisor: owns the links, announces them, restarts its children, and knows when to give up.
//!
//! Its actor ([`ConnectionSupervisor`]) only passes news on between four values: `dialling` keeps the
//! links, `workers` the children, `zombie` looks for queues that starve, `ending` knows why the system ends
//! and how far that is.

mod actor;
mod dialling;
mod ending;
mod messages;
mod plan;
mod words;
mod workers;
mod zombie;

pub(crate) use actor::ConnectionSupervisor;
pub(crate) use messages::{Stop, StopNow};
pub(crate) use plan::{Plan, Registration};
