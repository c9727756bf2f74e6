//! The frames are the same bytes as those of lapin's encoder.

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, WriteContext, gen_frame};
use amq_protocol::protocol::AMQPClass;
use amq_protocol::protocol::basic::{
    AMQPMethod, AMQPProperties, Ack, Nack, Publish as BasicPublish, gen_properties,
};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::*;

const FRAME_MAX: usize = 4096;

fn encoded(frames: &[AMQPFrame]) -> Vec<u8> {
    let frames = frames.iter().map(|frame| {
        let context = WriteContext::from(Vec::new());
        gen_frame(frame)(context).unwrap().into_inner().0
    });
    frames.collect::<Vec<_>>().concat()
}

fn method(channel: u16, method: AMQPMethod) -> AMQPFrame {
    AMQPFrame::Method(channel, AMQPClass::Basic(method))
}

fn taken(frames: &mut Frames) -> Vec<u8> {
    assert!(!frames.is_empty());
    let pieces: Vec<_> = frames.take().into();
    assert!(frames.is_empty());
    pieces.concat()
}

#[test]
fn acks_and_nacks_are_those_of_the_specification() {
    let mut frames = Frames::default();
    let mut expected = Vec::new();
    for (channel, tag) in [
        (1, 1),
        (0x1234, u64::MAX),
        (u16::MAX, 0x0102_0304_0506_0708),
    ] {
        for multiple in [false, true] {
            Frames::ack(&mut frames, channel, tag, multiple);
            let delivery_tag = tag;
            expected.push(method(
                channel,
                AMQPMethod::Ack(Ack {
                    delivery_tag,
                    multiple,
                }),
            ));
        }
        frames.requeue(channel, tag);
        frames.give_back_all(channel);
        for (delivery_tag, multiple) in [(tag, false), (0, true)] {
            let nack = Nack {
                delivery_tag,
                multiple,
                requeue: true,
            };
            expected.push(method(channel, AMQPMethod::Nack(nack)));
        }
    }
    assert_eq!(taken(&mut frames), encoded(&expected));
}

fn properties() -> AMQPProperties {
    let mut headers = FieldTable::default();
    headers.insert("retry_nums".into(), AMQPValue::LongLongInt(3));
    headers.insert("x".into(), AMQPValue::LongString("y".into()));
    AMQPProperties::default()
        .with_content_type("application/json".into())
        .with_headers(headers)
        .with_delivery_mode(2)
        .with_message_id("m-1".into())
}

/// The bytes of lapin's encoder for a message.
fn expected(publish: Publish<'_>, properties: AMQPProperties) -> Vec<u8> {
    let text = |name: &[u8]| str::from_utf8(name).unwrap().into();
    let begin = BasicPublish {
        exchange: text(publish.exchange),
        routing_key: text(publish.routing_key),
        mandatory: publish.mandatory,
        immediate: false,
    };
    let header = AMQPContentHeader {
        class_id: 60,
        body_size: publish.body.len() as u64,
        properties,
    };
    let bodies = publish.body.chunks(FRAME_MAX - 8);
    let frames = [
        method(9, AMQPMethod::Publish(begin)),
        AMQPFrame::Header(9, header),
    ];
    let bodies = bodies.map(|body| AMQPFrame::Body(9, body.to_vec()));
    encoded(&frames.into_iter().chain(bodies).collect::<Vec<_>>())
}

#[test]
fn messages_of_every_size_are_those_of_the_specification() {
    let properties = properties();
    let written = gen_properties(&properties)(WriteContext::from(Vec::new()));
    let written = written.unwrap().into_inner().0;
    let longest = [b'k'; 255];
    let names: [(&[u8], &[u8]); 3] = [(b"", b"orders"), (b"events", b""), (&longest, &longest)];
    for size in [0, 1, 4087, 4088, 4089, 2 * 4088, 2 * 4088 + 1, 100_000] {
        let body = Bytes::from((0..=255).cycle().take(size).collect::<Vec<u8>>());
        for (mandatory, (exchange, routing_key)) in [false, true].into_iter().cycle().zip(names) {
            let message = Publish {
                exchange,
                routing_key,
                mandatory,
                properties: &written,
                body: &body,
            };
            let mut frames = Frames::default();
            frames.publish(9, message, FRAME_MAX);
            assert!(
                taken(&mut frames) == expected(message, properties.clone()),
                "{size}"
            );
        }
    }
}

#[test]
fn a_large_body_is_handed_over_without_a_copy() {
    let body = Bytes::from(vec![7; 100_000]);
    let message = Publish {
        exchange: b"",
        routing_key: b"q",
        mandatory: true,
        properties: &[0, 0],
        body: &body,
    };
    let mut frames = Frames::default();
    frames.publish(1, message, 131_072);
    frames.requeue(1, 1);
    let pieces = frames.take();
    assert_eq!(pieces.len(), 3);
    assert_eq!(pieces[1].as_ptr(), body.as_ptr());
}

#[test]
fn what_is_put_back_comes_first_again() {
    let mut frames = Frames::default();
    frames.put(b"one");
    let unwritten = frames.take();
    frames.put(b"two");
    frames.put_back(unwritten);
    frames.put(b"three");
    assert_eq!(taken(&mut frames), b"onetwothree");
    frames.put(b"four");
    frames.put_back(VecDeque::new());
    assert_eq!(taken(&mut frames), b"four");
}
