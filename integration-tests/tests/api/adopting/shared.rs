//! Queues with a single active consumer: one service at a time, in order, and handed over only when it is
//! done.

use garenne::core::QueueKind;
use garenne::prelude::*;
use lapin::types::AMQPValue;

use crate::api::support::{Place, Running, Seen, nothing};

const ORDERS: usize = 120;

/// When a handler began or ended, with which order, in which replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Note {
    Began(char, usize),
    Ended(char, usize),
}

/// How the service may look at its queue.
#[derive(Clone, Copy)]
enum Sees {
    /// It may configure, and so learns with what the queue was declared.
    Arguments,
    /// It may read and write.
    Nothing,
    /// It is told not to look.
    NotEvenLooks,
}

/// Declares a queue with a single active consumer, and makes its lanes and its parking queue for those who
/// may not make them.
async fn declare_with_one_active(place: &Place, name: &str, kind: QueueKind) {
    let system = place.system().consume_fn(Queue::new(name, kind), nothing);
    Running::consuming(system).await.stop().await;
    place.client.delete(name).await;
    place
        .client
        .declare(
            name,
            &[
                ("x-queue-type", AMQPValue::LongString(kind.as_str().into())),
                ("x-single-active-consumer", AMQPValue::Boolean(true)),
            ],
        )
        .await;
}

async fn two_replicas(kind: QueueKind, sees: Sees) {
    let place = Place::new().await;
    let name = "orders";
    let queue = Queue::new(name, kind).prefetch(50).concurrency(1);
    declare_with_one_active(&place, name, kind).await;
    let (declare, url) = match sees {
        Sees::Arguments => (Declare::Verify, place.vhost.url()),
        Sees::Nothing => (Declare::Verify, place.reader_url().await),
        Sees::NotEvenLooks => (Declare::Off, place.vhost.url()),
    };
    let queue = queue.declare(declare);
    let notes = Seen::default();
    let publisher = Publisher::connect(&url).await.unwrap();
    place.client.declare("taken", &[]).await;
    let replica = |me: char| {
        let (notes, publisher) = (notes.clone(), publisher.clone());
        SystemBuilder::new(&url).consume_fn(queue.clone(), move |order: Delivery<Text>| {
            let (notes, publisher) = (notes.clone(), publisher.clone());
            async move {
                let number = order.parse::<usize>()?;
                notes.note(Note::Began(me, number));
                // What takes a moment: a round trip to the broker.
                let took = Outgoing::to_queue("taken", Text(number.to_string()));
                publisher.send(took).await?;
                notes.note(Note::Ended(me, number));
                Ok::<(), Failure>(())
            }
        })
    };
    let first = Running::consuming(replica('a')).await;
    let second = Running::consuming(replica('b')).await;
    let bodies: Vec<_> = (0..ORDERS).map(|n| n.to_string()).collect();
    place.send(name, bodies.iter().map(String::as_str)).await;
    notes.reach(ORDERS / 2).await;
    first.stop().await;
    let notes = notes.reach(2 * ORDERS).await;
    second.acked_by_both(&first, ORDERS as u64).await;

    let handed_over = notes
        .iter()
        .position(|note| matches!(note, Note::Began('b', _)))
        .expect("the second replica takes over");
    let by = |index| if index < handed_over { 'a' } else { 'b' };
    let expected: Vec<_> = (0..ORDERS)
        .flat_map(|n| {
            let (me, n) = (by(2 * n), n);
            [Note::Began(me, n), Note::Ended(me, n)]
        })
        .collect();
    assert!(handed_over > 0, "the first one consumed first");
    assert_eq!(notes, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_on_a_quorum_queue_with_a_single_active_consumer_take_turns_in_order() {
    two_replicas(QueueKind::Quorum, Sees::Arguments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_on_a_classic_queue_with_a_single_active_consumer_take_turns_in_order() {
    two_replicas(QueueKind::Classic, Sees::Arguments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_cannot_see_that_a_quorum_queue_has_one_active_consumer_take_turns_too() {
    two_replicas(QueueKind::Quorum, Sees::Nothing).await;
    two_replicas(QueueKind::Quorum, Sees::NotEvenLooks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_cannot_see_that_a_classic_queue_has_one_active_consumer_take_turns_too() {
    two_replicas(QueueKind::Classic, Sees::Nothing).await;
    two_replicas(QueueKind::Classic, Sees::NotEvenLooks).await;
}
