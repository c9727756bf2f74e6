//! Failed messages, once they are stored: looked at, sent again, thrown away, moved.
//!
//! A [`FailedStore`] is where they lie; a [`FailedQuery`] says which of them are meant.

mod store;

pub use garenne_core::FailedQuery;
pub use garenne_core::failed::{
    Condition, ConditionError, FailureGroup, FailureGroups, GroupBy, error_kind,
};
pub use store::{
    FailedCursor, FailedStore, FailureKey, Inserted, Seen, StoreError, StoreErrorKind, StoreFuture,
    StoredFailure,
};
