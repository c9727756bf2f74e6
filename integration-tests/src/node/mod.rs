//! A private RabbitMQ node as a child process.
//!
//! It has its own node name, ports, cookie, home, data and epmd, on loopback only: no other node of
//! this machine sees it or is seen by it.

mod admin;
mod control;
mod lifecycle;
mod options;

pub use admin::QueueDepth;
pub use lifecycle::RabbitNode;
pub(crate) use lifecycle::url;
pub use options::NodeOptions;
