//! The order of the events is the order of the bytes.

use garenne_core::reader::{Event, ReadError};

use super::seen::{Seen, read_at_once};
use super::stream::{BODY, Carrier, Content, HEARTBEAT, Step, Stream, delivery, frame, method};

fn on(channel: u16, tag: u64, body: &[u8]) -> Content {
    Content {
        channel,
        ..delivery(tag, body)
    }
}

/// What kind of event it is, in a word and its channel.
fn word(seen: &Seen) -> (&'static str, u16) {
    match seen {
        Seen::Frame(frame) => ("frame", u16::from_be_bytes([frame[1], frame[2]])),
        Seen::Delivered(channel, _) => ("delivered", *channel),
        Seen::Got(channel, _) => ("got", *channel),
        Seen::Returned(channel, _) => ("returned", *channel),
        Seen::Confirmed(channel, ..) => ("confirmed", *channel),
        Seen::ConsumerEnded(channel) => ("consumer ended", *channel),
        Seen::ChannelClosed(channel, ..) => ("channel closed", *channel),
        Seen::ConnectionClosed(..) => ("connection closed", 0),
    }
}

fn words(stream: &Stream) -> Vec<(&'static str, u16)> {
    stream.check().iter().skip(1).map(word).collect()
}

#[test]
fn the_last_delivery_comes_before_the_end_of_its_consumer() {
    for end in [
        Step::Cancel(b"tag".to_vec()),
        Step::CancelOk(b"tag".to_vec()),
    ] {
        let mut stream = Stream::started();
        stream.step(1, Step::Content(delivery(1, b"a")));
        stream.step(2, Step::Content(on(2, 1, b"b")));
        stream.step(1, Step::Content(delivery(2, b"")));
        stream.step(1, end);
        stream.step(2, Step::Content(on(2, 2, b"c")));
        let expected = [
            ("delivered", 1),
            ("delivered", 2),
            ("delivered", 1),
            ("consumer ended", 1),
            ("frame", 1),
            ("delivered", 2),
        ];
        assert_eq!(words(&stream), expected);
    }
}

#[test]
fn what_came_before_the_end_of_a_channel_is_read_before_it() {
    let mut stream = Stream::started();
    stream.step(1, Step::Confirm(1, false, true));
    stream.step(1, Step::Content(delivery(1, b"a")));
    stream.step(1, Step::Close(406, "PRECONDITION_FAILED".into()));
    stream.step(2, Step::Content(on(2, 1, b"b")));
    let expected = [
        ("confirmed", 1),
        ("delivered", 1),
        ("channel closed", 1),
        ("frame", 1),
        ("delivered", 2),
    ];
    assert_eq!(words(&stream), expected);
}

#[test]
fn what_came_before_the_end_of_the_connection_is_read_before_it() {
    let steps = vec![
        Step::Content(delivery(1, b"a")),
        Step::Confirm(9, true, false),
    ];
    let stream = Stream::of(vec![steps], &[0], Some((320, "CONNECTION_FORCED".into())));
    let expected = [
        ("delivered", 1),
        ("confirmed", 1),
        ("connection closed", 0),
        ("frame", 0),
    ];
    assert_eq!(words(&stream), expected);
}

#[test]
fn a_returned_message_comes_before_its_confirm() {
    let mut stream = Stream::started();
    let carrier = Carrier::Return {
        code: 312,
        text: "NO_ROUTE".into(),
    };
    let returned = Content {
        carrier,
        ..delivery(0, b"nobody wants it")
    };
    stream.step(1, Step::Content(returned));
    stream.step(1, Step::Confirm(1, false, true));
    assert_eq!(words(&stream), [("returned", 1), ("confirmed", 1)]);
}

#[test]
fn messages_of_many_channels_come_whole_in_the_order_in_which_they_end() {
    let channels = (1..=200_u16).map(|channel| {
        let parts = vec![channel.to_be_bytes().to_vec(); usize::from(channel % 7)];
        vec![Step::Content(Content {
            parts,
            ..on(channel, channel.into(), b"")
        })]
    });
    let stream = Stream::of(channels.collect(), &[113, 7, 61, 199, 23], None);
    let mut ended: Vec<_> = words(&stream)
        .into_iter()
        .map(|(_, channel)| channel)
        .collect();
    assert!(!ended.is_sorted(), "they did not overtake each other");
    ended.sort_unstable();
    assert_eq!(ended, (1..=200).collect::<Vec<_>>());
}

#[test]
fn a_heartbeat_in_the_middle_of_a_message_is_the_clients() {
    let [method, header, body] = <[Vec<u8>; 3]>::try_from(delivery(1, b"a").frames()).unwrap();
    let beat = frame(HEARTBEAT, 0, &[]);
    let bytes = [
        &Stream::started().bytes,
        &method,
        &beat,
        &header,
        &beat,
        &body,
        &beat,
    ];
    let (seen, error) = read_at_once(&bytes.map(|part| &part[..]).concat());
    assert_eq!(error, None);
    let beats = [("frame", 0); 3];
    assert_eq!(
        seen.iter().skip(1).map(word).collect::<Vec<_>>(),
        [&beats[..2], &[("delivered", 1)], &beats[2..]].concat()
    );
}

#[test]
fn a_message_that_was_cut_off_by_the_end_of_its_channel_never_comes() {
    let frames = Content {
        parts: vec![b"one".to_vec(), b"two".to_vec()],
        ..delivery(1, b"")
    };
    for come in 1..=3 {
        let mut stream = Stream::started();
        let (code, text) = (541, "INTERNAL_ERROR".to_owned());
        stream.step(1, Step::CutOff(frames.clone(), come, code, text));
        stream.step(1, Step::Other(20, 11, vec![0; 4]));
        stream.step(1, Step::Content(delivery(1, b"of the next incarnation")));
        let expected = [
            ("channel closed", 1),
            ("frame", 1),
            ("frame", 1),
            ("delivered", 1),
        ];
        assert_eq!(words(&stream), expected, "after {come} frames");
    }
}

#[test]
fn a_channel_that_we_closed_forgets_its_message_too() {
    let begun = delivery(1, b"never whole").frames()[..2].concat();
    let close_ok = method(1, 20, 41, &[]);
    let stream = [
        Stream::started().bytes,
        begun,
        close_ok,
        delivery(1, b"next").bytes(),
    ];
    let (seen, error) = read_at_once(&stream.concat());
    assert_eq!(error, None);
    assert_eq!(
        seen[1..].iter().map(word).collect::<Vec<_>>(),
        [("frame", 1), ("delivered", 1)]
    );
}

#[test]
fn what_follows_a_message_that_was_cut_off_belongs_to_none() {
    let mut stream = Stream::started();
    stream.step(1, Step::CutOff(delivery(1, b"gone"), 2, 541, String::new()));
    let body = frame(BODY, 1, b"gone");
    let (seen, error) = read_at_once(&[stream.bytes, body].concat());
    assert_eq!(seen.len(), 3);
    assert_eq!(error, Some(ReadError::OutOfTurn { channel: 1 }));
}

#[test]
fn the_frame_that_stands_for_a_message_that_was_got_is_get_empty() {
    for channel in [1, 258, u16::MAX] {
        let frame = method(channel, 60, 72, &[0]);
        assert_eq!(Event::get_empty(channel)[..], frame);
    }
}
