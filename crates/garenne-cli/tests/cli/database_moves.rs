//! From parking queues into a database, and by files in any direction.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use garenne_broker::MethodKind;

use crate::support::{Stage, TWO, command, many};
use crate::table::Table;

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_the_same_from_a_queue_and_from_a_database() {
    let stage = Stage::new().await;
    stage.park(TWO).await;
    let export = ["failed", "export", "-q", "orders"];
    let parked = stage.run(&export).await.well().out;
    let table = Table::with(&stage, &parked).await;
    let stored = table.run(&stage, "export", &[]).await.well().out;
    assert_eq!(parked, stored);

    let elsewhere = Stage::new().await;
    elsewhere.park(&stored).await;
    let back = elsewhere.run(&export).await.well().out;
    assert_eq!(stored, back);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_into_a_database_that_is_run_twice_makes_no_second_row() {
    let stage = Stage::new().await;
    let table = Table::with(&stage, TWO).await;
    let again = table.import(&stage, TWO).await.well();
    assert_eq!(again.err, "imported 0 messages\n2 messages there already\n");
    assert_eq!(table.ids().await.len(), 2);
}

/// Moves what is parked for `orders` into the table.
async fn take_over(stage: &Stage, table: &Table) -> crate::support::Ran {
    table
        .run(stage, "import", &["--from-queue", "orders"])
        .await
}

/// That each of so many messages is in the table once, and parked no longer.
async fn all_are_moved(stage: &Stage, table: &Table, number: u32) {
    assert_eq!(stage.depth("orders.failed").await, 0);
    let ids = table.ids().await;
    let wanted: BTreeSet<_> = (0..number).map(|n| format!("m-{n}")).collect();
    assert_eq!(ids.len(), wanted.len());
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_is_moved_into_the_database_once_however_often_it_is_asked_for() {
    let stage = Stage::new().await;
    let table = Table::new().await;
    stage.park(&many(300)).await;
    let ran = take_over(&stage, &table).await.well();
    assert_eq!(ran.err, "moved 300 messages\n");
    all_are_moved(&stage, &table, 300).await;
    let ran = take_over(&stage, &table).await.well();
    assert_eq!(ran.err, "moved 0 messages\n");
    all_are_moved(&stage, &table, 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_and_could_not_be_taken_off_the_broker_is_one_row_after_the_next_run() {
    let stage = Stage::new().await;
    let table = Table::new().await;
    stage.park(&many(300)).await;
    // The worst moment: a batch is in the database, and its first ack does not arrive. The two acks
    // before it are the broker's own, which say that it takes messages.
    let faults = stage.broker.faults();
    faults.cut_at_method(MethodKind::ACK, 3).await.unwrap();
    let ran = take_over(&stage, &table).await;
    assert_eq!(ran.code, 75, "{}", ran.err);
    let stored = table.ids().await.len();
    assert!(stored >= 256, "{stored}: {}", ran.err);
    assert!(stage.depth("orders.failed").await >= 299);
    faults.clear().await.unwrap();
    take_over(&stage, &table).await.well();
    all_are_moved(&stage, &table, 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_into_the_database_that_is_killed_loses_nothing_and_doubles_nothing() {
    let stage = Stage::new().await;
    let table = Table::new().await;
    stage.park(&many(2000)).await;
    // Slow enough that most is still parked when it is killed.
    let faults = stage.broker.faults();
    faults.delay(Duration::from_millis(10)).await.unwrap();
    let mut moving = command(&stage.url());
    moving
        .args(["failed", "import", "--from-queue", "orders", "--database"])
        .arg(table.url())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = moving.spawn().unwrap();
    stage
        .broker
        .wait_until_within(Duration::from_secs(60), |view| {
            view.ready("orders.failed") + view.unacked("orders.failed") < 2000
        })
        .await
        .unwrap();
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "it was over before it was killed");
    faults.clear().await.unwrap();

    // What it held is ready again before the next run looks.
    stage
        .broker
        .wait_until(|view| view.unacked("orders.failed") == 0)
        .await
        .unwrap();
    let (stored, parked) = (table.ids().await.len(), stage.depth("orders.failed").await);
    assert!(
        stored >= 256 && parked > 0,
        "{stored} stored, {parked} parked"
    );
    assert!(stored + parked >= 2000, "{stored} stored, {parked} parked");
    take_over(&stage, &table).await.well();
    all_are_moved(&stage, &table, 2000).await;
}
