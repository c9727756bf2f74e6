//! Properties that are whatever bytes a producer likes, through everything that looks at them.

use amq_protocol::protocol::{AMQPClass, basic, queue};
use amq_protocol::types::{AMQPValue, FieldTable};
use bytes::Bytes;
use proptest::prelude::*;

use super::client::World;
use crate::engine::ConnectionId;
use crate::wire::{Output, Properties};

/// A world with a queue whose messages die at once, one that counts, and a headers exchange.
fn world() -> (World, ConnectionId) {
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut world = World::new();
    let client = world.client();
    world.declare(client, "q", &[]);
    world.declare(client, "counts", &[("x-queue-type", text("quorum"))]);
    let mortal = [
        ("x-message-ttl", AMQPValue::LongInt(1)),
        ("x-dead-letter-exchange", text("amq.headers")),
        ("x-dead-letter-routing-key", text(&"k".repeat(300))),
    ];
    world.declare(client, "mortal", &mortal);
    world.declare(client, "dead", &[]);
    for (name, value) in [("h", AMQPValue::Void), ("x-death", AMQPValue::LongInt(1))] {
        let mut arguments = FieldTable::default();
        arguments.insert("x-match".into(), text("any-with-x"));
        arguments.insert(name.into(), value);
        arguments.insert("x-first-death-reason".into(), text("expired"));
        let bind = queue::Bind {
            queue: "dead".into(),
            exchange: "amq.headers".into(),
            routing_key: "".into(),
            nowait: true,
            arguments,
        };
        world.method(client, 1, AMQPClass::Queue(queue::AMQPMethod::Bind(bind)));
    }
    world.sent();
    (world, client)
}

/// A publish that comes back when nobody wants it.
fn to(exchange: &str, routing_key: &str) -> basic::Publish {
    basic::Publish {
        exchange: exchange.into(),
        routing_key: routing_key.into(),
        mandatory: true,
        immediate: false,
    }
}

/// The properties of the first message that was sent since the last look.
fn sent(world: &mut World) -> Option<(u64, Bytes)> {
    world.sent().into_iter().find_map(|output| match output {
        Output::Content { properties, .. } => Some((0, properties)),
        Output::Deliver {
            delivery_tag,
            properties,
            ..
        } => Some((delivery_tag, properties)),
        _ => None,
    })
}

fn get(world: &mut World, client: ConnectionId, queue: &str) -> Option<Bytes> {
    world.sent();
    let get = basic::Get {
        queue: queue.into(),
        no_ack: true,
    };
    world.basic(client, basic::AMQPMethod::Get(get));
    sent(world).map(|(_, properties)| properties)
}

/// Headers with one value that nests so deep.
fn nested(depth: usize, kind: u8) -> Vec<u8> {
    let name: &[u8] = if kind == b'F' { b"\x01k" } else { b"" };
    let mut value = Vec::new();
    for inside in (0..depth).rev() {
        value.push(kind);
        let size = inside * (5 + name.len()) + name.len() + 1;
        value.extend_from_slice(&u32::try_from(size).unwrap().to_be_bytes());
        value.extend_from_slice(name);
    }
    value.push(b'V');
    let entries = [&b"\x01h"[..], &value].concat();
    let size = u32::try_from(entries.len()).unwrap().to_be_bytes();
    [&b"\x20\0"[..], &size, &entries].concat()
}

#[test]
fn a_header_of_any_depth_goes_every_way_and_overflows_no_stack() {
    for kind in [b'A', b'F'] {
        let (mut world, client) = world();
        let deep = nested(100_000, kind);
        for queue in ["q", "counts", "mortal"] {
            world.publish_raw(client, to("", queue), "m", &deep);
        }
        world.publish_raw(client, to("amq.headers", ""), "m", &deep);
        world.sent();
        world.publish_raw(client, to("", "nowhere"), "m", &deep);
        assert_eq!(sent(&mut world).unwrap().1, deep);
        assert_eq!(world.waiting("dead"), ["m"]);
        let view = world.engine.messages("q").unwrap().remove(0);
        assert_eq!(view.raw_properties, deep);
        assert!(view.properties.headers().is_some());
        assert_eq!(get(&mut world, client, "q").unwrap(), deep);
        assert_eq!(get(&mut world, client, "dead").unwrap(), deep);

        world.pass(std::time::Duration::from_millis(5));
        assert_eq!(world.waiting("dead"), ["m"]);
        let dead = get(&mut world, client, "dead").unwrap();
        assert!(dead.len() > deep.len());
        let read = Properties::read(dead).unwrap();
        assert!(read.headers().unwrap().first("x-death").is_some());

        world.engine.drained(client, world.now);
        world.consume(client, "counts", 1);
        let (tag, first) = sent(&mut world).unwrap();
        assert_eq!(first, deep);
        world.engine.drained(client, world.now);
        world.requeue(client, tag);
        let (_, again) = sent(&mut world).unwrap();
        assert!(again.len() > deep.len());
    }
}

#[test]
fn what_is_unreadable_is_shown_as_text_of_a_length_that_text_may_have() {
    let (mut world, client) = world();
    let mut app_id = vec![0, 8, 255];
    app_id.extend_from_slice(&[0xe9; 255]);
    world.publish_raw(client, to("", "q"), "m", &app_id);
    let view = world.engine.messages("q").unwrap().remove(0);
    assert_eq!(view.raw_properties, app_id);
    let shown = view.properties.app_id().clone().unwrap();
    assert!(shown.as_str().starts_with("\u{fffd}\u{fffd}"));
}

/// Parts of properties, most of them valid.
fn parts() -> impl Strategy<Value = Vec<u8>> {
    let value = prop::sample::select(vec![
        &b"V"[..],
        b"S\0\0\0\x01\xff",
        b"A\0\0\0\x03S\0\0",
        b"A\0\0\0\x06S\0\0\0\x01q",
        b"A\0\0\0\x0bA\0\0\0\x06S\0\0\0\x01q",
        b"F\0\0\0\x04\x02\xff\xffV",
        b"l\0\0\0\0\0\0\0\x01",
        b"L\0\0\0\0\0\0\0\x01",
        b"f\x7f\xc0\0\0",
        b"D\x02\0\0\0\x01",
        b"?",
    ]);
    let name = prop::sample::select(vec!["h", "CC", "BCC", "x-death", "\u{e9}", ""]);
    let entries = prop::collection::vec((name, value), 0..5).prop_map(|entries| {
        let mut all = Vec::new();
        for (name, value) in entries {
            all.push(u8::try_from(name.len()).unwrap());
            all.extend_from_slice(name.as_bytes());
            all.extend_from_slice(value);
        }
        let mut table = u32::try_from(all.len()).unwrap().to_be_bytes().to_vec();
        table.extend_from_slice(&all);
        table
    });
    let short = || {
        prop::sample::select(vec![
            &b"\0"[..],
            b"\x01\xff",
            b"\x015",
            b"\x02+5",
            b"\x05guest",
            b"\x15amq.rabbitmq.reply-to",
        ])
        .prop_map(<[u8]>::to_vec)
    };
    let octet = any::<u8>().prop_map(|byte| vec![byte]);
    let time = any::<u64>().prop_map(|time| time.to_be_bytes().to_vec());
    let some = |part: BoxedStrategy<Vec<u8>>| prop::option::of(part);
    let front = (
        some(short().boxed()),
        some(short().boxed()),
        some(entries.boxed()),
        some(octet.clone().boxed()),
        some(octet.boxed()),
        some(short().boxed()),
    );
    let back = (
        some(short().boxed()),
        some(short().boxed()),
        some(short().boxed()),
        some(time.boxed()),
        some(short().boxed()),
        some(short().boxed()),
    );
    (front, back).prop_map(|((a, b, c, d, e, f), (g, h, i, j, k, l))| {
        let all = [a, b, c, d, e, f, g, h, i, j, k, l];
        let set = all.iter().enumerate().filter(|(_, part)| part.is_some());
        let flags = set.fold(0_u16, |flags, (at, _)| flags | 0x8000 >> at);
        let mut bytes = flags.to_be_bytes().to_vec();
        bytes.extend(all.into_iter().flatten().flatten());
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Whatever it is, it is refused or kept to the last byte.
    #[test]
    fn any_properties_are_refused_or_kept_as_they_are(
        mut bytes in parts(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in prop::option::of(any::<prop::sample::Index>()),
        place in 0..4_usize,
    ) {
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        let (mut world, client) = world();
        let (exchange, key) = [("", "q"), ("", "counts"), ("", "mortal"), ("amq.headers", "")][place];
        world.publish_raw(client, to(exchange, key), "m", &bytes);
        let queue = if key.is_empty() { "dead" } else { key };
        let messages = world.engine.messages(queue).unwrap_or_default();
        if let Some(message) = messages.first() {
            let read = Properties::read(Bytes::from(bytes.clone()));
            let read = read.expect("what it keeps is valid");
            let is_blind = read.headers().is_some_and(|all| all.first("BCC").is_some());
            if !is_blind {
                assert_eq!(message.raw_properties, bytes);
            }
        }
        world.pass(std::time::Duration::from_millis(10));
        for queue in ["q", "counts", "dead"] {
            for message in world.engine.messages(queue).unwrap_or_default() {
                assert!(Properties::read(message.raw_properties).is_some());
            }
            get(&mut world, client, queue);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Some(read) = Properties::read(Bytes::from(bytes.clone())) {
            assert_eq!(read.bytes(), &bytes);
            read.readable();
            assert!(Properties::read(read.without_expiration().bytes().clone()).is_some());
            assert!(Properties::read(read.with_reply_to("me").bytes().clone()).is_some());
            assert!(Properties::read(read.without_header("a").bytes().clone()).is_some());
        }
    }
}
