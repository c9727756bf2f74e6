//! The public API of `garenne`, used in this process as a hostile user would, against a real
//! RabbitMQ.

mod abandoning;
mod bodies;
mod building;
mod declaring;
mod delays;
mod delays_in_time;
mod failures;
mod golang_rabbitmq;
mod handlers;
mod hangs;
mod links;
mod logs;
mod neighbours;
mod outages;
mod panics;
mod plain;
mod publish_faults;
mod publisher;
mod returns;
mod secrets;
mod sink_chain;
mod sinks;
mod stopping;
mod support;
mod system;
