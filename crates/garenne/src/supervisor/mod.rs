//! The supervisor: owns the links, announces them, restarts its children, and knows when to give up.

mod actor;
mod connect;
mod loss;
mod stop;
mod words;
mod workers;
mod zombie;

pub(crate) use actor::{ConnectionSupervisor, Plan, Stop, StopNow};
pub(crate) use workers::Registration;
