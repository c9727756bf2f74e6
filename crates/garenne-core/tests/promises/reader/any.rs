//! Brokers that do anything a broker may do.

use proptest::prelude::*;

use super::stream::{Carrier, Content, Step, Stream};

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=most)
}

/// A part of a body. Each byte says where it stands.
fn part(most: usize) -> impl Strategy<Value = Vec<u8>> {
    (0..=most, any::<u8>()).prop_map(|(length, first)| {
        let steps = (0..=250_u8).cycle().take(length);
        steps.map(|step| first.wrapping_add(step)).collect()
    })
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![9 => bytes(12), 1 => bytes(255)]
}

fn carrier() -> impl Strategy<Value = Carrier> {
    prop_oneof![
        4 => (name(), any::<u64>(), any::<bool>()).prop_map(|(consumer, tag, redelivered)| {
            Carrier::Deliver { consumer, tag, redelivered }
        }),
        1 => (any::<u64>(), any::<bool>(), any::<u32>()).prop_map(|(tag, redelivered, left)| {
            Carrier::GetOk { tag, redelivered, left }
        }),
        1 => (any::<u16>(), "\\PC{0,20}").prop_map(|(code, text)| Carrier::Return { code, text }),
    ]
}

prop_compose! {
    /// A message with a body in up to four frames, of up to so many bytes each; some are empty.
    fn content(channel: u16, most: usize)(
        carrier in carrier(),
        exchange in name(),
        routing_key in name(),
        properties in bytes(40),
        parts in prop::collection::vec(part(most), 0..4),
    ) -> Content {
        let mut parts = parts;
        // What comes behind the last byte of a body belongs to no message.
        while parts.last().is_some_and(Vec::is_empty) {
            parts.pop();
        }
        Content { channel, carrier, exchange, routing_key, properties, parts }
    }
}

fn step(channel: u16, part: usize) -> impl Strategy<Value = Step> {
    let content = move || content(channel, part);
    prop_oneof![
        8 => content().prop_map(Step::Content),
        1 => (content(), 0..5_usize, any::<u16>(), "\\PC{0,20}")
            .prop_map(|(content, count, code, text)| Step::CutOff(content, count, code, text)),
        2 => (any::<u64>(), any::<bool>(), any::<bool>())
            .prop_map(|(tag, multiple, taken)| Step::Confirm(tag, multiple, taken)),
        1 => name().prop_map(Step::Cancel),
        1 => name().prop_map(Step::CancelOk),
        1 => (any::<u16>(), "\\PC{0,20}").prop_map(|(code, text)| Step::Close(code, text)),
        1 => Just(Step::CloseOk),
        1 => Just(Step::Heartbeat),
        2 => (prop::sample::select(OTHERS), bytes(30))
            .prop_map(|((class, method), arguments)| Step::Other(class, method, arguments)),
    ]
}

/// Methods that are the client's alone: tune, open-ok, blocked, declare-ok, consume-ok, get-empty,
/// select-ok, and one that AMQP does not know.
const OTHERS: &[(u16, u16)] = &[
    (10, 30),
    (10, 41),
    (10, 60),
    (20, 11),
    (50, 11),
    (60, 21),
    (60, 72),
    (85, 11),
    (999, 7),
];

/// The connection of a broker that does everything that brokers do, on up to four channels.
pub(crate) fn stream(part: usize) -> impl Strategy<Value = Stream> {
    let steps = move |channel| prop::collection::vec(step(channel, part), 0..6);
    let channels = [steps(1), steps(2), steps(3), steps(4)].prop_map(Vec::from);
    let turns = prop::collection::vec(any::<usize>(), 1..24);
    let end = prop::option::of((any::<u16>(), "\\PC{0,20}"));
    (channels, turns, end).prop_map(|(channels, turns, end)| Stream::of(channels, &turns, end))
}
