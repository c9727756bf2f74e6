//! What is no AMQP any more is an error that names the channel, and never a panic.

use garenne_core::reader::ReadError;

use super::seen::{Seen, assert_same, read, read_at_once};
use super::stream::{BODY, Content, HEADER, METHOD, Stream, delivery, frame, header, method};

/// What comes of these frames behind the first one. Where they are cut makes no difference.
#[track_caller]
fn error(frames: &[Vec<u8>]) -> ReadError {
    let bytes = [Stream::started().bytes, frames.concat()].concat();
    let whole = read_at_once(&bytes);
    assert_same(&read(bytes.chunks(1)), &whole);
    assert_same(&read(bytes.chunks(3)), &whole);
    whole.1.expect("an error")
}

fn on(channel: u16, body: &[u8]) -> Content {
    Content {
        channel,
        ..delivery(1, body)
    }
}

fn ends_with(mut frame: Vec<u8>, end: u8) -> Vec<u8> {
    *frame.last_mut().unwrap() = end;
    frame
}

#[test]
fn a_frame_of_an_unknown_type_is_an_error() {
    for kind in [0, 4, 5, 6, 7, 9, 0xCE, 0xFF] {
        let frames = [frame(kind, 2, b"what is it")];
        assert_eq!(error(&frames), ReadError::UnknownFrame { kind, channel: 2 });
    }
}

#[test]
fn a_frame_without_its_end_is_an_error() {
    let expected = ReadError::NoFrameEnd { channel: 4 };
    let [deliver, head, body] = <[Vec<u8>; 3]>::try_from(on(4, b"abc").frames()).unwrap();
    let without = |frame: &Vec<u8>| ends_with(frame.clone(), 0);
    assert_eq!(error(&[without(&deliver)]), expected);
    assert_eq!(error(&[deliver.clone(), without(&head)]), expected);
    assert_eq!(error(&[deliver, head, without(&body)]), expected);
    assert_eq!(error(&[ends_with(method(4, 50, 11, b"x"), 0xCD)]), expected);
    assert_eq!(error(&[ends_with(frame(8, 4, b""), 8)]), expected);
}

#[test]
fn a_body_longer_than_announced_is_an_error() {
    let expected = ReadError::OutOfTurn { channel: 6 };
    let deliver = on(6, b"").method();
    let cases = [
        vec![header(6, 2, &[0, 0]), frame(BODY, 6, b"abc")],
        vec![
            header(6, 4, &[0, 0]),
            frame(BODY, 6, b"abc"),
            frame(BODY, 6, b"de"),
        ],
        vec![header(6, 0, &[0, 0]), frame(BODY, 6, b"a")],
        vec![
            header(6, 1, &[0, 0]),
            frame(BODY, 6, b"a"),
            frame(BODY, 6, b""),
        ],
    ];
    for behind in cases {
        assert_eq!(error(&[vec![deliver.clone()], behind].concat()), expected);
    }
}

#[test]
fn a_part_of_a_message_out_of_its_turn_is_an_error() {
    let expected = ReadError::OutOfTurn { channel: 9 };
    let [deliver, head, body] = <[Vec<u8>; 3]>::try_from(on(9, b"abc").frames()).unwrap();
    let elsewhere = on(8, b"").method();
    let cases: [&[&Vec<u8>]; 7] = [
        // No method.
        &[&head],
        &[&body],
        &[&elsewhere, &head],
        // No header.
        &[&deliver, &body],
        // Two of them.
        &[&deliver, &head, &head],
        &[&deliver, &deliver],
        &[&deliver, &head, &deliver],
    ];
    for frames in cases {
        let frames: Vec<_> = frames.iter().copied().cloned().collect();
        assert_eq!(error(&frames), expected, "{frames:?}");
    }
}

#[test]
fn a_method_in_the_middle_of_a_message_is_an_error() {
    let [deliver, head, _] = <[Vec<u8>; 3]>::try_from(on(9, b"abc").frames()).unwrap();
    let cancels = [method(9, 60, 30, b"\x01t\0"), method(9, 60, 31, b"\x01t")];
    let others = [method(9, 60, 72, &[0]), method(9, 20, 11, &[0; 4])];
    for between in cancels.into_iter().chain(others) {
        let expected = ReadError::OutOfTurn { channel: 9 };
        assert_eq!(error(&[deliver.clone(), between.clone()]), expected);
        assert_eq!(error(&[deliver.clone(), head.clone(), between]), expected);
    }
}

#[test]
fn a_method_that_lacks_arguments_is_an_error_wherever_it_ends() {
    let close = [&[0, 200][..], b"\x02OK", &[0; 4]].concat();
    let methods = [
        (on(1, b"").method(), 0),
        (method(1, 60, 71, &[&[0; 9][..], b"\x01e\x01k"].concat()), 0),
        (method(1, 60, 50, b"\x01\x38\x08NO_ROUTE\x01e\x01k"), 0),
        (method(1, 60, 80, &[0; 9]), 0),
        (method(1, 60, 120, &[0; 9]), 0),
        // Class and method of what caused it are of no interest.
        (method(1, 20, 40, &close), 4),
        (method(0, 10, 50, &close), 4),
    ];
    for (whole, optional) in methods {
        let payload = &whole[7..whole.len() - 1];
        let channel = u16::from_be_bytes([whole[1], whole[2]]);
        for length in 0..payload.len() - optional {
            let cut = frame(METHOD, channel, &payload[..length]);
            assert_eq!(
                error(&[cut]),
                ReadError::BrokenMethod { channel },
                "{length} of {payload:?}"
            );
        }
    }
}

#[test]
fn a_header_that_is_cut_or_of_another_class_is_an_error() {
    let expected = ReadError::BrokenMethod { channel: 1 };
    let deliver = on(1, b"").method();
    let whole = [&[0, 60, 0, 0][..], &1_u64.to_be_bytes()].concat();
    for length in 0..whole.len() {
        let cut = frame(HEADER, 1, &whole[..length]);
        assert_eq!(error(&[deliver.clone(), cut]), expected, "{length} bytes");
    }
    let of_channels = frame(HEADER, 1, &[&[0, 20, 0, 0][..], &[0; 10]].concat());
    assert_eq!(error(&[deliver, of_channels]), expected);
}

#[test]
fn a_header_without_flags_is_a_message_without_properties() {
    let bytes = [
        Stream::started().bytes,
        on(1, b"").method(),
        header(1, 0, &[]),
    ]
    .concat();
    match &read_at_once(&bytes) {
        (seen, None) => match &seen[1] {
            Seen::Delivered(1, message) => assert_eq!(message.properties(), b""),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn words_of_the_broker_that_are_no_text_are_shown_as_far_as_they_are() {
    let close = method(2, 20, 40, b"\x01\x94\x05caf\xe9!\0\0\0\0");
    let (seen, error) = read_at_once(&[Stream::started().bytes, close].concat());
    assert_eq!(error, None);
    assert_eq!(seen[1], Seen::ChannelClosed(2, 404, "caf\u{fffd}!".into()));
}

#[test]
fn what_came_before_the_error_is_read() {
    let good = on(1, b"good").bytes();
    let bytes = [Stream::started().bytes, good, frame(4, 1, b"")].concat();
    for (seen, error) in [read_at_once(&bytes), read(bytes.chunks(1))] {
        assert_eq!(seen.len(), 2);
        assert!(error.is_some());
    }
}
