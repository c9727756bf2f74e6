//! The `garenne` command as a person runs it: in a terminal and in pipes, against an embedded broker.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod adopting;
mod database;
mod database_faults;
mod database_moves;
mod exits;
mod failed;
mod help;
mod outputs;
mod passwords;
mod replays;
mod sends;
mod support;
mod table;
