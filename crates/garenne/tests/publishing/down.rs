//! What becomes of a message while the broker is away, or blocks.

use garenne::prelude::*;

use super::support::{Post, PublishError, SOON, answered, declare, to_q};

const BRIEF: WhenDown = WhenDown::WaitUpTo(std::time::Duration::from_millis(200));

fn patient() -> WhenDown {
    WhenDown::WaitUpTo(SOON)
}

fn buffer(max_messages: usize, max_bytes: usize) -> WhenDown {
    WhenDown::Buffer {
        max_messages,
        max_bytes,
        max_age: SOON,
    }
}

#[tokio::test]
async fn unless_told_otherwise_a_send_without_a_link_fails_at_once_and_was_not_sent() {
    let post = Post::open().await;
    post.down().await;
    let error = post.send("x").await.unwrap_err();
    assert!(
        matches!(error, PublishError::Disconnected { sent: false, .. }),
        "{error:?}"
    );
    assert!(!error.may_be_stored() && error.is_transient());
    post.holds(0).await;
}

#[tokio::test]
async fn a_send_that_may_wait_is_confirmed_once_the_broker_is_back() {
    let post = Post::open().await;
    post.down().await;
    let sending = post.sending(to_q("patient").when_down(patient()));
    post.holds(1).await;
    post.up().await;
    answered(sending).await.unwrap().unwrap();
    assert_eq!(post.bodies().await, ["patient"]);
    assert_eq!(post.publisher.status().possible_duplicates, 0);
}

#[tokio::test]
async fn a_send_that_has_waited_long_enough_fails_and_was_not_sent() {
    let post = Post::open().await;
    post.down().await;
    let sending = post.sending(to_q("x").when_down(BRIEF));
    let error = answered(sending).await.unwrap().unwrap_err();
    assert!(
        matches!(error, PublishError::Disconnected { sent: false, .. }),
        "{error:?}"
    );
    post.up().await;
    let after = post.sending(to_q("after").when_down(patient()));
    answered(after).await.unwrap().unwrap();
    assert_eq!(post.bodies().await, ["after"]);
}

#[tokio::test]
async fn a_buffer_takes_what_fits_says_when_it_is_full_and_sends_in_order() {
    let post = Post::open().await;
    post.down().await;
    let mut sends = Vec::new();
    for n in 0..3 {
        sends.push(post.sending(to_q(&n.to_string()).when_down(buffer(3, usize::MAX))));
        post.holds(n + 1).await;
    }
    let full = post
        .publisher
        .send(to_q("x").when_down(buffer(3, usize::MAX)));
    let error = answered(full).await.unwrap_err();
    assert!(
        matches!(&error, PublishError::BufferFull { max_messages: 3, reason, .. } if reason.contains("down")),
        "{error:?}"
    );
    assert!(!error.may_be_stored());
    let too_many_bytes = post.publisher.send(to_q("x").when_down(buffer(10, 100)));
    let error = answered(too_many_bytes).await.unwrap_err();
    assert!(
        matches!(error, PublishError::BufferFull { max_bytes: 100, .. }),
        "{error:?}"
    );
    post.up().await;
    for sending in sends {
        answered(sending).await.unwrap().unwrap();
    }
    assert_eq!(post.bodies().await, ["0", "1", "2"]);
    post.holds(0).await;
}

#[tokio::test]
async fn a_buffer_holds_more_than_the_window() {
    let post = Post::with(|builder| builder.max_messages(2)).await;
    post.down().await;
    let publisher = post.publisher.clone().when_down(buffer(500, usize::MAX));
    let messages: Vec<_> = (0..500).map(|n| to_q(&n.to_string())).collect();
    let sending = tokio::spawn(async move { publisher.send_all(messages).finish().await });
    post.holds(500).await;
    post.up().await;
    let sent = answered(sending).await.unwrap();
    assert_eq!((sent.confirmed, sent.failed), (500, 0), "{sent:?}");
    let expected: Vec<_> = (0..500).map(|n| n.to_string()).collect();
    assert_eq!(post.bodies().await, expected);
}

#[tokio::test]
async fn what_grows_too_old_in_the_buffer_is_told_so() {
    let post = Post::open().await;
    post.down().await;
    let max_age = 200.millis();
    let sending = post.publisher.send(to_q("x").when_down(WhenDown::Buffer {
        max_messages: 9,
        max_bytes: usize::MAX,
        max_age,
    }));
    let error = answered(sending).await.unwrap_err();
    assert!(
        matches!(&error, PublishError::TooOld { after, sent: false, .. } if *after == max_age),
        "{error:?}"
    );
    assert!(!error.may_be_stored());
}

#[tokio::test]
async fn what_was_unconfirmed_is_sent_again_with_its_id_and_counted_as_a_possible_duplicate() {
    let post = Post::open().await;
    post.broker.faults().hold_confirms().await.unwrap();
    let sending = post.sending(to_q("twice").when_down(patient()));
    post.queue(|view| view.ready("q") == 1).await;
    post.broker.faults().release_confirms().await.unwrap();
    answered(sending).await.unwrap().unwrap();

    // The next one is stored, and its confirm is lost with the connection.
    let cut = garenne_broker::MethodKind::ACK;
    post.broker.faults().cut_at_method(cut, 1).await.unwrap();
    let sending = post.sending(to_q("again").when_down(patient()));
    answered(sending).await.unwrap().unwrap();
    let ids = post.ids().await;
    assert_eq!((ids["twice"], ids["again"]), (1, 2), "{ids:?}");
    let status = post.publisher.status();
    assert_eq!(
        (status.possible_duplicates, status.confirmed),
        (1, 2),
        "{status:?}"
    );
}

#[tokio::test]
async fn without_patience_what_was_unconfirmed_fails_and_may_be_stored() {
    let post = Post::open().await;
    let cut = garenne_broker::MethodKind::ACK;
    post.broker.faults().cut_at_method(cut, 1).await.unwrap();
    let error = post.send("x").await.unwrap_err();
    assert!(
        matches!(error, PublishError::Disconnected { sent: true, .. }),
        "{error:?}"
    );
    assert!(error.may_be_stored());
    assert_eq!(
        post.bodies().await,
        ["x"],
        "it was stored, and not sent again"
    );
}

#[tokio::test]
async fn an_alarm_is_not_an_outage_and_is_told_apart() {
    let post = Post::open().await;
    post.alarm().await;
    let error = post.send("x").await.unwrap_err();
    assert!(
        matches!(&error, PublishError::Blocked { reason, sent: false } if reason == "low on disk"),
        "{error:?}"
    );
    let brief = post.publisher.send(to_q("x").when_down(BRIEF));
    let error = answered(brief).await.unwrap_err();
    assert!(
        matches!(error, PublishError::Blocked { sent: false, .. }),
        "{error:?}"
    );
    let waiting = post.sending(to_q("patient").when_down(patient()));
    let buffered = post.sending(to_q("buffered").when_down(buffer(2, usize::MAX)));
    post.holds(2).await;
    let full = post
        .publisher
        .send(to_q("x").when_down(buffer(2, usize::MAX)));
    let error = answered(full).await.unwrap_err();
    assert!(
        matches!(&error, PublishError::BufferFull { reason, .. } if reason.contains("low on disk")),
        "{error:?}"
    );
    post.broker.faults().unblock().await.unwrap();
    answered(waiting).await.unwrap().unwrap();
    answered(buffered).await.unwrap().unwrap();
    let mut bodies = post.bodies().await;
    bodies.sort();
    assert_eq!(
        bodies,
        ["before", "buffered", "patient"],
        "refused sends are not stored"
    );
}

#[tokio::test]
async fn a_link_lost_during_an_alarm_loses_no_message_that_may_wait() {
    let post = Post::open().await;
    post.alarm().await;
    let waiting = post.sending(to_q("patient").when_down(patient()));
    post.holds(1).await;
    post.broker.faults().crash().await.unwrap();
    post.broker.faults().unblock().await.unwrap();
    post.up().await;
    answered(waiting).await.unwrap().unwrap();
    assert!(post.bodies().await.contains(&"patient".to_owned()));
}

#[tokio::test]
async fn what_a_message_says_counts_more_than_what_its_publisher_says() {
    let post = Post::open().await;
    post.down().await;
    let publisher = post.publisher.clone().when_down(patient());
    let hurried = publisher.send(to_q("x").when_down(WhenDown::FailFast));
    assert!(answered(hurried).await.is_err());
    // The publisher that it was cloned from is as it was.
    assert!(post.send("x").await.is_err());
    let waiting = tokio::spawn(async move { publisher.send(to_q("waits")).await });
    post.holds(1).await;
    post.up().await;
    answered(waiting).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_full_window_keeps_nobody_from_failing_fast() {
    let post = Post::with(|builder| builder.max_messages(1)).await;
    post.down().await;
    let waiting = post.sending(to_q("first").when_down(patient()));
    post.holds(1).await;
    let error = post.send("x").await.unwrap_err();
    assert!(
        matches!(error, PublishError::Disconnected { sent: false, .. }),
        "{error:?}"
    );
    let second = post.sending(to_q("second").when_down(patient()));
    post.up().await;
    answered(waiting).await.unwrap().unwrap();
    answered(second).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_message_that_breaks_the_channel_is_blamed_and_those_in_flight_arrive() {
    let post = Post::open().await;
    declare(&post.broker, "other").await;
    let good = (0..50).map(|n| post.sending(to_q(&n.to_string())));
    let good: Vec<_> = good.collect();
    let bad = post
        .publisher
        .send(Outgoing::to_exchange("nowhere", "k", "x"));
    let error = answered(bad).await.unwrap_err();
    assert!(
        matches!(error, PublishError::Unroutable { .. }),
        "{error:?}"
    );
    for sending in good {
        answered(sending).await.unwrap().unwrap();
    }
    assert_eq!(post.ids().await.len(), 50);
}

#[tokio::test]
async fn a_closed_publisher_answers_everything_that_still_waits() {
    let post = Post::open().await;
    post.down().await;
    let waiting = post.sending(to_q("x").when_down(WhenDown::WaitUpTo(300.millis())));
    post.holds(1).await;
    answered(post.publisher.close()).await;
    assert!(waiting.is_finished(), "close waits for what is under way");
    assert!(waiting.await.unwrap().is_err());
}
