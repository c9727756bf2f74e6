//! Whatever else listens on a port is told from a broker by its first bytes.

use garenne_core::reader::ReadError;
use proptest::prelude::*;

use super::seen::{Seen, cut, read, read_at_once};
use super::stream::{METHOD, frame, method, start};

#[track_caller]
fn assert_stranger(bytes: &[u8]) {
    for pieces in [vec![bytes], bytes.chunks(1).collect(), cut(bytes, &[3, 5])] {
        match read(pieces) {
            (seen, Some(ReadError::NotAmqp { begins })) => {
                assert_eq!(seen, []);
                assert!(!begins.is_empty() && begins.len() <= 16);
                assert!(bytes.starts_with(&begins));
            }
            other => panic!("{other:?} of {}", bytes.escape_ascii()),
        }
    }
}

#[test]
fn other_servers_are_no_brokers() {
    let greetings: [&[u8]; 10] = [
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n",
        // A TLS server that is spoken to without TLS: an alert, and the first of a handshake.
        b"\x15\x03\x03\x00\x02\x02\x46",
        b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03",
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
        // AMQP 1.0, and a broker that wants another version.
        b"AMQP\x00\x01\x00\x00",
        b"AMQP\x00\x00\x09\x01",
        b"AMQP\x03\x01\x00\x00",
        // PostgreSQL, MQTT, Redis.
        b"E\x00\x00\x00\x8cSFATAL\x00VFATAL\x00",
        b"\x20\x02\x00\x05",
        b"-ERR unknown command 'AMQP'\r\n",
    ];
    for greeting in greetings {
        // Some say less before they hang up.
        for length in 1..=greeting.len() {
            assert_stranger(&greeting[..length]);
        }
    }
}

#[test]
fn a_frame_that_no_broker_begins_with_is_a_strangers() {
    let first = [
        frame(METHOD, 1, &start()[7..40]),
        frame(2, 0, &[0; 14]),
        frame(3, 0, b"body"),
        frame(8, 0, b""),
        method(0, 10, 30, &[0; 8]),
        method(0, 60, 60, &[0; 20]),
        frame(METHOD, 0, b""),
        frame(METHOD, 0, b"\0\x0a\0"),
        frame(METHOD, 0, &vec![0; 65_537]),
        b"\x01\0\0\xff\xff\xff\xff".to_vec(),
    ];
    for bytes in first {
        assert_stranger(&bytes);
    }
}

#[test]
fn a_broker_may_begin_with_why_it_does_not() {
    let close = method(0, 10, 50, b"\x02\x12\x0bNOT_ALLOWED\0\0\0\0");
    let (seen, error) = read_at_once(&close);
    assert_eq!(error, None);
    let expected = Seen::ConnectionClosed(530, "NOT_ALLOWED".into());
    assert_eq!(seen, [expected, Seen::Frame(close)]);
}

#[test]
fn the_first_bytes_of_a_broker_are_waited_for() {
    let start = start();
    for length in 0..start.len() {
        assert_eq!(read_at_once(&start[..length]), (Vec::new(), None));
    }
}

#[test]
fn the_error_says_what_to_check_and_shows_nothing_that_a_terminal_obeys() {
    let text = |bytes: &[u8]| read_at_once(bytes).1.unwrap().to_string();
    let http = text(b"HTTP/1.1 400 Bad Request\r\n");
    assert!(
        http.contains("check the port") && http.contains("HTTP"),
        "{http}"
    );
    assert!(text(b"AMQP\0\0\x09\x01").contains("another version"));
    let escape = text(b"\x1b[31m\x07\r\n");
    assert!(!escape.contains(|c: char| c.is_control()), "{escape}");
}

proptest! {
    #[test]
    fn whatever_does_not_begin_like_a_frame_is_a_strangers(
        first in any::<u8>().prop_filter("a method", |first| *first != METHOD),
        rest in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        assert_stranger(&[vec![first], rest].concat());
    }
}
