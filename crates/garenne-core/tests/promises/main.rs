//! What this crate promises, shown through its public API: properties over random sequences of
//! events, and tables that a person can read.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod alert;
mod caution;
mod come_and_go;
mod copy;
mod deaths;
mod decide;
mod delay;
mod failed;
mod fit;
mod generators;
mod golang_rabbitmq;
mod json;
mod ledger;
mod outage;
mod publishing;
mod query;
mod queue;
mod reader;
mod replay;
mod retry;
mod room;
mod samples;
mod seeds;
mod throttle;
mod unread;
mod wire;
