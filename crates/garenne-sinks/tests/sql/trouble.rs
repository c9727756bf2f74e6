//! A service whose file cannot be written, for a while.

use garenne::core::{FailReason, FailedMessage};
use garenne::failed::{FailedQuery, FailedStore, StoreErrorKind};
use garenne::prelude::{Bytes, Delivery, DurationExt, Failure, Queue, Retry, SystemBuilder};
use garenne_sinks::{SqlSink, SqlStore};
use garenne_testing::{TestSystem, eventually, stays};
use sqlx::Executor;

use crate::cases::{all, insert, record, store};
use crate::file::{fresh, other_program};

const SOON: std::time::Duration = std::time::Duration::from_secs(60);

/// A sink that waits for a disk however slow it is.
fn sink(url: &str) -> SqlSink {
    SqlSink::new(url).timeout(1.minutes())
}

async fn service(sink: SqlSink) -> TestSystem {
    TestSystem::start(move |builder| {
        let queue = Queue::quorum("orders").retry(Retry::none());
        let fails = async |_: Delivery<Bytes>| Err::<(), _>(Failure::permanent("no such article"));
        builder
            .service_version("1.2")
            .fail_sink_timeout(2.minutes())
            .fail_sink(sink)
            .consume_fn(queue, fails)
    })
    .await
}

/// What is in the table, if it can be read.
async fn read(url: &str) -> Result<Vec<FailedMessage>, String> {
    let store = SqlStore::new(url).map_err(|e| e.to_string())?;
    let query = FailedQuery::all();
    let mut cursor = store.open(&query).await.map_err(|e| e.to_string())?;
    let mut found = Vec::new();
    while let Some(failure) = cursor.next().await.map_err(|e| e.to_string())? {
        found.push(failure.record);
    }
    Ok(found)
}

/// Waits until so many rows are there.
async fn rows(url: &str, wanted: usize) -> Vec<FailedMessage> {
    eventually(SOON, "the rows are there", async || {
        let found = read(url).await?;
        if found.len() == wanted {
            Ok(found)
        } else {
            Err(format!("{} rows", found.len()))
        }
    })
    .await
}

/// Sends until one message is stored in the table rather than parked: the sink is well again.
async fn send_until_stored(system: &TestSystem, url: &str, before: usize) {
    eventually(SOON, "a message is stored in the table", async || {
        system.send("orders", "again").await;
        system.settled().await;
        let rows = read(url).await?.len();
        if rows > before {
            Ok(())
        } else {
            Err(format!("{rows} rows"))
        }
    })
    .await;
}

#[tokio::test]
async fn failed_messages_become_rows_with_everything() {
    let (_folder, url) = fresh();
    let system = service(sink(&url)).await;
    let sent = system.send("orders", vec![0_u8, 255, 7]).await;
    system.settled().await;
    let row = rows(&url, 1).await.remove(0);
    assert_eq!(
        (&row.body[..], row.queue.as_str()),
        (&[0_u8, 255, 7][..], "orders")
    );
    assert_eq!(
        (row.reason, row.error.as_str()),
        (FailReason::Permanent, "no such article")
    );
    assert_eq!((row.attempts, row.version.as_str()), (1, "1.2"));
    assert!(!row.message_id.is_empty() && !row.host.is_empty());
    assert!(system.messages("orders.failed").is_empty());
    drop(sent);
}

#[tokio::test]
async fn a_burst_is_stored_together_and_whole() {
    let (_folder, url) = fresh();
    let system = service(sink(&url)).await;
    for n in 0..500 {
        system.send("orders", format!("order {n}")).await;
    }
    system.settled().await;
    let bodies: std::collections::BTreeSet<_> =
        rows(&url, 500).await.into_iter().map(|r| r.body).collect();
    assert_eq!(bodies.len(), 500);
}

#[tokio::test]
async fn a_file_that_another_program_keeps_locked_parks_messages_and_then_takes_them_again() {
    let (_folder, url) = fresh();
    let system = service(SqlSink::new(&url).timeout(500.millis())).await;
    send_until_stored(&system, &url, 0).await;
    let stored = read(&url).await.unwrap().len();
    let parked = system.messages("orders.failed").len();
    let mut other = other_program(&url).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    for n in 0..50 {
        system.send("orders", format!("locked {n}")).await;
    }
    system.settled().await;
    assert_eq!(system.messages("orders.failed").len(), parked + 50);
    other.execute("ROLLBACK").await.unwrap();
    let still = read(&url).await.unwrap().len();
    assert_eq!(still, stored, "what was refused is not there as well");
    send_until_stored(&system, &url, stored).await;
}

#[tokio::test]
async fn a_new_file_that_another_program_writes_to_is_waited_for() {
    let (_folder, url) = fresh();
    let mut other = other_program(&url).await;
    other.execute("PRAGMA user_version = 7").await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let store = store(&url).timeout(1.minutes());
    let storing = tokio::spawn(async move { store.insert(vec![record("m-1")]).await });
    stays(200.millis(), "it waits", async || {
        match storing.is_finished() {
            true => Err("it has ended".to_owned()),
            false => Ok(()),
        }
    })
    .await;
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(storing.await.unwrap().unwrap().new, 1);
}

#[tokio::test]
async fn a_service_starts_without_its_file_and_uses_it_once_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("not/yet");
    let url = format!("sqlite://{}", place.join("failed.db").display());
    let system = service(sink(&url)).await;
    system.send("orders", "early").await;
    system.settled().await;
    assert_eq!(system.messages("orders.failed").len(), 1);
    std::fs::create_dir_all(&place).unwrap();
    eventually(SOON, "the file is made", async || {
        place
            .join("failed.db")
            .exists()
            .then_some(())
            .ok_or_else(String::new)
    })
    .await;
    send_until_stored(&system, &url, 0).await;
}

#[tokio::test]
async fn a_row_that_the_database_refuses_is_parked_and_its_neighbours_are_stored() {
    let (_folder, url) = fresh();
    insert(&store(&url), &[]).await;
    assert!(all(&store(&url)).await.is_empty(), "the table is made");
    let mut other = other_program(&url).await;
    let refusal = "CREATE TRIGGER refusal BEFORE INSERT ON failed_messages WHEN NEW.body = CAST('poison' AS blob) \
                   BEGIN SELECT RAISE(ABORT, 'not this one'); END";
    other.execute(refusal).await.unwrap();
    let system = service(sink(&url)).await;
    for n in 0..20 {
        let body = if n % 5 == 0 { "poison" } else { "fine" };
        system.send("orders", body).await;
    }
    system.settled().await;
    let parked = system.messages("orders.failed");
    assert_eq!(parked.len(), 4);
    let stored = rows(&url, 16).await;
    assert!(stored.iter().all(|row| *row.body == *b"fine"));
}

#[tokio::test]
async fn a_service_whose_file_may_only_be_read_parks_what_fails() {
    let (_folder, url) = fresh();
    insert(&store(&url), &[record("m-1")]).await;
    let system = service(sink(&format!("{url}?mode=ro"))).await;
    for n in 0..5 {
        system.send("orders", format!("order {n}")).await;
    }
    system.settled().await;
    assert_eq!(system.messages("orders.failed").len(), 5);
    rows(&url, 1).await;
}

#[tokio::test]
async fn a_file_that_may_only_be_read_is_told_and_what_is_in_it_can_be_listed() {
    let (_folder, url) = fresh();
    insert(&store(&url), &[record("m-1")]).await;
    let read_only = SqlStore::new(format!("{url}?mode=ro")).unwrap();
    assert_eq!(all(&read_only).await.len(), 1);
    let error = read_only.insert(vec![record("m-2")]).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Refused);
    assert!(error.to_string().contains("read-only"), "{error}");
}

#[tokio::test]
async fn what_is_wrong_with_a_url_is_told_when_the_system_is_built() {
    let urls = [
        "",
        "mysql://u:hunter2@h/d",
        "hunter2",
        "postgres://u:hunter2@h:x/d",
        "sqlite::memory:",
        "sqlite:",
    ];
    for url in urls {
        let queue = Queue::quorum("orders");
        let builder = SystemBuilder::new("amqp://localhost").fail_sink(SqlSink::new(url).batch(0));
        let error = builder
            .consume_fn(queue, async |_: Delivery<Bytes>| Ok::<(), Failure>(()))
            .build();
        let text = error.err().unwrap().to_string();
        assert!(text.contains("database URL"), "{text}");
        assert!(text.contains("rows in one statement is `0`"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(SqlStore::new(url).is_err());
    }
    let shown = format!("{:?}", SqlSink::new("postgres://u:hunter2@h/d"));
    assert!(
        shown.contains("database `d` at h:5432") && !shown.contains("hunter2"),
        "{shown}"
    );
}
