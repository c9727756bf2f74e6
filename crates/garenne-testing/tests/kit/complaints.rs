//! What a failed assertion shows: where the message is, what happened to it, and all that is there.

use garenne::core::FailReason;
use garenne::prelude::*;
use garenne_testing::TestSystem;

use crate::orders::{complaint, orders, send, start};

/// The text before the log lines, of which some come when they like.
fn before_the_log(text: &str) -> &str {
    text.split_once("its last log lines:")
        .map_or(text, |(before, _)| before)
}

/// The text, with the time that is left until a retry as if none had passed: on a slow machine some has.
fn at_once(text: &str) -> String {
    (1..20).fold(text.to_owned(), |text, left| {
        text.replace(&format!(" in {left}s"), " in 20s")
    })
}

#[tokio::test]
async fn a_complaint_shows_everything() {
    let system = start().await;
    let m1 = send(&system, "m1", "fail").await;
    system.settled().await;
    send(&system, "m2", "permanent").await;
    send(&system, "m3", "ok").await;
    system.settled().await;

    let text = complaint(|| system.assert_handled(&m1));

    let expected = "\
message `m1` was not handled
  it waits in the lane `orders.retry.20s`: attempt 2 comes in 20s

what happened to it:
  orders: attempt 1 began
  orders: attempt 1 failed, to be retried after 20s: card declined

the queues:
  orders: 0 waiting, 0 in hand
  orders.failed: 1 parked
    m2, permanent after attempt 1: no such card, `permanent`
  orders.retry.20s: 1 waiting for a retry
    m1, attempt 2 in 20s, `fail`
the system is consuming
  orders: 3 delivered, 1 handled, 2 failed attempts, 1 retried, 1 failed for good
";
    assert_eq!(at_once(before_the_log(&text)), expected);
    for line in [
        "INFO consuming consuming queue=orders",
        "WARN message_retried attempt 1 failed",
        "ERROR message_failed the message failed for good and was stored in `orders.failed`",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    system.finish().await;
}

/// The first lines: what is wrong, and where the message is.
fn head(text: &str) -> &str {
    text.split_once("\n\n").map_or(text, |(head, _)| head)
}

#[tokio::test]
async fn a_message_elsewhere_is_said_to_be_there() {
    let notes = Queue::classic("notes");
    let system = TestSystem::builder().queue(notes);
    let system = system.start(crate::orders::service).await;
    send(&system, "handled", "ok").await;
    send(&system, "discarded", "discard").await;
    send(&system, "parked", "permanent").await;
    send(&system, "retried", "fail").await;
    let note = Outgoing::to_queue("notes", "hello").message_id("note");
    system.send_message(note).await;
    system.settled().await;

    for (id, sentence) in [
        ("handled", "it was handled, from `orders` at attempt 1"),
        (
            "discarded",
            "its handler discarded it, from `orders` at attempt 1: nothing to pay",
        ),
        (
            "retried",
            "it waits in the lane `orders.retry.20s`: attempt 2 comes in 20s",
        ),
        (
            "note",
            "it lies in `notes`, which the system does not consume",
        ),
        ("no-such-id", "it lies nowhere and was never delivered"),
    ] {
        let text = complaint(|| system.assert_parked(id));
        assert_eq!(
            at_once(head(&text)),
            format!("message `{id}` is not parked\n  {sentence}")
        );
    }
    let text = complaint(|| system.assert_retried("parked"));
    let expected = "message `parked` is not waiting for a retry\n  it is parked in `orders.failed` \
                    with reason `permanent`, after attempt 1: no such card";
    assert_eq!(head(&text), expected);
    system.finish().await;
}

#[tokio::test]
async fn what_is_otherwise_than_asserted_is_said_beside_it() {
    let system = start().await;
    send(&system, "retried", "fail").await;
    send(&system, "parked", "permanent").await;
    send(&system, "handled", "ok").await;
    system.settled().await;

    let retried = || system.assert_retried("retried");
    let parked = || system.assert_parked("parked");
    for (text, expected) in [
        (
            complaint(|| retried().attempt(3)),
            "`retried` waits for attempt 2, not 3",
        ),
        (
            complaint(|| retried().after(1.hours())),
            "`retried` is retried after 20s, not after 1h",
        ),
        (
            complaint(|| retried().to("mails")),
            "`retried` is retried in `orders`, not in `mails`",
        ),
        (
            complaint(|| parked().reason(FailReason::Exhausted)),
            "`parked` is parked with reason `permanent`, not `exhausted`",
        ),
        (
            complaint(|| parked().error("card declined")),
            "`parked` is parked with error `no such card`, which does not contain `card declined`",
        ),
        (
            complaint(|| parked().attempts(4)),
            "`parked` is parked after attempt 1, not 4",
        ),
        (
            complaint(|| system.assert_handled("handled").attempt(2)),
            "`handled` was handled at attempt 1, not 2",
        ),
    ] {
        let first = text.lines().next().unwrap_or_default();
        assert_eq!(first, format!("message {expected}"));
    }
    system.finish().await;
}

#[tokio::test]
async fn an_assertion_that_comes_too_early_says_so() {
    let (let_go, busy) = tokio::sync::watch::channel(false);
    let handler = move |_: Delivery<Text>| {
        let mut busy = busy.clone();
        async move { busy.wait_for(|done| *done).await.map(drop) }
    };
    let system = TestSystem::start(|builder| builder.consume_fn(orders(), handler)).await;
    send(&system, "m1", "slow").await;
    let in_hand = system
        .broker()
        .wait_until(|view| view.unacked("orders") == 1);
    in_hand.await.unwrap();

    let text = complaint(|| system.assert_handled("m1"));
    let expected = "it was delivered from `orders` (attempt 1) and is not settled yet";
    assert!(text.contains(expected), "{text}");
    let advice = "the system is still at work: await `settled()` before asserting";
    assert!(text.contains(advice), "{text}");

    let_go.send_replace(true);
    system.settled().await;
    system.assert_handled("m1");
    system.finish().await;
}

#[tokio::test]
async fn a_long_queue_is_cut_and_a_body_that_is_no_text_is_counted() {
    let system = start().await;
    for number in 1..=7 {
        let message = Outgoing::to_queue("orders", vec![0xff; number]);
        system
            .send_message(message.message_id(format!("m{number}")))
            .await;
    }
    system.settled().await;
    let report = system.report();
    let cut = "    m5, undecodable after attempt 1: not UTF-8 text: invalid utf-8 sequence of 1 \
               bytes from index 0, 5 bytes that are not text\n    … and 2 more\n";
    assert!(report.contains(cut), "{report}");
    system.finish().await;
}

#[tokio::test]
async fn a_broker_that_is_away_is_shown_as_such() {
    let system = TestSystem::builder().patience(3.secs());
    let system = system.start(crate::orders::service).await;
    send(&system, "m1", "hang").await;
    system.broker().faults().crash().await.unwrap();
    let lost = system
        .handle()
        .wait_until(|status| !status.is_ready())
        .await;
    lost.unwrap();
    let text = crate::orders::complaint_of(system.finish()).await;
    assert!(
        text.starts_with("the system is not settled after 3s"),
        "{text}"
    );
    assert!(text.contains("the system has lost the broker: "), "{text}");
}
