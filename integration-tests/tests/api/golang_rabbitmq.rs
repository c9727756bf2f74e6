//! Queues that are shared with programs on the Go package `golang-rabbitmq`.
//!
//! The other side is [`script::Script`]: it speaks the package's wire contract over plain AMQP and
//! knows nothing of garenne.

mod entities;
mod ground;
mod mended;
mod migration;
mod script;
mod sending;
