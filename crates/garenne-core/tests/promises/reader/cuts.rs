//! Where the socket cuts the bytes makes no difference.

use proptest::prelude::*;

use super::any::stream;
use super::seen::{assert_same, cut, read, read_at_once};
use super::stream::{Content, Stream, delivery};

#[test]
fn a_stream_cut_at_any_byte_says_the_same() {
    proptest!(ProptestConfig::with_cases(48), |(stream in stream(6))| {
        let whole = (stream.check(), None);
        for at in 0..stream.bytes.len() {
            let (front, back) = stream.bytes.split_at(at);
            assert_same(&read([front, back]), &whole);
        }
    });
}

#[test]
fn a_stream_that_comes_byte_by_byte_says_the_same() {
    proptest!(ProptestConfig::with_cases(128), |(stream in stream(200))| {
        let whole = (stream.check(), None);
        assert_same(&read(stream.bytes.chunks(1)), &whole);
    });
}

#[test]
fn a_stream_in_pieces_of_any_size_says_the_same() {
    let lengths = prop::collection::vec(1..9_000_usize, 1..20);
    proptest!(ProptestConfig::with_cases(128), |(stream in stream(20_000), lengths in lengths)| {
        let whole = (stream.check(), None);
        assert_same(&read(cut(&stream.bytes, &lengths)), &whole);
    });
}

#[test]
fn a_piece_without_bytes_says_nothing() {
    let stream = Stream::started();
    let (front, back) = stream.bytes.split_at(5);
    assert_same(&read([front, b"", back, b""]), &read_at_once(&stream.bytes));
}

#[test]
fn a_stream_that_ends_in_the_middle_of_a_frame_says_what_came_before() {
    let mut stream = Stream::started();
    let contents: Vec<Content> = (1..4).map(|tag| delivery(tag, b"all or nothing")).collect();
    let whole = [
        vec![stream.bytes.clone()],
        contents.iter().map(Content::bytes).collect(),
    ]
    .concat();
    stream.bytes = whole.concat();
    let mut end = 0;
    for (come, part) in whole.iter().enumerate() {
        for more in 0..part.len() {
            let (seen, error) = read_at_once(&stream.bytes[..end + more]);
            assert_eq!(
                (seen.len(), error),
                (come, None),
                "{more} bytes of part {come}"
            );
        }
        end += part.len();
    }
}
