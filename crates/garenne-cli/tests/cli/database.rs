//! A database in place of parking queues: looked at, thrown away, mended, sent again.

use std::collections::BTreeSet;

use lapin::types::AMQPValue;

use crate::replays::header;
use crate::support::{Stage, TWO, interrupt, many};
use crate::table::Table;

const ID: &str = "0190a2f4-77aa-7bbb-8ccc-123456789abc";
const OTHER: &str = "0190a2f4-77aa-7bbb-8ccc-123456789abd";

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_shown_as_a_parking_queue_is() {
    let stage = Stage::new().await;
    let table = Table::with(&stage, TWO).await;
    for columns in [80, 120] {
        for (name, arguments) in [
            ("ls", "ls"),
            ("ls-one-queue", "ls --queue orders"),
            ("groups", "ls --group-by error"),
            ("show", "show --limit 2"),
            ("dry-run", "replay --dry-run"),
        ] {
            let line = format!("failed {arguments} --database {}", table.url());
            let variables = [("NO_COLOR", "1")];
            let ran = stage.in_terminal_with(columns, &line, &variables).await;
            insta::assert_snapshot!(format!("database-{name}-{columns}"), ran.well().out);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_listed_for_programs_too() {
    let stage = Stage::new().await;
    let table = Table::with(&stage, TWO).await;
    for (name, arguments) in [
        ("ls", &["--json"][..]),
        ("groups", &["--group-by", "reason", "--json"]),
    ] {
        let ran = table.run(&stage, "ls", arguments).await.well();
        insta::assert_snapshot!(format!("database-{name}-json"), ran.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_a_database_is_what_is_listed() {
    let stage = Stage::new().await;
    let table = Table::with(&stage, TWO).await;
    for (arguments, wanted) in [
        (&["--where", "error~DECLINED"][..], &[ID][..]),
        (&["--where", "header.tenant=eu"], &[ID]),
        (&["--where", "attempts<2"], &[OTHER]),
        (&["--where", "error~declined", "--where", "attempts<2"], &[]),
        (&["--reason", "delivery-limit"], &[OTHER]),
        (&["--since", "2026-09-21T14:30:00Z"], &[OTHER]),
        (&["--limit", "1"], &[ID]),
        (&["--queue", "orders"], &[ID, OTHER]),
        (&["--queue", "invoices"], &[]),
        (&[OTHER], &[OTHER]),
    ] {
        let arguments = [arguments, &["--json"]].concat();
        let listed = table.run(&stage, "ls", &arguments).await.well().out;
        let ids = [ID, OTHER].into_iter().filter(|id| listed.contains(id));
        assert_eq!(ids.collect::<Vec<_>>(), wanted, "{arguments:?}: {listed}");
        assert_eq!(listed.lines().count(), wanted.len(), "{arguments:?}");
    }
    assert_eq!(table.ids().await, [ID, OTHER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_replayed_is_in_its_queue_and_gone_from_the_table() {
    let stage = Stage::new().await;
    let table = Table::with(&stage, TWO).await;
    let arguments = ["--where", "error~declined"];
    let ran = table.run(&stage, "replay", &arguments).await.well();
    assert!(ran.err.contains("replayed 1 message"), "{}", ran.err);
    assert_eq!(table.ids().await, [OTHER]);
    let sent = stage.messages("orders").await;
    let [message] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(&message.body[..], br#"{"order_id":7}"#);
    let text = |text: String| Some(AMQPValue::LongString(text.into()));
    assert_eq!(header(message, "replay-id"), text(format!("{ID}#1")));
    assert_eq!(header(message, "replay-count"), Some(AMQPValue::LongInt(1)));
    assert_eq!(header(message, "retry_nums"), Some(AMQPValue::LongInt(0)));
    assert_eq!(header(message, "n"), Some(AMQPValue::ShortInt(3)));
    assert_eq!(header(message, "fail-reason"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_beside_a_database_is_not_its_replays_concern() {
    let stage = Stage::new().await;
    let table = Table::with(&stage, TWO).await;
    stage.park(&many(3)).await;
    let ran = table.run(&stage, "replay", &["--queue", "orders"]).await;
    let ran = ran.well();
    assert!(!ran.err.contains("meanwhile"), "{}", ran.err);
    assert_eq!(stage.depth("orders").await, 2);
    assert_eq!(stage.depth("orders.failed").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_stay_while_there_is_nowhere_to_send_them() {
    let stage = Stage::new().await;
    let table = Table::with(&stage, TWO).await;
    stage.delete("orders").await;
    let ran = table.run(&stage, "replay", &[]).await;
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("was not sent to orders"), "{}", ran.err);
    let dead = ["--url", "amqp://app:s3cret@127.0.0.1:1"];
    let ran = table.run(&stage, "replay", &dead).await;
    assert_eq!(ran.code, 75, "{}", ran.err);
    assert!(!ran.err.contains("s3cret"), "{}", ran.err);
    assert_eq!(table.ids().await, [ID, OTHER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_a_database_that_is_killed_loses_nothing_and_goes_on_when_run_again() {
    let stage = Stage::new().await;
    let table = Table::with(&stage, &many(400)).await;
    // That takes seconds: the first removals are written by then, though a hundred have not come together.
    let database = ["--database", table.url()];
    let mut child = stage.replaying("20", &database, 60).await;
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "it was over before it was killed");

    let left = table.ids().await;
    let sent = ids_of(&stage).await;
    let all: BTreeSet<_> = (0..400).map(|n| format!("m-{n}")).collect();
    let held: BTreeSet<_> = left.iter().chain(&sent).cloned().collect();
    assert_eq!(held, all);
    assert!((1..400).contains(&left.len()), "{} left", left.len());

    table.run(&stage, "replay", &[]).await.well();
    assert_eq!(table.records().await, []);
    let sent = stage.messages("orders").await;
    let twice = sent.len() - 400;
    assert!(twice < 356, "{twice} were sent twice");
    assert_eq!(
        ids_of(&stage).await.into_iter().collect::<BTreeSet<_>>(),
        all
    );
    // A handler that remembers it does the work once.
    let replays = sent.iter().map(|m| format!("{:?}", header(m, "replay-id")));
    assert_eq!(replays.collect::<BTreeSet<_>>().len(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_a_database_that_is_interrupted_sends_nothing_twice_when_run_again() {
    let stage = Stage::new().await;
    let table = Table::with(&stage, &many(400)).await;
    let database = ["--database", table.url()];
    interrupt(stage.replaying("50", &database, 5).await).await;
    let (sent, left) = (stage.depth("orders").await, table.ids().await.len());
    assert!(sent + left == 400 && left > 0, "{sent} sent, {left} left");
    table.run(&stage, "replay", &[]).await.well();
    assert_eq!(stage.depth("orders").await, 400);
    assert_eq!(table.records().await, []);
}

async fn ids_of(stage: &Stage) -> Vec<String> {
    let messages = stage.messages("orders").await;
    let id = |m: &garenne_broker::MessageView| m.properties.message_id().clone();
    messages
        .iter()
        .flat_map(id)
        .map(|id| id.to_string())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_rows_that_were_meant_are_thrown_away() {
    let stage = Stage::new().await;
    let table = Table::with(&stage, TWO).await;
    let unasked = table.run(&stage, "discard", &[]).await;
    assert_eq!(unasked.code, 2, "{}", unasked.err);
    let dry = table.run(&stage, "discard", &["--dry-run"]).await.well();
    assert_eq!(dry.out, "would throw away 2 messages\n");
    assert_eq!(table.ids().await, [ID, OTHER]);
    let arguments = ["--where", "error~declined", "--yes"];
    let ran = table.run(&stage, "discard", &arguments).await.well();
    assert_eq!(ran.err, "threw away 1 message\n");
    assert_eq!(table.ids().await, [OTHER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_edited_then_sent_and_stays_when_it_was_not_changed() {
    let stage = Stage::new().await;
    let table = Table::with(&stage, TWO).await;
    let edit = ["failed", "edit", "--database", table.url(), ID];
    let same = stage.run_with(&edit, "", &[("EDITOR", "true")]).await;
    assert!(same.well().err.contains("nothing was sent"));
    assert_eq!(table.ids().await, [ID, OTHER]);
    let editor = [("EDITOR", "sed -i s/7/8/")];
    stage.run_with(&edit, "", &editor).await.well();
    let sent = stage.messages("orders").await;
    assert_eq!(sent.len(), 1);
    assert_eq!(&sent[0].body[..], br#"{"order_id":8}"#);
    assert_eq!(table.ids().await, [OTHER]);
    let none = stage.run_with(&edit, "", &editor).await;
    assert_eq!(none.code, 1, "{}", none.err);
    assert!(none.err.contains(ID), "{}", none.err);
}
