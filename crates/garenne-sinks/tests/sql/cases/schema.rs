//! The tables: made once, or only looked at.

use garenne::failed::{FailedQuery, FailedStore, StoreErrorKind};
use garenne_sinks::SqlStore;

use super::{all, record, store};

pub(crate) async fn a_schema_is_made_once_by_whoever_is_first(url: &str) {
    let starting = (0..8).map(|_| {
        let store = store(url);
        tokio::spawn(async move { store.insert(vec![record("m-1")]).await.map(|i| i.new) })
    });
    let mut new = 0;
    for start in starting.collect::<Vec<_>>() {
        new += start.await.unwrap().unwrap();
    }
    assert_eq!(new, 1);
    // Now there is nothing left to make.
    let store = SqlStore::new(url).unwrap();
    assert_eq!(all(&store).await.len(), 1);
}

/// `apply` runs SQL as an administrator would by hand.
pub(crate) async fn a_missing_schema_is_told_and_not_made(url: &str, apply: impl AsyncFn(&str)) {
    let store = SqlStore::new(url).unwrap();
    let query = FailedQuery::all();
    for _ in 0..2 {
        let error = store.open(&query).await.err().unwrap();
        assert_eq!(error.kind(), StoreErrorKind::Refused);
        let text = error.to_string();
        assert!(
            text.contains("Migrate::Apply") && text.contains("SqlStore::schema"),
            "{text}"
        );
    }
    apply(&store.schema()).await;
    assert_eq!(all(&store).await.len(), 0);
    assert_eq!(store.insert(vec![record("m-1")]).await.unwrap().new, 1);
    // Whoever may make tables finds that they are there.
    assert_eq!(all(&super::store(url)).await.len(), 1);
}
