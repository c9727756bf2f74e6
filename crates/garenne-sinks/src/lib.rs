//! Fail sinks and alerts for `garenne` that need heavy dependencies: databases and HTTP.
//!
//! It must not depend on lapin: whatever it stores or tells reaches it as a value.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod inbox;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "webhook")]
mod webhook;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use inbox::{Inbox, InboxConnection, InboxNameError};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use sql::{Migrate, SqlSink, SqlStore};
#[cfg(feature = "webhook")]
pub use webhook::WebhookAlert;

// What this crate's README and the project's show compiles.
#[cfg(all(doctest, feature = "webhook"))]
#[doc = include_str!("../../../README.md")]
mod project {}
#[cfg(all(doctest, feature = "postgres"))]
#[doc = include_str!("../README.md")]
mod readme {}
