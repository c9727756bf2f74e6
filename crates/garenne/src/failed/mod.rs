//! Work on failed messages once they are stored: read them, send them again, remove them, move them.
//!
//! | task | means |
//! |---|---|
//! | name their store | a [`FailedStore`]: a [`ParkingStore`] for parking queues, or a database's |
//! | select messages | a [`FailedQuery`] |
//! | read them | [`FailedStore::open`], then [`FailedCursor::next`] until `None`, then [`FailedCursor::close`] |
//! | count them | [`FailureGroups`] |
//! | send them again | [`Replay`] |
//! | remove them, move them | [`discard`], [`transfer`] |
//! | export them, import them | [`to_line`], [`from_line`]: lines of JSON |
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
