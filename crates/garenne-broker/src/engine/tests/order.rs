use std::time::Duration;

use amq_protocol::protocol::{AMQPClass, basic};
use amq_protocol::types::AMQPValue;

use super::client::World;
use crate::wire::Output;

fn tags(delivered: &[(u64, String, bool)]) -> Vec<&str> {
    delivered.iter().map(|(_, body, _)| &**body).collect()
}

#[test]
fn confirms_of_a_batch_are_one_multiple_ack() {
    let mut world = World::new();
    let client = world.client();
    world.declare(client, "q", &[]);
    world.select_confirms(client);
    world.sent();
    for _ in 0..5 {
        world.publish(client, "q", "m");
    }
    let sent = world.sent();
    let [Output::Method(1, AMQPClass::Basic(basic::AMQPMethod::Ack(ack)))] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!((ack.delivery_tag, ack.multiple), (5, true));
}

#[test]
fn acks_and_nacks_of_one_batch_keep_their_order() {
    let mut world = World::new();
    let client = world.client();
    let full = [
        ("x-max-length", AMQPValue::LongInt(1)),
        ("x-overflow", AMQPValue::LongString("reject-publish".into())),
    ];
    world.declare(client, "full", &full);
    world.declare(client, "q", &[]);
    world.select_confirms(client);
    world.sent();
    for queue in ["q", "full", "full", "q", "q"] {
        world.publish(client, queue, "m");
    }
    let told = |output: &Output| match output {
        Output::Method(_, AMQPClass::Basic(basic::AMQPMethod::Ack(ack))) => {
            ("ack", ack.delivery_tag, ack.multiple)
        }
        Output::Method(_, AMQPClass::Basic(basic::AMQPMethod::Nack(nack))) => {
            ("nack", nack.delivery_tag, nack.multiple)
        }
        other => panic!("{other:?}"),
    };
    let sent: Vec<_> = world.sent().iter().map(told).collect();
    assert_eq!(
        sent,
        [("ack", 2, true), ("nack", 3, false), ("ack", 5, true)]
    );
}

#[test]
fn a_classic_queue_gives_old_places_and_a_quorum_queue_the_order_of_return() {
    let quorum = || ("x-queue-type", AMQPValue::LongString("quorum".into()));
    let mut world = World::new();
    let client = world.client();
    world.declare(client, "classic", &[]);
    world.declare(client, "quorum", &[quorum()]);
    world.declare(
        client,
        "boundless",
        &[quorum(), ("x-delivery-limit", AMQPValue::LongInt(-1))],
    );
    for queue in ["classic", "quorum", "boundless"] {
        for body in ["a", "b", "c", "d"] {
            world.publish(client, queue, body);
        }
    }
    for (queue, expected) in [
        ("classic", ["a", "b", "c", "d"]),
        ("quorum", ["c", "a", "b", "d"]),
        ("boundless", ["d", "c", "a", "b"]),
    ] {
        let consumer = world.client();
        world.consume(consumer, queue, 3);
        let delivered = world.delivered();
        assert_eq!(tags(&delivered), ["a", "b", "c"]);
        let cancel = match world.engine.consumers.values().next() {
            Some(consumer) => consumer.tag.clone(),
            None => panic!("no consumer"),
        };
        let cancel = basic::Cancel {
            consumer_tag: (&*cancel).into(),
            nowait: true,
        };
        world.basic(consumer, basic::AMQPMethod::Cancel(cancel));
        for tag in [3, 1, 2] {
            world.requeue(consumer, tag);
        }
        assert_eq!(world.waiting(queue), expected, "{queue}");
    }
}

#[test]
fn a_requeued_message_is_delivered_before_those_that_waited() {
    let mut world = World::new();
    let client = world.client();
    world.declare(client, "q", &[]);
    for body in ["a", "b"] {
        world.publish(client, "q", body);
    }
    world.consume(client, "q", 1);
    assert_eq!(world.delivered(), [(1, "a".to_owned(), false)]);
    world.requeue(client, 1);
    assert_eq!(world.delivered(), [(2, "a".to_owned(), true)]);
    world.ack(client, 2);
    assert_eq!(world.delivered(), [(3, "b".to_owned(), false)]);
}

#[test]
fn timers_fire_in_order_and_each_at_its_own_time() {
    let mut world = World::new();
    let client = world.client();
    let lane = |ttl: i32, to: &str| {
        [
            ("x-message-ttl", AMQPValue::LongInt(ttl)),
            ("x-dead-letter-exchange", AMQPValue::LongString("".into())),
            (
                "x-dead-letter-routing-key",
                AMQPValue::LongString(to.into()),
            ),
        ]
    };
    world.declare(client, "ten", &lane(10_000, "five"));
    world.declare(client, "five", &lane(5_000, "seven"));
    world.declare(client, "seven", &lane(7_000, "end"));
    world.declare(
        client,
        "end",
        &[("x-message-ttl", AMQPValue::LongInt(60_000))],
    );
    world.publish(client, "ten", "m");
    world.pass(Duration::from_secs(40));
    let end = world.engine.messages("end").unwrap().remove(0);
    assert_eq!(end.expires_at, Some(Duration::from_secs(10 + 5 + 7 + 60)));
    world.pass(Duration::from_secs(41));
    assert_eq!(world.waiting("end"), ["m"]);
    world.pass(Duration::from_secs(1));
    assert!(world.waiting("end").is_empty());
    assert_eq!(world.engine.timers(), 0);
}

#[test]
fn a_clogged_connection_gets_no_more_until_it_is_written() {
    let mut world = World::new();
    let client = world.client();
    world.declare(client, "q", &[]);
    let body = "x".repeat(90_000);
    for _ in 0..20 {
        world.publish(client, "q", &body);
    }
    world.engine.drained(client, world.now);
    world.consume(client, "q", 0);
    let first = world.delivered().len();
    assert!((5..10).contains(&first), "{first}");
    let mut all = first;
    while all < 20 {
        world.engine.drained(client, world.now);
        let more = world.delivered().len();
        assert!(more > 0);
        all += more;
    }
}

#[test]
fn a_consumer_that_had_no_room_starts_again_at_the_end() {
    let quorum = [("x-queue-type", AMQPValue::LongString("quorum".into()))];
    for arguments in [&[][..], &quorum] {
        let mut world = World::new();
        let (narrow, wide) = (world.client(), world.client());
        world.declare(narrow, "q", arguments);
        world.consume(narrow, "q", 1);
        world.consume(wide, "q", 10);
        for body in ["1", "2", "3"] {
            world.publish(narrow, "q", body);
        }
        let turns = |turns: [(_, &str); 3]| turns.map(|(id, body)| (id, body.to_owned()));
        let first = turns([(narrow, "1"), (wide, "2"), (wide, "3")]);
        assert_eq!(world.received(), first);
        world.ack(narrow, 1);
        for body in ["4", "5", "6"] {
            world.publish(narrow, "q", body);
        }
        let then = turns([(wide, "4"), (narrow, "5"), (wide, "6")]);
        assert_eq!(world.received(), then, "{arguments:?}");
    }
}

#[test]
fn a_consumer_that_was_full_and_not_passed_over_keeps_its_turn_unless_it_is_a_quorum_queues() {
    let quorum = [("x-queue-type", AMQPValue::LongString("quorum".into()))];
    for (arguments, keeps) in [(&[][..], true), (&quorum, false)] {
        let mut world = World::new();
        let (narrow, wide) = (world.client(), world.client());
        world.declare(narrow, "q", arguments);
        world.consume(narrow, "q", 1);
        world.consume(wide, "q", 10);
        world.publish(narrow, "q", "1");
        world.publish(narrow, "q", "2");
        world.ack(narrow, 1);
        world.received();
        world.publish(narrow, "q", "3");
        let next = if keeps { narrow } else { wide };
        assert_eq!(world.received(), [(next, "3".to_owned())]);
    }
}
