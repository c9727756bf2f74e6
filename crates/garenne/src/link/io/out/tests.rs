//! Frames of many writers, on sockets with and without room.

use std::future::poll_fn;
use std::io::Read;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

use bytes::Bytes;
use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Handle};

use super::super::frames::Publish;
use super::super::scripted::{Sleeper, Socket, whole_frames};
use super::*;

const PLENTY: usize = usize::MAX / 2;

/// Eight bytes that look like a frame.
fn piece(n: u8) -> [u8; 8] {
    [8, 0, n, 0, 0, 0, 0, 0xCE]
}

fn put(out: &Out, n: u8) {
    out.write(|frames| frames.put(&piece(n)));
}

fn pieces(numbers: impl IntoIterator<Item = u8>) -> Vec<u8> {
    numbers.into_iter().flat_map(piece).collect()
}

fn publish(frames: &mut Frames, channel: u16, body: &Bytes) {
    let message = Publish {
        exchange: b"",
        routing_key: b"orders",
        mandatory: false,
        properties: &[0, 0],
        body,
    };
    frames.publish(channel, message, 131_072);
}

#[test]
fn what_is_written_is_on_the_socket_when_the_call_returns() {
    let (socket, out) = Socket::with_room(PLENTY);
    put(&out, 1);
    assert_eq!(socket.written(), pieces([1]));
    put(&out, 2);
    assert_eq!(socket.written(), pieces([1, 2]));
    assert_eq!(socket.flushes(), 2);
}

#[test]
fn what_is_gathered_goes_with_the_next_write() {
    let (socket, out) = Socket::with_room(PLENTY);
    for n in 1..=3 {
        out.gather(|frames| frames.put(&piece(n)));
    }
    assert_eq!(socket.written(), b"");
    put(&out, 4);
    assert_eq!(socket.written(), pieces(1..=4));
}

#[test]
fn nothing_is_lost_or_reordered_when_the_socket_takes_a_part() {
    let large = Bytes::from((0..=255).cycle().take(40_000).collect::<Vec<u8>>());
    let put_all = |frames: &mut Frames| {
        for channel in 1..=9 {
            publish(frames, channel, &large);
            frames.requeue(channel, 7);
        }
    };
    let (socket, out) = Socket::with_room(PLENTY);
    out.write(put_all);
    let whole = socket.written();
    assert_eq!(whole_frames(&whole).len(), 9 * (1 + 1 + 1 + 1));
    for at_once in [1, 7, 8, 4096, 39_999, 100_000] {
        let (socket, out) = Socket::with_room(PLENTY);
        socket.takes_at_once(at_once);
        out.write(put_all);
        assert!(socket.written() == whole, "{at_once} bytes at once");
    }
}

#[test]
fn a_socket_that_takes_nothing_is_gone_on_with_by_the_links_task_alone() {
    let (socket, out) = Socket::with_room(5);
    let (link, link_waker) = Sleeper::new();
    let (writer, writer_waker) = Sleeper::new();
    let link_cx = Context::from_waker(&link_waker);
    let cx = Context::from_waker(&writer_waker);

    out.resume(&link_cx);
    assert_eq!(out.poll_ready(&cx), Poll::Ready(()));
    put(&out, 1);
    put(&out, 2);
    assert_eq!(socket.written(), pieces([1])[..5]);
    assert_eq!(out.poll_ready(&cx), Poll::Pending);
    assert_eq!(out.poll_ready(&cx), Poll::Pending);

    socket.make_room(4);
    assert_eq!((link.wakes(), writer.wakes()), (1, 0));
    out.resume(&link_cx);
    assert_eq!(socket.written(), pieces([1, 2])[..9]);
    assert_eq!((link.wakes(), writer.wakes()), (0, 0));

    put(&out, 3);
    socket.make_room(PLENTY);
    assert_eq!((link.wakes(), writer.wakes()), (1, 0));
    out.resume(&link_cx);
    assert_eq!(socket.written(), pieces(1..=3));
    assert_eq!((link.wakes(), writer.wakes()), (0, 1));
    assert_eq!(out.poll_ready(&cx), Poll::Ready(()));
}

#[test]
fn a_socket_that_is_full_before_the_links_task_has_run_is_gone_on_with() {
    let (socket, out) = Socket::with_room(0);
    put(&out, 1);
    let (link, waker) = Sleeper::new();
    let cx = Context::from_waker(&waker);
    // The task tries to write, so the socket knows which task to wake.
    out.resume(&cx);
    socket.make_room(PLENTY);
    assert_eq!(link.wakes(), 1);
    out.resume(&cx);
    assert_eq!(socket.written(), pieces([1]));
}

#[test]
fn the_links_task_that_is_woken_while_somebody_writes_is_not_woken_in_vain() {
    let (socket, out) = Socket::with_room(3);
    let (link, waker) = Sleeper::new();
    out.resume(&Context::from_waker(&waker));
    // After the socket reports that it is full, and before the writer sees this, there is room again and the
    // task runs.
    let (full, task) = (Arc::clone(&socket), Arc::clone(&out));
    socket.when_full(move || {
        full.make_room(PLENTY);
        task.resume(&Context::from_waker(&waker));
    });
    put(&out, 1);
    assert_eq!(link.wakes(), 1);
    assert_eq!(socket.written(), pieces([1]));
    assert_eq!(
        out.poll_ready(&Context::from_waker(Waker::noop())),
        Poll::Ready(())
    );
}

#[test]
fn what_is_put_in_while_somebody_writes_is_written_by_that_one() {
    let (socket, out) = Socket::with_room(3);
    let (full, other) = (Arc::clone(&socket), Arc::clone(&out));
    socket.when_full(move || {
        put(&other, 2);
        full.make_room(PLENTY);
        other.resume(&Context::from_waker(Waker::noop()));
    });
    put(&out, 1);
    assert_eq!(socket.written(), pieces([1, 2]));
}

#[test]
fn what_a_session_holds_back_is_flushed_when_the_socket_takes_it() {
    let (socket, out) = Socket::with_room(PLENTY);
    let (link, waker) = Sleeper::new();
    let cx = Context::from_waker(&waker);
    out.resume(&cx);
    socket.holds_back(true);
    put(&out, 1);
    assert_eq!((socket.written(), socket.flushes()), (pieces([1]), 0));
    assert_eq!(out.poll_ready(&cx), Poll::Pending);
    socket.holds_back(false);
    socket.make_room(0);
    assert_eq!(link.wakes(), 1);
    out.resume(&cx);
    assert_eq!((socket.written(), socket.flushes()), (pieces([1]), 1));
    assert_eq!(out.poll_ready(&cx), Poll::Ready(()));
}

#[test]
fn closing_wakes_who_waits_and_nobody_waits_again() {
    let (socket, out) = Socket::with_room(0);
    let (writer, waker) = Sleeper::new();
    let cx = Context::from_waker(&waker);
    put(&out, 1);
    assert_eq!(out.poll_ready(&cx), Poll::Pending);
    out.close();
    assert_eq!(writer.wakes(), 1);
    assert_eq!(out.poll_ready(&cx), Poll::Ready(()));
    put(&out, 2);
    assert!(out.lock().frames.is_empty(), "frames are kept for nobody");
    assert_eq!(out.poll_ready(&cx), Poll::Ready(()));
    socket.make_room(PLENTY);
    out.resume(&cx);
    assert_eq!(socket.written(), b"");
}

#[test]
fn closing_while_somebody_writes_lets_nobody_wait_either() {
    let (socket, out) = Socket::with_room(3);
    let other = Arc::clone(&out);
    socket.when_full(move || other.close());
    put(&out, 1);
    let cx = Context::from_waker(Waker::noop());
    assert_eq!(out.poll_ready(&cx), Poll::Ready(()));
    assert!(out.lock().frames.is_empty(), "frames are kept for nobody");
    assert_eq!(socket.written(), pieces([1])[..3]);
}

#[test]
fn a_socket_that_breaks_lets_nobody_wait_and_takes_nothing_more() {
    let (socket, out) = Socket::with_room(3);
    let (writer, waker) = Sleeper::new();
    let cx = Context::from_waker(&waker);
    put(&out, 1);
    assert_eq!(out.poll_ready(&cx), Poll::Pending);
    socket.breaks();
    out.resume(&cx);
    assert_eq!(writer.wakes(), 1);
    assert_eq!(out.poll_ready(&cx), Poll::Ready(()));
    put(&out, 2);
    assert!(out.lock().frames.is_empty(), "frames are kept for nobody");
}

/// How many frames each of two threads writes.
const FRAMES: u64 = 10_000;

/// Two connected sockets, with as small buffers between them as the system allows.
async fn narrow() -> (Sink, std::net::TcpStream) {
    const LITTLE: u32 = 4096;
    let listener = TcpSocket::new_v4().unwrap();
    listener.set_recv_buffer_size(LITTLE).unwrap();
    listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = listener.listen(1).unwrap();
    let near = TcpSocket::new_v4().unwrap();
    near.set_send_buffer_size(LITTLE).unwrap();
    let near = near.connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    let far = far.into_std().unwrap();
    far.set_nonblocking(false).unwrap();
    let (_, sink) = near.into_split();
    (Sink::Plain(sink), far)
}

/// A thread that writes.
struct Writing {
    out: Arc<Out>,
    runtime: Handle,
    /// Notified when the socket is full.
    full: mpsc::Sender<()>,
}

impl Writing {
    /// Waits as a channel's task does.
    fn until_ready(&self) {
        let ready = poll_fn(|cx| {
            let ready = self.out.poll_ready(cx);
            if ready.is_pending() {
                // The reader needs only the first notice.
                let _ = self.full.send(());
            }
            ready
        });
        self.runtime.block_on(ready);
    }

    fn many(&self, channel: u16) {
        for tag in 1..=FRAMES {
            if tag.is_multiple_of(100) {
                self.until_ready();
            }
            self.out.write(|frames| put_many(frames, channel, tag));
        }
    }
}

/// Nacks with rising tags, and sometimes a message, whose three frames belong together.
fn put_many(frames: &mut Frames, channel: u16, tag: u64) {
    frames.requeue(channel, tag);
    if tag.is_multiple_of(50) {
        let body = Bytes::from(vec![channel.to_be_bytes()[1]; 20_000]);
        publish(frames, channel, &body);
    }
}

/// How many bytes each thread writes.
fn length_of_many() -> usize {
    let mut frames = Frames::default();
    for tag in 1..=FRAMES {
        put_many(&mut frames, 1, tag);
    }
    frames.take().iter().map(Bytes::len).sum()
}

fn check_many(bytes: &[u8]) {
    let mut tags = [0_u64; 3];
    let mut frames = whole_frames(bytes).into_iter();
    while let Some(nack) = frames.next() {
        let channel = usize::from(nack[2]);
        let tag = u64::from_be_bytes(nack[11..19].try_into().unwrap());
        tags[channel] += 1;
        assert_eq!((nack[0], tag), (1, tags[channel]));
        if tag.is_multiple_of(50) {
            let content = [(); 3].map(|()| frames.next().unwrap());
            assert_eq!(content.map(|frame| frame[0]), [1, 2, 3]);
            assert!(content.iter().all(|frame| frame[2] == nack[2]));
            assert!(content[2][7..20_007].iter().all(|byte| *byte == nack[2]));
        }
    }
    assert_eq!(tags, [0, FRAMES, FRAMES]);
}

#[test]
fn frames_of_two_threads_never_mix_and_none_is_lost_or_overtakes() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (sink, mut far) = runtime.block_on(narrow());
    let out = Arc::new(Out::new(sink));
    let link = Arc::clone(&out);
    let link = runtime.spawn(poll_fn(move |cx| {
        link.resume(cx);
        Poll::<()>::Pending
    }));
    let (full, is_full) = mpsc::channel();
    // The reader waits until the socket is full.
    let reader = thread::spawn(move || {
        is_full.recv().unwrap();
        let mut bytes = vec![0; 2 * length_of_many()];
        far.read_exact(&mut bytes).unwrap();
        (far, bytes)
    });
    let writers = [1, 2].map(|channel| {
        let writing = Writing {
            out: Arc::clone(&out),
            runtime: runtime.handle().clone(),
            full: full.clone(),
        };
        thread::spawn(move || writing.many(channel))
    });
    for writer in writers {
        writer.join().unwrap();
    }
    let (mut far, bytes) = reader.join().unwrap();
    check_many(&bytes);
    // The link's task and `out` held the sink: without them it is closed, and no more bytes follow.
    link.abort();
    assert!(runtime.block_on(link).unwrap_err().is_cancelled());
    drop(out);
    assert_eq!(far.read(&mut [0]).unwrap(), 0);
}
