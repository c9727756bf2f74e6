//! Publishing while the broker blocks, and while links come and go.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use garenne::PublishError;
use garenne::prelude::*;
use garenne::status::{LinkState, Status};
use integration_tests::{Client, Direction, FaultProxy, RabbitNode, eventually};

use super::support::{Gate, Place, Running, SOON, Seen, id, nothing};

#[tokio::test(flavor = "multi_thread")]
async fn during_an_alarm_every_send_is_answered_and_after_it_sends_arrive() {
    super::logs::capture();
    let node = RabbitNode::start().await;
    let client = Client::connect(&node.url("/")).await;
    client.declare("q", &[]).await;
    let builder = SystemBuilder::new(node.url("/"))
        .confirm_timeout(1.secs())
        .consume_fn(Queue::classic("idle"), nothing);
    let running = Running::consuming(builder).await;
    let publisher = running.publisher();
    eventually(SOON, "a send arrives", async || {
        let answer = publisher.send(Outgoing::to_queue("q", "before")).await;
        answer.map_err(|error| error.to_string())
    })
    .await;

    node.raise_memory_alarm().await;
    eventually(SOON, "sends are blocked", async || {
        match publisher.send(Outgoing::to_queue("q", "x")).await {
            Err(PublishError::Blocked { reason, .. }) if !reason.is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    running
        .until("the status says so", |status| {
            matches!(
                &status.publish,
                LinkState::Up {
                    blocked: Some(_),
                    ..
                }
            )
        })
        .await;
    // More than are in flight at once, and more than wait behind those.
    let sends = join_all((0..2000).map(|_| publisher.send(Outgoing::to_queue("q", "y"))));
    let answers = tokio::time::timeout(SOON, sends)
        .await
        .expect("every send is answered");
    for answer in answers {
        assert!(
            matches!(answer, Err(PublishError::Blocked { .. })),
            "{answer:?}"
        );
    }

    node.clear_memory_alarm().await;
    eventually(SOON, "sends arrive again", async || {
        let answer = publisher.send(Outgoing::to_queue("q", "after")).await;
        answer.map_err(|error| error.to_string())
    })
    .await;
    assert!(
        client
            .take_all("q")
            .await
            .iter()
            .any(|message| message.data == b"after")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn during_an_alarm_messages_are_handled_and_retries_wait_for_its_end() {
    super::logs::capture();
    let node = RabbitNode::start().await;
    let client = Client::connect(&node.url("/")).await;
    let runs = Seen::default();
    let gate = Gate::closed();
    let queue = Queue::quorum("orders").retry(Retry::every(100.millis()).times(2));
    let builder = SystemBuilder::new(node.url("/"))
        .confirm_timeout(2.secs())
        .consume_fn(queue, {
            let (runs, gate) = (runs.clone(), gate.clone());
            move |order: Delivery<Text>| {
                let (runs, gate) = (runs.clone(), gate.clone());
                async move {
                    gate.pass().await;
                    runs.note((order.body().to_string(), order.attempt().number()));
                    match order.body().0.as_str() {
                        "fails once" if order.attempt().number() == 1 => {
                            Err(Failure::transient("no"))
                        }
                        _ => Ok(()),
                    }
                }
            }
        });
    let running = Running::consuming(builder).await;
    for body in ["fails once", "good 1", "good 2"] {
        client
            .publish("", "orders", body.as_bytes(), id(body))
            .await;
    }
    running
        .until("all are in hand", |status| status.in_flight() == 3)
        .await;
    node.raise_memory_alarm().await;
    gate.open();
    running
        .until("the others are acked and it is held", |status| {
            (status.queues[0].acked, status.in_flight()) == (2, 1)
        })
        .await;
    runs.reach(3).await;
    // Longer than the patience for a confirm: the wait is not counted while the broker blocks.
    integration_tests::stays(3.secs(), "the message is held", async || {
        match running.counts().in_flight {
            1 => Ok(()),
            other => Err(format!("{other} in flight")),
        }
    })
    .await;
    node.clear_memory_alarm().await;
    let runs = runs.reach(4).await;
    let second: Vec<_> = runs
        .iter()
        .filter(|run| run.0 == "fails once")
        .map(|run| run.1)
        .collect();
    assert_eq!(second, [1, 2], "{runs:?}");
    let counts = running.acked(4).await;
    assert_eq!(
        (counts.retried, counts.handled, counts.failed),
        (1, 3, 0),
        "{counts:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_links_are_cut_every_send_is_answered_and_every_ok_is_stored() {
    const CUTS: usize = 12;
    let place = Place::new().await;
    place.client.declare("q", &[]).await;
    let proxy = FaultProxy::before(place.vhost.node()).await;
    let builder = place
        .system_behind(&proxy)
        .consume_fn(Queue::classic("idle"), nothing);
    let running = Running::consuming(builder).await;
    let done = std::sync::Arc::new(AtomicBool::new(false));
    let oks = Seen::default();
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let (handle, oks, done) = (SystemHandle::clone(&running), oks.clone(), done.clone());
            tokio::spawn(async move {
                let publisher = handle.publisher();
                let mut answered = 0;
                while !done.load(Ordering::Relaxed) {
                    let is_up = |status: &Status| matches!(status.publish, LinkState::Up { .. });
                    handle.wait_until(is_up).await.unwrap();
                    let burst = (answered..answered + 50).map(async |number| {
                        let id = format!("{sender}-{number}");
                        let message = Outgoing::to_queue("q", "body").message_id(&id);
                        (id, publisher.send(message).await)
                    });
                    for (id, answer) in join_all(burst).await {
                        match answer {
                            Ok(()) => oks.note(id),
                            Err(PublishError::Disconnected { .. }) => {}
                            Err(other) => panic!("{id}: {other:?}"),
                        }
                        answered += 1;
                    }
                }
                answered
            })
        })
        .collect();
    for cut in 0..CUTS {
        oks.reach((cut + 1) * 300).await;
        // Now in the middle of what the client says, now of what the broker says.
        match cut % 2 {
            0 => proxy.cut_after(3000, Direction::ToBroker),
            _ => proxy.cut_after(500, Direction::ToClient),
        }
    }
    oks.reach((CUTS + 1) * 300).await;
    done.store(true, Ordering::Relaxed);
    let answered = tokio::time::timeout(SOON, join_all(senders))
        .await
        .expect("no send hangs");
    let answered: usize = answered.into_iter().map(Result::unwrap).sum();
    let oks = oks.all();
    println!("{answered} answered, {} of them Ok", oks.len());
    let stored = place.take_ids("q").await;
    let lost: BTreeSet<_> = oks.iter().filter(|id| !stored.contains_key(*id)).collect();
    assert!(lost.is_empty(), "answered Ok and not stored: {lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirm_that_does_not_come_is_a_timeout_and_the_message_may_be_stored() {
    let place = Place::new().await;
    place.client.declare("q", &[]).await;
    let proxy = FaultProxy::before(place.vhost.node()).await;
    let builder = place
        .system_behind(&proxy)
        .confirm_timeout(Duration::from_millis(500))
        .consume_fn(Queue::classic("idle"), nothing);
    let running = Running::consuming(builder).await;
    let publisher = running.publisher();
    publisher
        .send(Outgoing::to_queue("q", "before"))
        .await
        .unwrap();
    proxy.freeze_way(Direction::ToClient);
    // More than are in flight at once.
    let sends = join_all((0..600).map(|_| publisher.send(Outgoing::to_queue("q", "x"))));
    let answers = tokio::time::timeout(SOON, sends)
        .await
        .expect("every send is answered");
    for answer in answers {
        let error = answer.unwrap_err();
        assert!(matches!(error, PublishError::Timeout { .. }), "{error:?}");
        assert!(error.may_be_stored());
    }
    place.client.declare("q", &[]).await;
    proxy.thaw();
    eventually(SOON, "sends arrive again", async || {
        let answer = publisher.send(Outgoing::to_queue("q", "after")).await;
        answer.map_err(|error| error.to_string())
    })
    .await;
}
