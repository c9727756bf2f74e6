//! What links carry: bodies larger than any frame, over sockets that are slow, or take nothing.

use std::collections::BTreeMap;

use garenne::prelude::*;
use garenne::status::LinkState;
use integration_tests::{Direction, FaultProxy, eventually};

use super::support::{Place, Running, SOON, Seen};

/// A body of this size that tells which one it is.
fn body(number: u8, size: usize) -> Vec<u8> {
    (0..size).map(|at| number ^ at.to_le_bytes()[0]).collect()
}

/// A system that writes down what comes to `q`, as the number and the size of each body.
fn noting(builder: SystemBuilder, seen: &Seen<(u8, usize)>) -> SystemBuilder {
    let seen = seen.clone();
    builder.consume_fn(Queue::quorum("q"), move |message: Delivery<Bytes>| {
        let bytes = message.into_body();
        let number = bytes.first().copied().unwrap_or_default();
        assert!(
            *bytes == body(number, bytes.len()),
            "body {number} is another"
        );
        seen.note((number, bytes.len()));
        async { Ok::<(), Failure>(()) }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_megabytes_come_as_they_were_sent_in_frames_of_8_kib() {
    let place = Place::new().await;
    let url = format!("{}?frame_max=8192", place.vhost.url());
    let seen = Seen::default();
    let running = Running::consuming(noting(SystemBuilder::new(url), &seen)).await;
    let sizes = [
        5_000_000, 0, 1, 8183, 8184, 8185, 16_369, 100_000, 3_000_000,
    ];
    let messages = (0..).zip(sizes);
    let sent = messages
        .clone()
        .map(|(number, size)| Outgoing::to_queue("q", body(number, size)));
    let publisher = running.publisher();
    let sent = publisher.send_all(sent).finish().await;
    assert_eq!((sent.confirmed, sent.failed), (9, 0), "{sent:?}");
    let mut all = seen.reach(9).await;
    all.sort_unstable();
    let expected = messages.map(|(number, size)| (if size == 0 { 0 } else { number }, size));
    let mut expected: Vec<_> = expected.collect();
    expected.sort_unstable();
    assert_eq!(all, expected);
    running.acked(9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_takes_longer_than_two_heartbeats_to_come_costs_no_link() {
    let place = Place::new().await;
    let proxy = FaultProxy::before(place.vhost.node()).await;
    let url = format!("{}?heartbeat=2", proxy.url(place.vhost.name()));
    let seen = Seen::default();
    let running = Running::consuming(noting(SystemBuilder::new(url), &seen)).await;
    proxy.throttle_way(100_000, Direction::ToClient);
    place
        .client
        .publish("", "q", &body(1, 700_000), super::support::id("slow"))
        .await;
    seen.reach(1).await;
    let counts = running.acked(1).await;
    assert_eq!(counts.delivered, 1, "{counts:?}");
    let consume = running.status().consume;
    assert!(
        matches!(consume, LinkState::Up { epoch: 1, .. }),
        "{consume:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_are_stored_once_after_the_socket_took_nothing_for_a_while() {
    const MESSAGES: u64 = 12;
    let place = Place::new().await;
    place.client.declare("q", &[]).await;
    let proxy = FaultProxy::before(place.vhost.node()).await;
    let url = format!("{}?heartbeat=60", proxy.url(place.vhost.name()));
    let publisher = Publisher::connect(url).await.unwrap();
    proxy.freeze_way(Direction::ToBroker);
    let sending = tokio::spawn({
        let publisher = publisher.clone().when_down(WhenDown::WaitUpTo(SOON));
        async move {
            let messages = (0..MESSAGES).map(|number| {
                let message = Outgoing::to_queue("q", body(1, 5_000_000));
                message.message_id(number.to_string())
            });
            publisher.send_all(messages).finish().await
        }
    });
    eventually(SOON, "all are on their way", async || {
        match publisher.status() {
            status if status.held == MESSAGES => Ok(()),
            status => Err(format!("{status:?}")),
        }
    })
    .await;
    proxy.thaw();
    let sent = sending.await.unwrap();
    assert_eq!((sent.confirmed, sent.failed), (MESSAGES, 0), "{sent:?}");
    assert_eq!(publisher.status().possible_duplicates, 0);
    let once = (0..MESSAGES).map(|number| (number.to_string(), 1));
    assert_eq!(place.take_ids("q").await, once.collect::<BTreeMap<_, _>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_for_exchanges_that_are_not_there_cost_their_neighbours_nothing() {
    let place = Place::new().await;
    place.client.declare("q", &[]).await;
    let proxy = FaultProxy::before(place.vhost.node()).await;
    let publisher = Publisher::connect(proxy.url(place.vhost.name()))
        .await
        .unwrap();
    let good = |sender: u64| {
        let messages = (0..400).map(move |number: u64| {
            Outgoing::to_queue("q", "x").message_id(format!("{sender}-{number}"))
        });
        publisher.send_all(messages)
    };
    // Nothing but the end of the others ends this one.
    let lost = async {
        for number in 0_u64.. {
            let missing = Outgoing::to_exchange(format!("missing {}", number % 3), "key", "x");
            let error = publisher.send(missing).await.unwrap_err();
            assert!(
                matches!(error, PublishError::Unroutable { .. }),
                "{error:?}"
            );
        }
    };
    let (mut a, mut b, mut c, mut d) = (good(1), good(2), good(3), good(4));
    let others = async { tokio::join!(a.finish(), b.finish(), c.finish(), d.finish()) };
    let (a, b, c, d) = tokio::select! {
        () = lost => unreachable!("it has no end"),
        sent = tokio::time::timeout(SOON, others) => sent.expect("the others get through"),
    };
    for sent in [a, b, c, d] {
        assert_eq!((sent.confirmed, sent.failed), (400, 0), "{sent:?}");
    }
    assert_eq!(place.take_ids("q").await.len(), 1600);
    assert_eq!(proxy.accepted(), 1, "no channel's end cost the connection");
}
