//! What sink and store promise on an `SQLite` file. The same cases are run on PostgreSQL by the
//! integration tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a test that cannot go on has failed"
)]

mod cases;
mod file;
mod inbox;
mod trouble;
