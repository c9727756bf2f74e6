//! Cases that hold for every database.

mod exact;
mod once;
mod records;
mod schema;
mod searched;

use std::sync::Arc;

use garenne::core::FailedMessage;
use garenne::failed::{FailedQuery, FailedStore, Inserted, StoredFailure};
use garenne_sinks::{Migrate, SqlStore};

pub(crate) use exact::{a_large_record_comes_back, every_record_comes_back};
pub(crate) use once::a_failure_is_stored_once_and_another_one_again;
pub(crate) use records::{any_record, record};
pub(crate) use schema::{
    a_missing_schema_is_told_and_not_made, a_schema_is_made_once_by_whoever_is_first,
};
pub(crate) use searched::{
    a_cursor_reads_what_was_there_and_removes_what_it_is_told, queries_find_what_they_mean,
};

/// A store in an empty database, its tables made.
pub(crate) fn store(url: &str) -> SqlStore {
    SqlStore::new(url).unwrap().migrate(Migrate::Apply)
}

pub(crate) async fn insert(store: &SqlStore, records: &[FailedMessage]) -> Inserted {
    store.insert(records.to_vec()).await.unwrap()
}

/// Everything that is there, oldest first.
pub(crate) async fn all(store: &SqlStore) -> Vec<FailedMessage> {
    let found = found(store, &FailedQuery::all()).await;
    found.into_iter().map(|failure| failure.record).collect()
}

/// What a query finds.
pub(crate) async fn found(store: &SqlStore, query: &FailedQuery) -> Vec<StoredFailure> {
    let mut cursor = store.open(query).await.unwrap();
    let mut found = Vec::new();
    while let Some(failure) = cursor.next().await.unwrap() {
        found.push(failure);
    }
    cursor.close().await.unwrap();
    found
}

/// A record whose body is another one.
pub(crate) fn with_body(record: &FailedMessage, body: impl Into<Arc<[u8]>>) -> FailedMessage {
    FailedMessage {
        body: body.into(),
        ..record.clone()
    }
}
