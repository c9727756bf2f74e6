//! The public API of `garenne`, used in this process as a hostile user would, against a real
//! RabbitMQ.

mod bodies;
mod failures;
mod handlers;
mod logs;
mod panics;
mod publish_faults;
mod publisher;
mod returns;
mod support;
