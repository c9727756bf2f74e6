//! Private RabbitMQ nodes as child processes.
//!
//! Each has its own node name, ports, cookie, home and data, on loopback only: no other node of this
//! machine sees it or is seen by it. A lone node has its own epmd; the nodes of a cluster share one.

mod admin;
mod cluster;
mod command;
mod control;
mod lifecycle;
mod options;
mod shared;
mod version;

pub use admin::QueueDepth;
pub use cluster::RabbitCluster;
pub use lifecycle::RabbitNode;
pub(crate) use lifecycle::url;
pub use options::NodeOptions;
pub use shared::{Vhost, shared_node};
pub use version::RabbitVersion;
