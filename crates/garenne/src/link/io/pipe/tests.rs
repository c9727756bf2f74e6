//! The bytes that lapin writes and reads, cut at any position.

use super::super::scripted::{Sleeper, Socket, whole_frames};
use super::*;

const PLENTY: usize = usize::MAX / 2;
const HEADER: &[u8] = b"AMQP\0\0\x09\x01";
/// A frame of another writer.
const BEAT: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, 0xCE];

fn method(channel: u8, class: u8, number: u8, arguments: &[u8]) -> Vec<u8> {
    let size = u8::try_from(4 + arguments.len()).unwrap();
    let head = [1, 0, channel, 0, 0, 0, size, 0, class, 0, number];
    [&head, arguments, &[0xCE]].concat()
}

fn tune(number: u8, frame_max: u32) -> Vec<u8> {
    let arguments = [&[7, 255][..], &frame_max.to_be_bytes(), &[0, 10]].concat();
    method(0, 10, number, &arguments)
}

fn pipe(out: &Arc<Out>, wanted: Option<u32>) -> Pipe {
    Pipe::new(
        Arc::default(),
        Arc::clone(out),
        Arc::new(FrameMax::new(wanted)),
        Login::plain("app", "s3cret"),
    )
}

/// `connection.start-ok`, with a table, a mechanism, an answer and a locale.
fn start_ok(answer: &[u8]) -> Vec<u8> {
    let length = [0, 0, 0, u8::try_from(answer.len()).unwrap()];
    let arguments = [
        b"\0\0\0\x04\x01at\0\x05PLAIN",
        &length[..],
        answer,
        b"\x05en_US",
    ];
    method(0, 10, 11, &arguments.concat())
}

#[test]
fn lapin_logs_in_without_the_password() {
    let (socket, out) = Socket::with_room(PLENTY);
    let mut pipe = pipe(&out, None);
    let secure_ok = method(0, 10, 21, b"\0\0\0\0");
    write(
        &mut pipe,
        &[HEADER, &start_ok(b"\0app\0"), &secure_ok].concat(),
    );
    let written = [HEADER, &start_ok(b"\0app\0s3cret"), &secure_ok].concat();
    assert_eq!(socket.written(), written);
    assert!(pipe.login.is_none(), "it is not kept");
    // Frames that lapin never writes are left unchanged.
    for cut in 0..start_ok(b"\0app\0").len() {
        let frame = &start_ok(b"\0app\0")[..cut];
        let put = Login::plain("a", "b").put_into(frame);
        assert!(put.is_none_or(|put| put.len() < cut + 4));
    }
}

fn write(pipe: &mut Pipe, bytes: &[u8]) {
    let cx = &mut Context::from_waker(Waker::noop());
    match Pin::new(pipe).poll_write(cx, bytes) {
        Poll::Ready(Ok(written)) => assert_eq!(written, bytes.len()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn lapins_frames_are_whole_and_in_order_wherever_it_cuts_them() {
    let said = [
        HEADER.to_vec(),
        start_ok(b"\0app\0"),
        tune(31, LAPINS_FRAME_MAX),
        method(1, 20, 10, &[0]),
        method(1, 50, 10, b"a queue"),
    ];
    let agreed = tune(31, 60_000);
    let logged_in = start_ok(b"\0app\0s3cret");
    let expected = [&logged_in, &agreed, &said[3], &said[4]];
    let bytes = said.concat();
    for first in 1..=bytes.len() {
        for length in [first, 1, 5] {
            let (socket, out) = Socket::with_room(PLENTY);
            let mut pipe = pipe(&out, Some(60_000));
            pipe.frame_max.heard(&mut tune(30, 131_072));
            let (front, back) = bytes.split_at(first);
            for piece in [front].into_iter().chain(back.chunks(length)) {
                write(&mut pipe, piece);
                out.write(|frames| frames.put(&BEAT));
            }
            // The protocol header is first, unless another writer writes before there is a connection.
            let written = socket.written();
            let at = written
                .windows(8)
                .position(|bytes| bytes == HEADER)
                .unwrap();
            assert_eq!(written[..at], BEAT.repeat(at / 8));
            let frames = whole_frames(&written[at + 8..]).into_iter();
            let lapins: Vec<_> = frames.filter(|frame| *frame != BEAT).collect();
            assert_eq!(lapins, expected, "cut at {first}, then every {length}");
            assert_eq!(pipe.partial, b"");
        }
    }
}

#[test]
fn a_part_of_a_frame_waits_for_the_rest() {
    let (socket, out) = Socket::with_room(PLENTY);
    let mut pipe = pipe(&out, None);
    write(&mut pipe, &HEADER[..7]);
    assert_eq!(socket.written(), b"");
    write(&mut pipe, &HEADER[7..]);
    assert_eq!(socket.written(), HEADER);
    let frame = method(1, 20, 10, &[0]);
    write(&mut pipe, &frame[..frame.len() - 1]);
    assert_eq!(socket.written(), HEADER);
    write(&mut pipe, &frame[frame.len() - 1..]);
    assert_eq!(socket.written(), [HEADER, &frame].concat());
}

#[test]
fn lapin_hears_its_own_frame_size_and_the_broker_what_was_agreed_on() {
    // The broker's offer, the wanted size, and the negotiated size.
    let cases = [
        (131_072, None, 131_072),
        (131_072, Some(0), 131_072),
        (131_072, Some(8_192), 8_192),
        (8_192, Some(131_072), 8_192),
        (0, None, UNLIMITED),
        (0, Some(60_000), 60_000),
        (0, Some(0), UNLIMITED),
        (131_072, Some(1), LAPINS_FRAME_MAX),
        (u32::MAX, None, u32::MAX),
    ];
    for (offered, wanted, agreed) in cases {
        let (socket, out) = Socket::with_room(PLENTY);
        let mut pipe = pipe(&out, wanted);
        let mut heard = tune(30, offered);
        pipe.frame_max.heard(&mut heard);
        assert_eq!(heard, tune(30, LAPINS_FRAME_MAX));
        assert_eq!(pipe.frame_max.get(), agreed);
        write(&mut pipe, &[HEADER, &tune(31, LAPINS_FRAME_MAX)].concat());
        assert_eq!(socket.written(), [HEADER, &tune(31, agreed)].concat());
    }
}

#[test]
fn other_frames_are_left_as_they_are() {
    let frame_max = FrameMax::new(Some(9_999));
    let others = [
        method(0, 10, 41, b"\0\0\0\0\0\0\0\0"),
        method(1, 60, 30, b"\0\0\0\0\0\0\0\0"),
        // A tune that lacks its arguments.
        method(0, 10, 30, b"\0\0"),
        [&[2][..], &tune(30, 77)[1..]].concat(),
        BEAT.to_vec(),
        Vec::new(),
    ];
    for frame in others {
        let (mut heard, mut said) = (frame.clone(), frame.clone());
        frame_max.heard(&mut heard);
        frame_max.said(&mut said);
        assert_eq!((&heard, &said), (&frame, &frame));
    }
    assert_eq!(frame_max.get(), LAPINS_FRAME_MAX);
}

#[test]
fn lapin_waits_while_the_socket_takes_nothing() {
    let (socket, out) = Socket::with_room(0);
    let mut pipe = pipe(&out, None);
    write(&mut pipe, HEADER);
    let (lapin, waker) = Sleeper::new();
    let mut cx = Context::from_waker(&waker);
    let frame = method(1, 20, 10, &[0]);
    assert!(Pin::new(&mut pipe).poll_write(&mut cx, &frame).is_pending());
    socket.make_room(PLENTY);
    out.resume(&Context::from_waker(Waker::noop()));
    assert_eq!(lapin.wakes(), 1);
    write(&mut pipe, &frame);
    assert_eq!(socket.written(), [HEADER, &frame].concat());
}

#[test]
fn lapin_does_not_wait_for_a_link_that_is_gone() {
    let (_, out) = Socket::with_room(0);
    let mut pipe = pipe(&out, None);
    write(&mut pipe, HEADER);
    out.close();
    write(&mut pipe, &BEAT);
}

fn read(pipe: &mut Pipe, cx: &mut Context<'_>, size: usize) -> Poll<io::Result<Vec<u8>>> {
    let mut buffer = vec![0; size];
    let read = std::task::ready!(Pin::new(pipe).poll_read(cx, &mut buffer))?;
    buffer.truncate(read);
    Poll::Ready(Ok(buffer))
}

fn now(read: Poll<io::Result<Vec<u8>>>) -> Vec<u8> {
    match read {
        Poll::Ready(Ok(bytes)) => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn lapin_reads_what_it_was_given_and_then_the_end() {
    let (_, out) = Socket::with_room(PLENTY);
    let mut pipe = pipe(&out, None);
    let (lapin, waker) = Sleeper::new();
    let mut cx = Context::from_waker(&waker);
    assert!(read(&mut pipe, &mut cx, 9).is_pending());
    pipe.feed.give(b"abcdef");
    pipe.feed.give(b"ghi");
    assert_eq!(lapin.wakes(), 1);
    assert_eq!(now(read(&mut pipe, &mut cx, 4)), b"abcd");
    pipe.feed.give(b"jk");
    assert_eq!(now(read(&mut pipe, &mut cx, 4)), b"efgh");
    assert_eq!(now(read(&mut pipe, &mut cx, 4)), b"ijk");
    assert!(read(&mut pipe, &mut cx, 4).is_pending());
    pipe.feed.give(b"last");
    pipe.feed.end(None);
    assert_eq!(lapin.wakes(), 1);
    assert_eq!(now(read(&mut pipe, &mut cx, 9)), b"last");
    for _ in 0..2 {
        assert_eq!(now(read(&mut pipe, &mut cx, 9)), b"");
    }
}

#[test]
fn lapin_hears_an_error_once_behind_what_came_before_it() {
    let (_, out) = Socket::with_room(PLENTY);
    let mut pipe = pipe(&out, None);
    let (lapin, waker) = Sleeper::new();
    let mut cx = Context::from_waker(&waker);
    assert!(read(&mut pipe, &mut cx, 9).is_pending());
    pipe.feed.end(Some(io::ErrorKind::ConnectionReset.into()));
    assert_eq!(lapin.wakes(), 1);
    pipe.feed.give(b"abc");
    pipe.feed.end(None);
    assert_eq!(now(read(&mut pipe, &mut cx, 9)), b"abc");
    match read(&mut pipe, &mut cx, 9) {
        Poll::Ready(Err(error)) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        other => panic!("{other:?}"),
    }
    assert_eq!(now(read(&mut pipe, &mut cx, 9)), b"");
}
