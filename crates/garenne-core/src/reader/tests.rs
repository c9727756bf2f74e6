//! How much memory a reader holds. The tests in `tests/promises` show its events through its public API.

use super::*;

/// Less than any length that is announced here, and more than a small message needs.
const LITTLE: usize = 200 * 1024;

fn held(reader: &Reader) -> usize {
    reader.partial.capacity() + reader.contents.held()
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap();
    [&head(kind, channel, size), payload, &[FRAME_END]].concat()
}

fn head(kind: u8, channel: u16, size: u32) -> Vec<u8> {
    [&[kind][..], &channel.to_be_bytes(), &size.to_be_bytes()].concat()
}

fn deliver(channel: u16) -> Vec<u8> {
    let class_and_method = [0, 60, 0, 60];
    let arguments = [&[0][..], &7_u64.to_be_bytes(), &[0, 0, 1, b'q']].concat();
    frame(
        METHOD,
        channel,
        &[&class_and_method[..], &arguments].concat(),
    )
}

fn header(channel: u16, size: u64, properties: &[u8]) -> Vec<u8> {
    let payload = [&[0, 60, 0, 0][..], &size.to_be_bytes(), properties].concat();
    frame(HEADER, channel, &payload)
}

/// A reader behind the first frame of a connection.
fn begun() -> Reader {
    let mut reader = Reader::new();
    read(&mut reader, &frame(METHOD, 0, &[0, 10, 0, 10, 0, 9]));
    reader
}

/// Returns how many events there were.
fn read(reader: &mut Reader, bytes: &[u8]) -> usize {
    let mut events = 0;
    reader.read(bytes, &mut |_| events += 1).unwrap();
    events
}

#[test]
fn a_header_that_announces_16_mib_takes_what_has_come_of_it() {
    let mut reader = begun();
    read(&mut reader, &deliver(1));
    let size = u32::try_from(HEADER_MAX).unwrap();
    read(
        &mut reader,
        &[&head(HEADER, 1, size), &[0; 10][..]].concat(),
    );
    assert!(held(&reader) < LITTLE, "{}", held(&reader));
}

#[test]
fn a_body_that_announces_512_mib_takes_what_has_come_of_it() {
    let mut reader = begun();
    read(
        &mut reader,
        &[deliver(1), header(1, BODY_MAX, &[0, 0])].concat(),
    );
    assert!(held(&reader) < LITTLE, "{}", held(&reader));
    let size = u32::try_from(BODY_MAX).unwrap();
    read(&mut reader, &[&head(BODY, 1, size), &[0; 10][..]].concat());
    assert!(held(&reader) < LITTLE, "{}", held(&reader));
}

#[test]
fn a_method_that_announces_64_kib_takes_what_has_come_of_it() {
    let mut reader = begun();
    read(
        &mut reader,
        &[&head(METHOD, 1, 65_536), &[0; 10][..]].concat(),
    );
    assert!(held(&reader) < 1024, "{}", held(&reader));
}

#[test]
fn a_message_takes_at_most_twice_what_has_come_of_it_and_64_kib() {
    let payload = vec![3; 1_000];
    let body = frame(BODY, 1, &payload);
    let frames = 5_000;
    for size in [payload.len() as u64 * frames, BODY_MAX] {
        let mut reader = begun();
        read(
            &mut reader,
            &[deliver(1), header(1, size, &[0, 0])].concat(),
        );
        let mut events = 0;
        for come in 1..frames {
            for piece in body.chunks(700) {
                events += read(&mut reader, piece);
            }
            let come = usize::try_from(come).unwrap() * payload.len();
            let held = held(&reader);
            assert!(held < 2 * come + 65_536 + 1_024, "{held} for {come}");
        }
        assert_eq!(events, 0);
    }
}

#[test]
fn a_header_takes_at_most_twice_what_has_come_of_it_and_nothing_behind_it() {
    let mut reader = begun();
    read(&mut reader, &deliver(1));
    let bytes = header(1, 0, &vec![5; 3_000_000]);
    let mut come = 0;
    let mut events = 0;
    for piece in bytes.chunks(10_000) {
        events += read(&mut reader, piece);
        come += piece.len();
        assert!(
            held(&reader) < 2 * come + LITTLE,
            "{} for {come}",
            held(&reader)
        );
    }
    assert_eq!(events, 1);
    assert!(held(&reader) < 1_024, "{}", held(&reader));
}

#[test]
fn a_reader_between_messages_holds_less_than_the_largest_method() {
    let mut reader = begun();
    let large = frame(METHOD, 0, &[9; 60_000]);
    let message = [
        deliver(1),
        header(1, 300_000, &[0; 200]),
        frame(BODY, 1, &[1; 300_000]),
    ]
    .concat();
    for piece in [large, message].concat().chunks(999) {
        read(&mut reader, piece);
    }
    assert!(held(&reader) <= METHOD_MAX + 1_024, "{}", held(&reader));
}

#[test]
fn a_message_that_is_cut_off_leaves_nothing() {
    let mut reader = begun();
    let begun = [
        deliver(1),
        header(1, 300_000, &[0; 200]),
        frame(BODY, 1, &[1; 200_000]),
    ];
    read(&mut reader, &begun.concat());
    assert!(held(&reader) > 200_000);
    read(
        &mut reader,
        &frame(METHOD, 1, &[0, 20, 0, 40, 2, 29, 0, 0, 0, 0, 0]),
    );
    assert!(held(&reader) < 1_024, "{}", held(&reader));
}
