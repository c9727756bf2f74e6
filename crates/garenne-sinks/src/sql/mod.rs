//! Failed messages in a table of PostgreSQL or `SQLite`.
//!
//! `SqlSink` takes them from a running service, `SqlStore` gives them to whoever sends them again.

mod address;
mod cursor;
mod database;
mod error;
mod insert;
mod key;
mod migrate;
#[cfg(feature = "postgres")]
mod postgres;
mod row;
mod session;
mod sink;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod text;
mod writer;

pub use database::Migrate;
pub use sink::SqlSink;
pub use store::SqlStore;
