//! Whose turn it is where consumers share their room: a prefetch for the whole channel, or a
//! connection with enough to write.

use std::collections::BTreeMap;

use amq_protocol::protocol::basic;

use super::client::World;
use crate::engine::ConnectionId;
use crate::wire::Output;

/// What came: the consumer's tag, the delivery's tag and the body.
type Delivered = (String, u64, String);

fn delivered(world: &mut World) -> Vec<Delivered> {
    let deliver = |output| match output {
        Output::Deliver {
            consumer_tag,
            delivery_tag,
            message,
            ..
        } => {
            let body = String::from_utf8_lossy(&message.body).into_owned();
            Some((consumer_tag.to_string(), delivery_tag, body))
        }
        _ => None,
    };
    world.sent().into_iter().filter_map(deliver).collect()
}

/// Acks what comes, `at_once` messages with each ack, until so many have come.
fn consume_all(
    world: &mut World,
    client: ConnectionId,
    count: usize,
    at_once: usize,
) -> Vec<Delivered> {
    let mut all = Vec::new();
    let mut acked = 0;
    while all.len() < count {
        all.extend(delivered(world));
        acked += at_once;
        let (_, delivery_tag, _) = all[acked - 1];
        let ack = basic::Ack {
            delivery_tag,
            multiple: true,
        };
        world.basic(client, basic::AMQPMethod::Ack(ack));
    }
    all
}

fn shares(delivered: &[Delivered]) -> Vec<usize> {
    let mut shares = BTreeMap::new();
    for (tag, _, _) in delivered {
        *shares.entry(tag.clone()).or_insert(0) += 1;
    }
    shares.into_values().collect()
}

fn fill(world: &mut World, client: ConnectionId, queue: &str, count: usize) {
    world.declare(client, queue, &[]);
    for _ in 0..count {
        world.publish(client, queue, queue);
    }
}

#[test]
fn queues_that_share_a_prefetch_take_turns() {
    for at_once in [1, 2, 10] {
        let mut world = World::new();
        let client = world.client();
        world.qos(client, 10, true);
        for queue in ["a", "b", "c"] {
            fill(&mut world, client, queue, 100);
            world.subscribe(client, queue);
        }
        let came = consume_all(&mut world, client, 100, at_once);
        // The first queue fills the channel before there are others.
        assert_eq!(shares(&came[10..100]), [30; 3], "{at_once} with each ack");
    }
}

#[test]
fn consumers_of_one_queue_that_share_a_prefetch_take_turns() {
    for prefetch in [1, 10] {
        let mut world = World::new();
        let client = world.client();
        world.qos(client, prefetch, true);
        fill(&mut world, client, "q", 100);
        world.subscribe(client, "q");
        world.subscribe(client, "q");
        let came = consume_all(&mut world, client, 80, 1);
        let came = &came[usize::from(prefetch)..];
        assert_eq!(shares(&came[..60]), [30; 2], "a prefetch of {prefetch}");
    }
}

#[test]
fn a_short_queue_does_not_wait_for_the_end_of_a_long_one() {
    let mut world = World::new();
    let client = world.client();
    world.qos(client, 5, true);
    fill(&mut world, client, "long", 200);
    fill(&mut world, client, "short", 5);
    world.subscribe(client, "long");
    world.subscribe(client, "short");
    let came = consume_all(&mut world, client, 205, 1);
    let last = came.iter().rposition(|(_, _, body)| body == "short");
    // Five of the long queue are there first, and then every second place is the short one's.
    assert_eq!(last, Some(13));
}

#[test]
fn channels_of_a_connection_that_has_enough_to_write_take_turns() {
    let mut world = World::new();
    let client = world.client();
    world.declare(client, "a", &[]);
    world.declare(client, "b", &[]);
    let body = "x".repeat(90_000);
    for queue in ["a", "b"].into_iter().cycle().take(80) {
        world.publish(client, queue, &body);
    }
    world.open(client, 2);
    world.sent();
    world.subscribe_on(client, 1, "a");
    world.subscribe_on(client, 2, "b");
    let mut of_second = 0;
    for _ in 0..4 {
        let came = world.sent();
        let second = |output: &&Output| matches!(output, Output::Deliver { channel: 2, .. });
        of_second += came.iter().filter(second).count();
        world.engine.drained(client, world.now);
    }
    assert!(of_second > 0, "the second channel starves");
}
