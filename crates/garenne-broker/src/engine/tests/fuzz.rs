//! Random frames and random sequences of methods: never a panic, never without an end, and
//! nothing left behind.

use std::time::Duration;

use amq_protocol::protocol::{AMQPClass, connection, queue, tx};
use amq_protocol::protocol::{basic, channel, confirm, exchange};
use amq_protocol::types::{AMQPValue, FieldTable};
use bytes::Bytes;
use proptest::prelude::*;

use super::client::World;
use crate::engine::{ConnectionId, Effect};
use crate::wire::{Frame, FrameReader, Input, Output, encode};

/// One thing that a client does.
#[derive(Clone, Debug)]
enum Step {
    Method(u16, AMQPClass),
    Publish {
        queue: String,
        body: Vec<u8>,
        expiration: Option<u16>,
    },
    Raw {
        kind: u8,
        channel: u16,
        payload: Vec<u8>,
    },
    Wait(u64),
    Drained,
    Reconnect,
    Crash,
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "", "amq.direct", "amq.topic", "x"])
        .prop_map(str::to_owned)
}

fn arguments() -> impl Strategy<Value = FieldTable> {
    let small = (0..5_i32).prop_map(AMQPValue::LongInt);
    let text = |texts: Vec<&'static str>| {
        prop::sample::select(texts).prop_map(|text| AMQPValue::LongString(text.into()))
    };
    let argument = prop_oneof![
        (Just("x-message-ttl"), small.clone()),
        (Just("x-expires"), small.clone()),
        (Just("x-max-length"), small.clone()),
        (Just("x-max-priority"), small.clone()),
        (Just("x-delivery-limit"), small),
        (
            Just("x-dead-letter-exchange"),
            text(vec!["", "amq.fanout", "amq.topic", "x"])
        ),
        (Just("x-dead-letter-routing-key"), text(vec!["a", "b", "c"])),
        (
            Just("x-queue-type"),
            text(vec!["classic", "quorum", "stream"])
        ),
        (
            Just("x-overflow"),
            text(vec!["drop-head", "reject-publish", "reject-publish-dlx"])
        ),
        (Just("x-dead-letter-strategy"), text(vec!["at-least-once"])),
        (
            Just("x-single-active-consumer"),
            any::<bool>().prop_map(AMQPValue::Boolean)
        ),
        (Just("alternate-exchange"), text(vec!["x", "amq.fanout"])),
    ];
    prop::collection::vec(argument, 0..4).prop_map(|pairs| {
        let mut table = FieldTable::default();
        for (key, value) in pairs {
            table.insert(key.into(), value);
        }
        table
    })
}

fn queue_method() -> impl Strategy<Value = AMQPClass> {
    (
        name(),
        name(),
        name(),
        arguments(),
        any::<[bool; 5]>(),
        0..5_u8,
    )
        .prop_map(|(queue, exchange, routing_key, arguments, flags, kind)| {
            let (queue, routing_key) = (queue.as_str().into(), routing_key.as_str().into());
            let exchange = exchange.as_str().into();
            let [passive, durable, exclusive, auto_delete, nowait] = flags;
            use queue::AMQPMethod as Method;
            AMQPClass::Queue(match kind {
                0 | 1 => Method::Declare(queue::Declare {
                    queue,
                    passive: passive && kind == 0,
                    durable,
                    exclusive,
                    auto_delete,
                    nowait,
                    arguments,
                }),
                2 => Method::Bind(queue::Bind {
                    queue,
                    exchange,
                    routing_key,
                    nowait,
                    arguments: FieldTable::default(),
                }),
                3 => Method::Delete(queue::Delete {
                    queue,
                    if_unused: passive,
                    if_empty: durable,
                    nowait,
                }),
                _ => Method::Purge(queue::Purge { queue, nowait }),
            })
        })
}

fn basic_method() -> impl Strategy<Value = AMQPClass> {
    (name(), 0..12_u64, any::<[bool; 4]>(), 0..9_u8).prop_map(|(name, tag, flags, kind)| {
        let [multiple, requeue, no_ack, nowait] = flags;
        use basic::AMQPMethod as Method;
        let queue = name.as_str().into();
        AMQPClass::Basic(match kind {
            0 | 1 => Method::Ack(basic::Ack {
                delivery_tag: tag,
                multiple,
            }),
            2 => Method::Nack(basic::Nack {
                delivery_tag: tag,
                multiple,
                requeue,
            }),
            3 => Method::Reject(basic::Reject {
                delivery_tag: tag,
                requeue,
            }),
            4 | 5 => Method::Consume(basic::Consume {
                queue,
                consumer_tag: if multiple { "".into() } else { "t".into() },
                no_local: false,
                no_ack,
                exclusive: requeue && multiple,
                nowait,
                arguments: FieldTable::default(),
            }),
            6 => Method::Cancel(basic::Cancel {
                consumer_tag: "t".into(),
                nowait,
            }),
            7 => Method::Get(basic::Get { queue, no_ack }),
            _ => Method::Qos(basic::Qos {
                prefetch_count: u16::try_from(tag).unwrap_or(0),
                global: multiple,
            }),
        })
    })
}

fn other_method() -> impl Strategy<Value = AMQPClass> {
    (name(), name(), any::<bool>(), 0..10_u8).prop_map(|(one, two, flag, kind)| match kind {
        0 => AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})),
        1 => AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})),
        2 => AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select {
            nowait: flag,
        })),
        3 => AMQPClass::Tx(tx::AMQPMethod::Select(tx::Select {})),
        4 => AMQPClass::Tx(tx::AMQPMethod::Commit(tx::Commit {})),
        5 => AMQPClass::Tx(tx::AMQPMethod::Rollback(tx::Rollback {})),
        6 => AMQPClass::Basic(basic::AMQPMethod::Recover(basic::Recover { requeue: flag })),
        7 => AMQPClass::Exchange(exchange::AMQPMethod::Declare(exchange::Declare {
            exchange: one.as_str().into(),
            kind: if flag {
                "fanout".into()
            } else {
                "topic".into()
            },
            passive: false,
            durable: flag,
            auto_delete: !flag,
            internal: false,
            nowait: false,
            arguments: FieldTable::default(),
        })),
        8 => AMQPClass::Exchange(exchange::AMQPMethod::Bind(exchange::Bind {
            destination: one.as_str().into(),
            source: two.as_str().into(),
            routing_key: "#".into(),
            nowait: flag,
            arguments: FieldTable::default(),
        })),
        _ => AMQPClass::Exchange(exchange::AMQPMethod::Delete(exchange::Delete {
            exchange: one.as_str().into(),
            if_unused: flag,
            nowait: !flag,
        })),
    })
}

fn step() -> impl Strategy<Value = Step> {
    let channel = prop_oneof![4 => Just(1_u16), 1 => 0..4_u16];
    let body = prop::collection::vec(any::<u8>(), 0..40);
    let raw = (
        0..10_u8,
        0..3_u16,
        prop::collection::vec(any::<u8>(), 0..60),
    );
    prop_oneof![
        6 => (channel.clone(), queue_method()).prop_map(|(at, method)| Step::Method(at, method)),
        8 => (channel.clone(), basic_method()).prop_map(|(at, method)| Step::Method(at, method)),
        3 => (channel, other_method()).prop_map(|(at, method)| Step::Method(at, method)),
        10 => (name(), body, prop::option::of(0..9_u16)).prop_map(|(queue, body, expiration)| {
            Step::Publish { queue, body, expiration }
        }),
        1 => raw.prop_map(|(kind, channel, payload)| Step::Raw { kind, channel, payload }),
        3 => (0..10_u64).prop_map(Step::Wait),
        2 => Just(Step::Drained),
        1 => Just(Step::Reconnect),
        1 => Just(Step::Crash),
    ]
}

fn perform(world: &mut World, client: &mut ConnectionId, step: Step) {
    match step {
        Step::Method(channel, method) => world.method(*client, channel, method),
        Step::Publish {
            queue,
            body,
            expiration,
        } => {
            let mut properties = amq_protocol::protocol::BasicProperties::default();
            if let Some(expiration) = expiration {
                properties = properties.with_expiration(expiration.to_string().into());
            }
            let body = String::from_utf8_lossy(&body);
            world.publish_with(*client, &queue, &body, &properties);
        }
        Step::Raw {
            kind,
            channel,
            payload,
        } => world.frame(*client, kind, channel, payload),
        Step::Wait(millis) => world.pass(Duration::from_millis(millis)),
        Step::Drained => world.engine.drained(*client, world.now),
        Step::Reconnect => {
            world.engine.disconnected(*client, world.now);
            *client = world.client();
        }
        Step::Crash => {
            world.engine.crash(world.now);
            *client = world.client();
        }
    }
}

/// Every connection that was told to close is also hung up on or waited for, and every queue
/// counts what is really there.
fn check(world: &mut World) {
    let view = world.engine.view();
    for queue in &view.queues {
        let Some(messages) = world.engine.messages(&queue.name) else {
            continue;
        };
        let unacked = messages.iter().filter(|message| message.unacked).count();
        assert!(unacked <= queue.unacked, "{queue:?}");
        assert_eq!(messages.len() - unacked, queue.ready, "{queue:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_methods_leaves_a_sound_broker(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        let mut client = world.client();
        let mut other = world.client();
        for (at, step) in steps.into_iter().enumerate() {
            let who = if at % 3 == 0 { &mut other } else { &mut client };
            perform(&mut world, who, step);
            world.sent();
            check(&mut world);
        }
        for client in [client, other] {
            world.engine.disconnected(client, world.now);
        }
        let left: Vec<_> = world.engine.connections.keys().copied().collect();
        for client in left {
            world.engine.disconnected(client, world.now);
        }
        world.sent();
        assert!(world.engine.is_deserted());
    }

    /// A good conversation with some bytes wrong.
    #[test]
    fn mutated_frames_end_the_connection_or_do_no_harm(
        steps in prop::collection::vec(step(), 1..20),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = Vec::new();
        for step in steps {
            if let Step::Method(channel, method) = step {
                encode(&Output::Method(channel, method), 0, &mut bytes);
            }
        }
        prop_assume!(!bytes.is_empty());
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let mut world = World::new();
        let client = world.client();
        let mut reader = FrameReader::new(131_072);
        reader.buffer().extend_from_slice(b"AMQP\0\0\x09\x01");
        assert!(matches!(reader.next(), Ok(Some(Input::Header(_)))));
        reader.buffer().extend_from_slice(&bytes);
        loop {
            match reader.next() {
                Ok(Some(input)) => world.engine.input(client, input, world.now),
                Ok(None) => break,
                Err(error) => {
                    world.engine.broken(client, &error, world.now);
                    assert!(is_ending(&mut world));
                    break;
                }
            }
        }
        world.engine.disconnected(client, world.now);
        world.sent();
        assert!(world.engine.is_deserted());
    }

    /// Frames of nothing but noise, in every stage of the handshake.
    #[test]
    fn noise_before_the_handshake_is_answered(
        frames in prop::collection::vec(
            (0..10_u8, 0..3_u16, prop::collection::vec(any::<u8>(), 0..40)), 1..10,
        ),
        greeted in any::<bool>(),
    ) {
        let mut world = World::new();
        let client = world.engine.connected("noise".to_owned(), world.now);
        if greeted {
            world.engine.input(client, Input::Header(*b"AMQP\0\0\x09\x01"), world.now);
        }
        for (kind, channel, payload) in frames {
            let frame = Frame { kind, channel, payload: Bytes::from(payload) };
            world.engine.input(client, Input::Frame(frame), world.now);
        }
        world.engine.disconnected(client, world.now);
        world.sent();
        assert!(world.engine.is_deserted());
    }
}

/// Whether a connection was closed by the last step, in words and in deed.
fn is_ending(world: &mut World) -> bool {
    let mut effects = Vec::new();
    world.engine.take_effects(&mut effects);
    effects.iter().any(|effect| match effect {
        Effect::Closing(_) | Effect::Hangup(_) => true,
        Effect::Send(_, Output::Method(0, AMQPClass::Connection(method))) => {
            matches!(method, connection::AMQPMethod::Close(_))
        }
        _ => false,
    })
}
