//! Work on failed messages once they are stored: read them, send them again, remove them, move them.
//!
//! | what | how |
//! |---|---|
//! | where they lie | a [`FailedStore`]: a [`ParkingStore`] for parking queues, or a database's |
//! | which of them | a [`FailedQuery`] |
//! | look at them | [`FailedStore::open`], then [`FailedCursor::next`] until `None`, then [`FailedCursor::close`] |
//! | count them | [`FailureGroups`] |
//! | send them again | [`Replay`] |
//! | throw them away, move them | [`discard`], [`transfer`] |
//! | write them down, read them back | [`to_line`], [`from_line`]: lines of JSON |
//!
//! The `garenne failed` command is built on this module; a service has it for its admin pages with
//! [`SystemHandle::failed`](crate::SystemHandle::failed).

mod copies;
mod cursor;
mod giving_back;
mod lines;
mod mended;
mod pace;
mod parked;
mod parking;
mod replacing;
mod replay;
mod report;
mod store;
mod transfer;

pub use garenne_core::FailedQuery;
pub use garenne_core::failed::{
    Condition, ConditionError, FailureGroup, FailureGroups, GroupBy, Verdict, error_kind,
};
pub use lines::{LineError, from_line, to_json, to_line};
pub use parking::ParkingStore;
pub use replay::Replay;
pub use report::{ReplayFailure, ReplayReport};
pub use store::{
    FailedCursor, FailedStore, FailureKey, Inserted, PassedOver, Seen, StoreError, StoreErrorKind,
    StoreFuture, StoredFailure,
};
pub use transfer::{Flow, discard, transfer};
