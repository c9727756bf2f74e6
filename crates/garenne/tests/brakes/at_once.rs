//! Losses that need no brake.

use std::time::{Duration, Instant};

use garenne::SystemHandle;
use garenne::prelude::*;
use garenne::status::Phase;
use garenne_broker::{Broker, How};
use garenne_testing::eventually;

use crate::log;
use crate::support::{FLOOR, SOON, pauses};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_loss_after_stable_consumption_is_answered_at_once_and_logged_in_full() {
    let (broker, running) = consuming("stable").await;
    let port = broker.addr().port();
    send(&broker, "stable").await;
    acked(&running, 1).await;
    broker.faults().drop_connections(How::Reset).await.unwrap();
    logged(port, "link_up", 4).await;
    send(&broker, "stable").await;
    logged(port, "outage_ended", 1).await;
    let losses = log::about_links(port, "link_lost");
    assert_eq!(losses.len(), 2, "{losses:#?}");
    for line in &losses {
        assert_eq!(line.number("retry_in_ms"), None, "{line:?}");
        assert_eq!(line.number("repeated"), None, "{line:?}");
    }
    assert_eq!(log::about_links(port, "link_attempt_failed").len(), 0);
    assert_eq!(log::about_queue("stable", "consuming").len(), 2);
    running.stop_now();
}

/// One ack makes consumption stable. A queue that is consumed well must not undo the brake for what kills
/// the link in another one.
#[tokio::test(flavor = "multi_thread")]
async fn losses_with_an_ack_in_between_are_answered_at_once_only_so_often() {
    const AT_ONCE: u64 = 5;
    let (broker, running) = consuming("progress").await;
    let begin = Instant::now();
    for acks in 1..=AT_ONCE + 1 {
        send(&broker, "progress").await;
        acked(&running, acks).await;
        broker.faults().drop_connections(How::Reset).await.unwrap();
    }
    let port = broker.addr().port();
    logged(port, "link_up", 14).await;
    let pauses = pauses(&log::about_links(port, "link_lost"));
    // On a very slow machine they are far enough apart.
    if begin.elapsed() < Duration::from_secs(60) {
        let floor = u64::try_from(FLOOR.as_millis()).unwrap();
        assert!(
            !pauses.is_empty() && pauses.iter().all(|ms| *ms >= floor),
            "{pauses:?}"
        );
    }
    running.stop_now();
}

/// A publisher without a system dials by the same rule, but for the start of it: any link that it had may be
/// made again at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_stands_alone_makes_its_link_again_at_once_only_so_often() {
    const AT_ONCE: usize = 5;
    log::listen();
    let broker = Broker::start().await.unwrap();
    let begin = Instant::now();
    let publisher = Publisher::connect(broker.url()).await.unwrap();
    let port = broker.addr().port();
    for links in 1..=AT_ONCE + 1 {
        logged(port, "link_up", links).await;
        broker.faults().drop_connections(How::Reset).await.unwrap();
        logged(port, "link_lost", links).await;
    }
    logged(port, "link_up", AT_ONCE + 2).await;
    let pauses = pauses(&log::about_links(port, "link_lost"));
    // On a very slow machine they are far enough apart.
    if begin.elapsed() < Duration::from_secs(60) {
        let floor = u64::try_from(FLOOR.as_millis()).unwrap();
        assert!(pauses.len() == 1 && pauses[0] >= floor, "{pauses:?}");
    }
    publisher.close().await;
}

/// A system that consumes this queue.
async fn consuming(queue: &str) -> (Broker, SystemHandle) {
    log::listen();
    let broker = Broker::start().await.unwrap();
    let nothing = |_: Delivery<Text>| async { Ok::<_, Failure>(()) };
    let builder = SystemBuilder::new(broker.url()).consume_fn(Queue::quorum(queue), nothing);
    let running = builder.build().unwrap().start().unwrap();
    let consumed = broker.wait_until_within(SOON, |view| view.consumers(queue) == 1);
    consumed.await.unwrap();
    (broker, running)
}

/// Waits until so many messages are acked, and what follows from that is known. An ack may be lost with
/// the link that it was written to; then its message comes again, is recalled, and acked once more.
async fn acked(running: &SystemHandle, messages: u64) {
    let known = running.wait_until(|status| {
        let queue = &status.queues[0];
        queue.acked >= messages + queue.recalled
            && matches!(status.phase, Phase::Consuming)
            && status.outage.is_none()
    });
    let known = tokio::time::timeout(SOON, known).await;
    known.expect("it is acked in time").unwrap();
}

/// A message that an ack makes consumption stable with.
async fn send(broker: &Broker, queue: &str) {
    let publisher = Publisher::builder(broker.url()).connect().await.unwrap();
    let message = Outgoing::to_queue(queue, "good");
    let patient = publisher.clone().when_down(WhenDown::WaitUpTo(SOON));
    patient.send(message).await.unwrap();
    publisher.close().await;
}

async fn logged(port: u16, event: &str, times: usize) {
    eventually(SOON, event, async || {
        let lines = log::about_links(port, event);
        if lines.len() >= times {
            Ok(())
        } else {
            Err(format!("{lines:?}"))
        }
    })
    .await;
}
