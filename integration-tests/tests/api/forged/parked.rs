//! The broker moves what a producer has made up into a parking queue: it belongs where it lies.

use std::collections::BTreeSet;
use std::path::PathBuf;

use garenne::core::{FailReason, FailedMessage};
use garenne::failed::{FailedQuery, FailedStore, Replay, from_line};
use garenne::prelude::*;
use garenne_sinks::{Migrate, SqlStore};
use serde_json::Value;

use super::stage::{MADE_UP, Stage, forgeries};
use crate::api::support::{Running, nothing};

/// `ls` and the like, for the queue.
fn of_orders<'a>(what: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["failed", what, "--queue", "orders"], more].concat()
}

/// All forgeries, expired, beside one that says nothing of itself.
async fn parked(kind: &str) -> Stage {
    let mut stage = Stage::with(kind).await;
    for (name, properties) in forgeries() {
        stage
            .publish(&properties.short("expiration", "1"), name)
            .await;
    }
    let plain = garenne_testing::PropertyBytes::new()
        .octet("delivery_mode", 2)
        .short("message_id", "plain")
        .short("expiration", "1");
    stage.publish(&plain, "plain").await;
    stage.place.holds(&stage.parking, count()).await;
    stage.place.holds(&stage.queue, 0).await;
    stage
}

fn count() -> u64 {
    forgeries().len() as u64 + 1
}

fn names() -> BTreeSet<String> {
    let forged = forgeries().into_iter().map(|(name, _)| name.to_owned());
    forged.chain(["plain".to_owned()]).collect()
}

/// Whatever it says, this is what there is to know about it.
#[track_caller]
fn assert_known(record: &FailedMessage) {
    assert_eq!(record.queue, "orders", "{record:#?}");
    assert_eq!(record.reason, FailReason::Expired, "{record:#?}");
    assert!(record.error.contains("expired"), "{record:#?}");
    let texts = [&record.host, &record.service, &record.error];
    assert!(
        texts.iter().all(|text| !text.contains(MADE_UP)),
        "{record:#?}"
    );
    let is_plain = record.message_id == "plain";
    assert_eq!(record.doubt().is_none(), is_plain, "{record:#?}");
}

async fn each_is_known_and_none_goes_elsewhere(kind: &str) {
    let stage = parked(kind).await;
    let lines = stage.garenne(&of_orders("ls", &[])).await;
    lines.says(&format!(
        "{} failed messages, {} in doubt",
        count(),
        count() - 1
    ));
    let lines = lines.ok();
    let doubted = lines.iter().filter(|line| line.contains("IN DOUBT"));
    assert_eq!(doubted.count() as u64, count() - 1, "{lines:#?}");

    for what in ["ls", "show"] {
        let said = stage
            .garenne(&of_orders(what, &["--json", "--limit", "99"]))
            .await;
        let lines = said.ok();
        assert_eq!(lines.len() as u64, count());
        for line in lines {
            let json: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(json["queue"], "orders");
            assert_eq!(json["doubt"].is_null(), json["message_id"] == "plain");
        }
    }
    let shown = stage.garenne(&of_orders("show", &["record"])).await.ok();
    assert!(
        shown.iter().any(|line| line.starts_with("in doubt")),
        "{shown:#?}"
    );

    // No filter hides them.
    let query = ["--where", "error~no such text"];
    for what in ["ls", "export"] {
        let said = stage.garenne(&of_orders(what, &query)).await;
        said.says(&format!("{} messages more not meant", count() - 1));
    }

    // Only what nothing speaks against is sent; the rest is told of.
    let said = stage.garenne(&of_orders("replay", &[])).await;
    said.says("replayed 1 message");
    said.says(&format!("{} messages in doubt not sent", count() - 1));
    assert_ne!(said.code, Some(0));
    stage.place.holds(&stage.parking, count() - 1).await;
    stage.place.holds(&stage.queue, 1).await;

    // Asked for, they go to the queue in whose parking queue they lay.
    let said = stage.garenne(&of_orders("replay", &["--doubtful"])).await;
    said.says(&format!("replayed {} messages", count() - 1));
    said.ok();
    let sent = stage.place.take_ids(&stage.queue).await;
    assert_eq!(sent.into_keys().collect::<BTreeSet<_>>(), names());
    stage.place.holds(&stage.parking, 0).await;
    stage.assert_target_is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_producer_made_up_goes_nowhere_but_to_the_quorum_queue_that_it_died_in() {
    each_is_known_and_none_goes_elsewhere("quorum").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_producer_made_up_goes_nowhere_but_to_the_classic_queue_that_it_died_in() {
    each_is_known_and_none_goes_elsewhere("classic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_record_stays_in_doubt_on_every_way_and_never_goes_elsewhere() {
    let stage = parked("quorum").await;
    let folder = Folder::new(stage.place.vhost.name());
    let file = folder.path("orders.jsonl");
    let database = format!("sqlite://{}", folder.path("failed.db"));
    // Only a service makes a file that is not there.
    let table = SqlStore::new(&database).unwrap().migrate(Migrate::Apply);
    table.insert(Vec::new()).await.unwrap();
    stage
        .garenne(&of_orders("export", &["--output", &file]))
        .await
        .ok();
    for line in std::fs::read_to_string(&file).unwrap().lines() {
        assert_known(&from_line(line).unwrap());
    }
    stage.garenne(&of_orders("discard", &["--yes"])).await.ok();
    stage.place.holds(&stage.parking, 0).await;

    // From the file into the parking queue, from there into a database.
    stage
        .garenne(&["failed", "import", "--queue", "orders", &file])
        .await
        .ok();
    stage.place.holds(&stage.parking, count()).await;
    let moving = [
        "failed",
        "import",
        "--database",
        &database,
        "--from-queue",
        "orders",
    ];
    stage.garenne(&moving).await.ok();
    stage.place.holds(&stage.parking, 0).await;
    let of_database = ["--database", &*database];
    let all = stage
        .garenne(&[&["failed", "export"], &of_database[..]].concat())
        .await
        .ok();
    assert_eq!(all.len() as u64, count());
    for line in all {
        assert_known(&from_line(&line).unwrap());
    }
    let replay = [&["failed", "replay"], &of_database[..]].concat();
    let said = stage.garenne(&replay).await;
    said.says("replayed 1 message");
    said.says(&format!("{} messages in doubt not sent", count() - 1));
    stage.place.holds(&stage.queue, 1).await;
    let said = stage
        .garenne(&[&replay[..], &["--doubtful"]].concat())
        .await;
    said.says(&format!("replayed {} messages", count() - 1));
    let sent = stage.place.take_ids(&stage.queue).await;
    assert_eq!(sent.into_keys().collect::<BTreeSet<_>>(), names());
    stage.assert_target_is_empty().await;
}

/// A folder that is gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("garenne-forged-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left for the system to remove.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_knows_what_was_made_up_and_sends_it_only_when_asked() {
    let stage = parked("quorum").await;
    let system = stage
        .place
        .system()
        .consume_fn(Queue::quorum("idle"), nothing);
    let running = Running::consuming(system).await;
    let store = running.failed(["orders"]);
    let query = FailedQuery::all();
    let mut cursor = store.open(&query).await.unwrap();
    let mut seen = BTreeSet::new();
    while let Some(stored) = cursor.next().await.unwrap() {
        assert_known(&stored.record);
        seen.insert(stored.record.message_id);
        cursor.keep(stored.key).await.unwrap();
    }
    cursor.close().await.unwrap();
    assert_eq!(seen, names());
    let publisher = running.publisher();
    let report = Replay::of(FailedQuery::all())
        .run(&store, &publisher)
        .await
        .unwrap();
    let told = (
        report.replayed,
        report.passed_over.withheld,
        report.is_complete(),
    );
    assert_eq!(told, (1, count() - 1, false), "{report:?}");
    let report = Replay::of(FailedQuery::all())
        .even_doubtful()
        .run(&store, &publisher);
    let report = report.await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.replayed, count() - 1);
    stage.place.holds(&stage.queue, count()).await;
    stage.assert_target_is_empty().await;
    running.stop().await;
}
