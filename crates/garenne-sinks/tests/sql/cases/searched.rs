//! What queries find, and what a cursor does.

use garenne::core::{FailReason, FailedMessage};
use garenne::failed::{FailedQuery, FailedStore, Seen};

use super::records::at_millis;
use super::{all, found, insert, record, store, with_body};

pub(crate) async fn queries_find_what_they_mean(url: &str) {
    let store = store(url);
    let records: Vec<_> = (0..1200_u64)
        .map(|n| FailedMessage {
            queue: if n % 3 == 0 { "orders" } else { "refunds" }.to_owned(),
            reason: if n % 2 == 0 {
                FailReason::Panic
            } else {
                FailReason::Permanent
            },
            error: format!("error {n}"),
            last_failed_at: at_millis(1_790_000_000_000 + n),
            ..record(&format!("m-{n}"))
        })
        .collect();
    insert(&store, &records).await;
    let queries = [
        (FailedQuery::all(), 1200),
        (FailedQuery::all().queue("orders"), 400),
        (FailedQuery::all().reason(FailReason::Panic), 600),
        (
            FailedQuery::all()
                .reason(FailReason::Panic)
                .reason(FailReason::Permanent),
            1200,
        ),
        (FailedQuery::all().reason(FailReason::Deadline), 0),
        (
            FailedQuery::all().queue("orders").reason(FailReason::Panic),
            200,
        ),
        (FailedQuery::all().since(at_millis(1_790_000_001_000)), 200),
        (FailedQuery::all().id("m-7").id("m-1100").id("m-9999"), 2),
        (
            FailedQuery::all().condition("error~ror 11".parse().unwrap()),
            111,
        ),
        (FailedQuery::all().limit(7), 7),
        (FailedQuery::all().queue("orders").limit(0), 0),
        (FailedQuery::all().queue("or'ders; --"), 0),
    ];
    for (query, count) in queries {
        let found = found(&store, &query).await;
        assert_eq!(found.len(), count, "{query:?}");
        assert!(found.iter().all(|failure| query.matches(&failure.record)));
        assert!(
            found.is_sorted_by_key(|failure| failure.key),
            "oldest first"
        );
    }
}

pub(crate) async fn a_cursor_reads_what_was_there_and_removes_what_it_is_told(url: &str) {
    let store = store(url);
    let records: Vec<_> = (0..250).map(|n| record(&format!("m-{n}"))).collect();
    insert(&store, &records).await;

    let query = FailedQuery::all();
    let mut cursor = store.open(&query).await.unwrap();
    // What fails again while it is sent again is another time's.
    insert(&store, &[with_body(&record("late"), *b"late")]).await;
    let mut seen = 0;
    while let Some(failure) = cursor.next().await.unwrap() {
        if seen % 2 == 0 {
            cursor.remove(failure.key).await.unwrap();
        } else {
            cursor.keep(failure.key).await.unwrap();
        }
        seen += 1;
    }
    assert_eq!(cursor.close().await.unwrap(), Seen::All);
    assert_eq!(seen, 250);
    let left: Vec<_> = all(&store)
        .await
        .into_iter()
        .map(|r| r.message_id)
        .collect();
    assert_eq!(left.len(), 126);
    assert!(left.contains(&"m-1".to_owned()) && left.contains(&"late".to_owned()));

    let mut cursor = store.open(&query).await.unwrap();
    let one = cursor.next().await.unwrap().unwrap();
    cursor.remove(one.key).await.unwrap();
    assert_eq!(cursor.close().await.unwrap(), Seen::Part);
    assert_eq!(all(&store).await.len(), 125);
}
