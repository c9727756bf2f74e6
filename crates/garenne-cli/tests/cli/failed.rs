//! Looking, throwing away, moving: nothing is lost that nobody gave up.

use crate::support::{Stage, TWO, many};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_looks_lose_nothing_and_keep_every_count_far_from_the_limit() {
    let stage = Stage::new().await;
    stage.park(&many(20)).await;
    for look in 0..100 {
        let ran = stage.run(&["failed", "ls", "-q", "orders"]).await.well();
        assert_eq!(ran.out.lines().count(), 21, "look {look}");
        let messages = stage.messages("orders.failed").await;
        assert_eq!(messages.len(), 20, "look {look}");
        let most = messages.iter().map(|m| m.delivery_count).max();
        assert!(most <= Some(1), "look {look}: {most:?}");
    }
    let listed = stage
        .run(&["failed", "ls", "-q", "orders", "--json"])
        .await
        .well()
        .out;
    for n in 0..20 {
        let id = format!("\"message_id\":\"m-{n}\",\"properties\"");
        assert_eq!(listed.matches(&id).count(), 1, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_out_while_the_broker_takes_nothing() {
    let stage = Stage::new().await;
    stage.park(&many(5)).await;
    stage.broker.faults().block("low on memory").await.unwrap();
    let ran = stage.run(&["failed", "ls", "-q", "orders"]).await;
    assert_eq!(ran.code, 75, "{}", ran.err);
    assert!(ran.err.contains("nothing was touched"), "{}", ran.err);
    let messages = stage.messages("orders.failed").await;
    assert!(messages.len() == 5 && messages.iter().all(|m| m.delivery_count == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_discarded_and_imported_is_the_same_again() {
    let stage = Stage::new().await;
    stage.park(TWO).await;
    let export = ["failed", "export", "-q", "orders"];
    let before = stage.run(&export).await.well().out;
    assert_eq!(before.lines().count(), 2);
    assert!(before.contains(r#""n":{"$i16":3}"#), "{before}");
    stage
        .run(&["failed", "discard", "-q", "orders", "--yes"])
        .await
        .well();
    assert_eq!(stage.depth("orders.failed").await, 0);
    stage.park(&before).await;
    let after = stage.run(&export).await.well().out;
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_no_message_is_named_and_what_came_before_it_is_stored() {
    let stage = Stage::new().await;
    let input = format!("{}oops\n{}", many(300), many(1));
    let ran = stage
        .run_with(&["failed", "import", "-q", "orders"], &input, &[])
        .await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("line 301"), "{}", ran.err);
    assert!(stage.depth("orders.failed").await >= 256);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_thrown_away_unasked() {
    let stage = Stage::new().await;
    stage.park(TWO).await;
    let discard = ["failed", "discard", "-q", "orders"];
    let ran = stage.run(&discard).await;
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--yes"), "{}", ran.err);
    let dry = stage
        .run(&["failed", "discard", "-q", "orders", "--dry-run"])
        .await
        .well();
    assert_eq!(dry.out, "would throw away 2 messages\n");
    assert_eq!(stage.depth("orders.failed").await, 2);
    let some = [
        "failed",
        "discard",
        "-q",
        "orders",
        "--where",
        "error~declined",
        "--yes",
    ];
    stage.run(&some).await.well();
    let left = stage.messages("orders.failed").await;
    assert_eq!(left.len(), 1);
    assert_eq!(&left[0].body[..], b"\x00\xff\x01");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_shown_byte_for_byte_when_it_is_asked_for_alone() {
    let stage = Stage::new().await;
    stage.park(TWO).await;
    let id = "0190a2f4-77aa-7bbb-8ccc-123456789abc";
    let ran = stage
        .run(&["failed", "show", "-q", "orders", id, "--body"])
        .await
        .well();
    assert_eq!(ran.out, r#"{"order_id":7}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_body_is_replayed_and_an_unchanged_one_is_not() {
    let stage = Stage::new().await;
    stage.park(TWO).await;
    let id = "0190a2f4-77aa-7bbb-8ccc-123456789abc";
    let edit = ["failed", "edit", "-q", "orders", id];
    let same = stage
        .run_with(&edit, "", &[("EDITOR", "true")])
        .await
        .well();
    assert!(same.err.contains("nothing was sent"), "{}", same.err);
    let broken = stage.run_with(&edit, "", &[("EDITOR", "false")]).await;
    assert_eq!(broken.code, 1, "{}", broken.err);
    let none = stage.run(&edit).await;
    assert_eq!(none.code, 2, "{}", none.err);
    assert_eq!(stage.depth("orders").await, 0);

    let editor = [("EDITOR", "false"), ("VISUAL", "sed -i s/7/8/")];
    stage.run_with(&edit, "", &editor).await.well();
    let sent = stage.messages("orders").await;
    assert_eq!(sent.len(), 1);
    assert_eq!(&sent[0].body[..], br#"{"order_id":8}"#);
    assert_eq!(stage.depth("orders.failed").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_edited_gets_the_body_whoever_sends_another_of_its_id_meanwhile() {
    let stage = Stage::new().await;
    stage.park(TWO).await;
    let id = "0190a2f4-77aa-7bbb-8ccc-123456789abc";
    let first = TWO.lines().next().unwrap();
    // The editor takes its time; meanwhile a stranger's message comes, with the same id.
    let stranger = first.replace("eyJvcmRlcl9pZCI6N30=", "eyJvcmRlcl9pZCI6NjY2fQ==");
    assert_ne!(stranger, first);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), stranger).unwrap();
    let import = format!(
        "{} failed import -q orders <'{}' >&2 && sed -i s/7/8/",
        env!("CARGO_BIN_EXE_garenne"),
        file.path().display(),
    );
    let edit = ["failed", "edit", "-q", "orders", id];
    stage
        .run_with(&edit, "", &[("EDITOR", &import)])
        .await
        .well();
    let sent = stage.messages("orders").await;
    assert_eq!(sent.len(), 1);
    assert_eq!(&sent[0].body[..], br#"{"order_id":8}"#);
    let left = stage.messages("orders.failed").await;
    let bodies: Vec<_> = left.iter().map(|left| &left.body[..]).collect();
    assert!(bodies.contains(&&br#"{"order_id":666}"#[..]), "{bodies:?}");
    assert_eq!(bodies.len(), 2);
}

/// What others wrote has lines, and none of them looks like one of the command's own.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_with_lines_looks_like_no_header_and_no_cause() {
    let stage = Stage::new().await;
    let forged = TWO.lines().next().unwrap();
    let forged = forged
        .replace("card declined", r"declined\n  because it was forged")
        .replace(
            r#""tenant":"eu""#,
            r#""a":"x\n  tenant: forged","b\n  c":"forged""#,
        );
    assert!(forged.contains("tenant: forged") && forged.contains("because it"));
    stage.park(&forged).await;
    let shown = stage
        .run(&["failed", "show", "-q", "orders", "-n", "1"])
        .await
        .well();
    let lines: Vec<_> = shown.out.lines().collect();
    for part in ["tenant: forged", "because it was forged", "c: forged"] {
        let line = lines.iter().find(|line| line.contains(part)).expect(part);
        assert!(line.starts_with("    | "), "{line}");
    }
}
