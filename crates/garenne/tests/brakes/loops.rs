//! Links and channels that end right after each subscription.

use std::time::{Duration, Instant};

use garenne::prelude::*;
use garenne_testing::eventually;

use crate::fake::{Fake, Then};
use crate::log;
use crate::support::{FLOOR, SOON, give_up, most_in, pauses};

const WINDOW: Duration = Duration::from_secs(5);

/// Everything that a loop of lost links must be, whatever loses them.
async fn is_braked(then: Then, queue: &str, says: &[&str]) {
    let fake = Fake::start(then).await;
    let gave_up = give_up(&fake, Queue::quorum(queue), WINDOW).await;
    // The whole loop is one outage, and its window is not cut short.
    assert!(gave_up.lasted >= WINDOW, "{gave_up:?}");
    assert_eq!(log::about_links(fake.port(), "outage_ended").len(), 0);
    assert_eq!(log::about_links(fake.port(), "stable").len(), 0);
    let losses = log::about_links(fake.port(), "link_lost");
    let times = fake.subscriptions();
    assert!(
        (2..=most_in(WINDOW)).contains(&times),
        "{times}: {losses:#?}"
    );
    let (floor, ceiling) = (u64::try_from(FLOOR.as_millis()).unwrap(), 30_000);
    // The pause before the last attempt is cut to the deadline, and there is none after it.
    let pauses = pauses(&losses);
    let whole = &pauses[..pauses.len().saturating_sub(2)];
    assert!(
        whole.iter().all(|ms| (floor..=ceiling).contains(ms)),
        "{pauses:?}"
    );
    let error = losses[0].field("error");
    for part in says {
        assert!(error.contains(part), "no {part} in {error}");
        let last = &gave_up.last_error;
        assert!(last.contains(part), "no {part} in {last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_ends_after_each_subscription_is_made_with_pauses_until_the_window_is_over() {
    let says = ["closed the connection without a word", "log"];
    is_braked(Then::EndConnection, "ends", &says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_the_broker_closes_after_each_subscription_says_what_to_do() {
    let then = Then::CloseConnection(501, "FRAME_ERROR - cannot decode");
    let says = ["FRAME_ERROR - cannot decode; ", "see its log"];
    is_braked(then, "closed", &says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_larger_than_is_taken_ends_the_link_with_the_queue_and_the_size() {
    let then = Then::DeliverHeader(17 * 1024 * 1024);
    let says = [
        "queue `large`",
        "17825792 bytes",
        "at most 16777216",
        "take it out",
    ];
    is_braked(then, "large", &says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_end_together_count_once() {
    let fake = Fake::start(Then::EndAllConnections).await;
    let gave_up = give_up(&fake, Queue::quorum("together"), WINDOW).await;
    let rounds = fake.subscriptions();
    assert!((2..=most_in(WINDOW)).contains(&rounds), "{rounds}");
    // Both are made again in each round.
    assert_eq!(fake.connections(), 2 * rounds);
    // Counted each, there would be two for each round.
    let (attempts, losses) = (gave_up.attempts as usize, gave_up.losses as usize);
    assert!(2 * attempts < 3 * rounds, "{rounds} rounds: {gave_up:?}");
    assert!(losses <= rounds, "{rounds} rounds: {gave_up:?}");
}

/// It has no idea of progress: losses are answered at once a few times a minute.
#[tokio::test(flavor = "multi_thread")]
async fn the_link_of_a_publisher_that_ends_again_and_again_is_made_with_pauses() {
    const AT_ONCE: usize = 6;
    const WITH_PAUSES: usize = 3;
    let fake = Fake::start(Then::EndConnectionWithConfirms).await;
    let begin = Instant::now();
    let publisher = Publisher::builder(fake.url()).connect().await.unwrap();
    eventually(SOON, "it tries on", async || {
        let connections = fake.connections();
        if connections >= AT_ONCE + WITH_PAUSES {
            Ok(())
        } else {
            Err(connections.to_string())
        }
    })
    .await;
    let pauses = FLOOR * u32::try_from(WITH_PAUSES).unwrap();
    assert!(begin.elapsed() >= pauses, "{:?}", begin.elapsed());
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_channel_ends_after_each_subscription_backs_off_while_its_link_lives() {
    let text = "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out";
    let fake = Fake::start(Then::CloseChannel(406, text)).await;
    let gave_up = give_up(&fake, Queue::quorum("channel"), WINDOW).await;
    assert_eq!(fake.connections(), 2, "the links live");
    // After the deadline, each loss is the last.
    let times = fake.subscriptions();
    let most = most_in(gave_up.lasted);
    assert!((2..=most).contains(&times), "{times}: {gave_up:?}");
    let last = &gave_up.last_error;
    let says = ["queue `channel`", text, "`consumer_timeout`"];
    for part in says {
        assert!(last.contains(part), "no {part} in {last}");
    }
    let lost = log::about_queue("channel", "worker_lost");
    let error = lost[0].field("error");
    assert_eq!(error.matches("`consumer_timeout`").count(), 1, "{error}");
}
