//! Bodies and headers of every size, up to the largest.

use garenne_core::reader::{BODY_MAX, HEADER_MAX, Message, ReadError};

use super::seen::{Seen, cut, read, read_at_once};
use super::stream::{Content, HEADER, HEARTBEAT, METHOD, Step, Stream, delivery, frame, header};

fn started() -> Vec<u8> {
    Stream::started().bytes
}

/// A delivery of which the method alone has come.
fn begun(channel: u16) -> Vec<u8> {
    let content = Content {
        channel,
        ..delivery(1, b"")
    };
    [started(), content.method()].concat()
}

fn only_message(seen: &[Seen]) -> &Message {
    match seen {
        [Seen::Frame(_), Seen::Delivered(_, message)] => message,
        other => panic!("{} events", other.len()),
    }
}

fn frame_head(kind: u8, channel: u16, size: u32) -> Vec<u8> {
    [&[kind][..], &channel.to_be_bytes(), &size.to_be_bytes()].concat()
}

#[test]
fn a_body_in_a_thousand_frames_comes_whole() {
    let part = |n: u16| n.to_be_bytes().repeat(usize::from(n) % 90);
    let content = Content {
        parts: (1..=1_000).map(part).collect(),
        ..delivery(1, b"")
    };
    let mut stream = Stream::started();
    stream.step(1, Step::Content(content));
    stream.step(1, Step::Content(delivery(2, b"behind it")));
    let whole = stream.check();
    for lengths in [&[1][..], &[4096], &[7, 13, 511]] {
        assert_eq!(read(cut(&stream.bytes, lengths)), (whole.clone(), None));
    }
}

#[test]
fn a_message_without_a_body_comes_with_its_header() {
    let mut stream = Stream::started();
    for tag in 1..4 {
        stream.step(
            1,
            Step::Content(Content {
                parts: Vec::new(),
                ..delivery(tag, b"")
            }),
        );
    }
    assert_eq!(stream.check().len(), 4);
}

#[test]
fn frames_without_a_byte_of_the_body_do_no_harm() {
    let empty = Vec::new;
    let content = Content {
        parts: vec![empty(), b"a".to_vec(), empty(), empty(), b"b".to_vec()],
        ..delivery(1, b"")
    };
    let mut stream = Stream::started();
    stream.step(1, Step::Content(content));
    let whole = stream.check();
    assert_eq!(read(stream.bytes.chunks(1)), (whole, None));
}

#[test]
fn a_frame_larger_than_any_that_was_negotiated_is_read() {
    let mut stream = Stream::started();
    let content = Content {
        properties: vec![7; 300_000],
        ..delivery(1, &vec![9; 5_000_000])
    };
    stream.step(1, Step::Content(content));
    stream.step(1, Step::Content(delivery(2, b"a small one behind it")));
    let whole = stream.check();
    assert_eq!(read(stream.bytes.chunks(65_536)), (whole, None));
}

#[test]
fn a_header_of_16_mib_is_read_and_one_byte_more_is_an_error_that_names_the_channel() {
    const FIXED: usize = 2 + 2 + 8;
    let properties = vec![0x55; HEADER_MAX - FIXED];
    let largest = [begun(7), header(7, 0, &properties)].concat();
    let (seen, error) = read(largest.chunks(65_536));
    assert_eq!(error, None);
    assert!(only_message(&seen).properties() == properties);

    let size = u32::try_from(HEADER_MAX + 1).unwrap();
    let larger = [begun(7), frame_head(HEADER, 7, size)].concat();
    let error = read_at_once(&larger).1.unwrap();
    let expected = ReadError::TooLarge {
        channel: 7,
        what: "header",
        size: size.into(),
        most: HEADER_MAX as u64,
    };
    assert_eq!(error, expected);
    assert_eq!(error.channel(), Some(7));
    let text = error.to_string();
    assert!(
        text.contains("header of 16777217 bytes on channel 7"),
        "{text}"
    );
}

#[test]
fn a_body_of_more_than_512_mib_is_an_error_before_it_comes() {
    let announced = |size| [begun(3), header(3, size, &[0, 0])].concat();
    assert_eq!(read_at_once(&announced(BODY_MAX)).1, None);
    for size in [BODY_MAX + 1, u64::MAX] {
        let expected = ReadError::TooLarge {
            channel: 3,
            what: "body",
            size,
            most: BODY_MAX,
        };
        assert_eq!(read_at_once(&announced(size)).1, Some(expected));
    }
}

#[test]
fn a_method_or_a_heartbeat_of_64_kib_is_the_clients_and_one_byte_more_is_an_error() {
    const MOST: usize = 64 * 1024;
    for kind in [METHOD, HEARTBEAT] {
        let largest = frame(kind, 5, &vec![99; MOST]);
        let (seen, error) = read_at_once(&[started(), largest.clone()].concat());
        assert_eq!((seen.last(), error), (Some(&Seen::Frame(largest)), None));

        let size = u32::try_from(MOST + 1).unwrap();
        let larger = [started(), frame_head(kind, 5, size)].concat();
        let expected = ReadError::TooLarge {
            channel: 5,
            what: "method",
            size: size.into(),
            most: MOST as u64,
        };
        assert_eq!(read_at_once(&larger).1, Some(expected));
    }
}

#[test]
fn a_small_message_keeps_no_memory_but_its_own() {
    // It comes in one piece with a large one on each side.
    let large = |tag| delivery(tag, &vec![1; 300_000]);
    let mut stream = Stream::started();
    stream.step(1, Step::Content(large(1)));
    stream.step(1, Step::Content(delivery(2, b"small")));
    stream.step(1, Step::Content(large(3)));
    for pieces in [vec![&stream.bytes[..]], cut(&stream.bytes, &[65_536])] {
        for seen in read(pieces).0 {
            if let Seen::Delivered(_, message) = seen {
                assert_eq!(message.body.capacity(), message.body.len());
            }
        }
    }
}
