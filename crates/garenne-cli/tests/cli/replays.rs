//! Replays: where messages go, what they carry, and what a stop leaves.

use lapin::types::{AMQPValue, ShortString};

use crate::support::{Stage, TWO, interrupt, many};

pub(crate) fn header(message: &garenne_broker::MessageView, name: &str) -> Option<AMQPValue> {
    let headers = message.properties.headers().as_ref()?;
    headers.inner().get(&ShortString::from(name)).cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_message_is_at_its_first_attempt_in_its_own_queue() {
    let stage = Stage::new().await;
    stage.park(TWO).await;
    let replay = [
        "failed",
        "replay",
        "-q",
        "orders",
        "--where",
        "error~declined",
    ];
    let ran = stage.run(&replay).await.well();
    assert!(ran.err.contains("replayed 1 message"), "{}", ran.err);
    assert_eq!(stage.depth("orders.failed").await, 1);
    let sent = stage.messages("orders").await;
    assert_eq!(sent.len(), 1);
    let message = &sent[0];
    assert_eq!(&message.body[..], br#"{"order_id":7}"#);
    assert_eq!(
        (message.exchange.as_str(), message.routing_key.as_str()),
        ("", "orders")
    );
    assert_eq!(header(message, "retry_nums"), Some(AMQPValue::LongInt(0)));
    assert_eq!(header(message, "replay-count"), Some(AMQPValue::LongInt(1)));
    assert_eq!(
        header(message, "replay-id"),
        Some(AMQPValue::LongString(
            "0190a2f4-77aa-7bbb-8ccc-123456789abc#1".into()
        ))
    );
    assert_eq!(header(message, "n"), Some(AMQPValue::ShortInt(3)));
    assert_eq!(header(message, "fail-reason"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_and_ids_are_kept() {
    let stage = Stage::new().await;
    stage.park(&many(10)).await;
    let limited = ["failed", "replay", "-q", "orders", "--limit", "3", "--json"];
    let ran = stage.run(&limited).await.well();
    assert!(ran.out.contains("\"replayed\":3"), "{}", ran.out);
    stage
        .run(&["failed", "replay", "-q", "orders", "m-7", "m-8"])
        .await
        .well();
    assert_eq!(stage.depth("orders").await, 5);
    assert_eq!(stage.depth("orders.failed").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_is_told_and_stays() {
    let stage = Stage::new().await;
    // The queue of one of them has been deleted.
    let lines = format!("{}{}", TWO, many(3).replace("\"orders\"", "\"gone\""));
    let two = ["failed", "import", "-q", "orders", "-q", "gone"];
    stage
        .run(&["topology", "-q", "gone", "--declare"])
        .await
        .well();
    stage.run_with(&two, &lines, &[]).await.well();
    stage.delete("gone").await;
    let ran = stage
        .run(&["failed", "replay", "-q", "orders", "-q", "gone"])
        .await;
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("m-0 was not sent to gone"), "{}", ran.err);
    assert_eq!(stage.depth("orders").await, 2);
    assert_eq!(stage.depth("gone.failed").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_interrupted_says_what_is_left_and_goes_on_when_run_again() {
    let stage = Stage::new().await;
    stage.park(&many(400)).await;
    let err = interrupt(stage.replaying("50", &["-q", "orders"], 5).await)
        .await
        .err;
    let (sent, left) = (
        stage.depth("orders").await,
        stage.depth("orders.failed").await,
    );
    assert_eq!(sent + left, 400, "{err}");
    assert!(left > 0, "{err}");
    assert!(err.contains("the rest is still stored"), "{err}");
    assert!(!err.contains("came in meanwhile"), "{err}");
    stage
        .run(&["failed", "replay", "-q", "orders"])
        .await
        .well();
    assert_eq!(stage.depth("orders").await, 400);
    assert_eq!(stage.depth("orders.failed").await, 0);
}
