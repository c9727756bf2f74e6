use std::net::TcpListener;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::thread;

use super::super::wakes::Gently;
use super::*;

/// Nothing here takes that long.
const LONG: Duration = Duration::from_secs(60);

/// lapin's side: it polls, and is woken.
struct Side {
    socket: Socket,
    thread: IoThread,
    waker: Waker,
    wakes: Receiver<()>,
    _reactor: tokio::runtime::Runtime,
}

struct Woke(Mutex<Sender<()>>);

impl Wake for Woke {
    fn wake(self: Arc<Self>) {
        // Wakes that nobody waits for are of no interest.
        let _ = self.0.lock().unwrap().send(());
    }
}

impl Side {
    fn poll_read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut cx = Context::from_waker(&self.waker);
        Pin::new(&mut self.socket).poll_read(&mut cx, buffer)
    }

    fn poll_write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut cx = Context::from_waker(&self.waker);
        Pin::new(&mut self.socket).poll_write(&mut cx, bytes)
    }

    /// Begins a turn as lapin does.
    fn turn(&mut self) {
        let mut cx = Context::from_waker(&self.waker);
        let flushed = Pin::new(&mut self.socket).poll_flush(&mut cx);
        assert!(matches!(flushed, Poll::Ready(Ok(()))));
    }

    fn is_watched(&self) -> bool {
        matches!(self.socket.tcp, Tcp::Watched(_))
    }

    fn is_woken(&self) -> bool {
        self.wakes.recv_timeout(LONG).is_ok()
    }

    /// Reads as lapin does, turn by turn, until so much has come.
    fn read(&mut self, wanted: usize) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buffer = [0; 1024];
        while all.len() < wanted {
            self.turn();
            match self.poll_read(&mut buffer) {
                Poll::Ready(read) => all.extend(&buffer[..read.unwrap()]),
                Poll::Pending => assert!(self.is_woken(), "nobody wakes lapin"),
            }
        }
        all
    }
}

/// A socket, and the broker at its other end.
fn set_up() -> (Side, TcpStream) {
    let reactor = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    tcp.set_nonblocking(true).unwrap();
    let (broker, _) = listener.accept().unwrap();
    let thread = IoThread::new().unwrap();
    let (woke, wakes) = channel();
    let side = Side {
        socket: Socket::new(tcp, reactor.handle().clone(), thread.clone()),
        thread,
        waker: Waker::from(Arc::new(Woke(Mutex::new(woke)))),
        wakes,
        _reactor: reactor,
    };
    (side, broker)
}

fn set_up_with_bell() -> (Side, TcpStream) {
    let (side, broker) = set_up();
    side.thread.bell.is_used_from_now_on();
    (side, broker)
}

#[test]
fn without_a_bell_the_reactor_watches() {
    let (mut side, mut broker) = set_up();
    assert!(side.poll_read(&mut [0; 8]).is_pending());
    assert!(side.is_watched());
    broker.write_all(b"hello").unwrap();
    assert_eq!(side.read(5), b"hello");
    assert!(side.is_watched());
}

#[test]
fn what_was_read_is_looked_at_before_the_thread_waits() {
    let (mut side, mut broker) = set_up_with_bell();
    broker.write_all(b"hello").unwrap();
    assert_eq!(side.read(5), b"hello");
    // The reactor is not needed: lapin is to come back at once.
    assert!(side.poll_read(&mut [0; 8]).is_pending());
    assert!(side.is_woken());
    assert!(!side.is_watched());
}

#[test]
fn lapin_reads_once_a_turn_and_not_more_than_it_can_look_at_soon() {
    let (mut side, mut broker) = set_up();
    let talking = thread::spawn(move || broker.write_all(&[7; 8 * CHUNK]).map(|()| broker));
    let mut buffer = vec![0; 8 * CHUNK];
    let (mut all, mut turns) = (0, 0);
    while all < 4 * CHUNK {
        side.turn();
        if let Poll::Ready(read) = side.poll_read(&mut buffer) {
            let read = read.unwrap();
            assert!(read <= CHUNK, "{read} bytes at once");
            all += read;
            turns += 1;
            assert!(side.poll_read(&mut buffer).is_pending());
            wake_a_task(&side);
        }
        assert!(side.is_woken(), "nobody wakes lapin");
    }
    assert!(turns >= 4, "{turns}");
    // What is left is one large message: nothing of it concerns anybody yet.
    while all < 8 * CHUNK {
        side.turn();
        match side.poll_read(&mut buffer) {
            Poll::Ready(read) => all += read.unwrap(),
            Poll::Pending => assert!(side.is_woken(), "nobody wakes lapin"),
        }
    }
    assert_eq!(side.socket.chunk, usize::MAX);
    drop(talking.join().unwrap().unwrap());
}

/// What lapin does while it looks at what it has read: it wakes a task.
fn wake_a_task(side: &Side) -> Receiver<()> {
    let (woke, wakes) = channel();
    let task = Waker::from(Arc::new(Woke(Mutex::new(woke))));
    let mut gently = Gently::new(side.thread.wakes.clone());
    gently.poll(&Context::from_waker(&task), |cx| cx.waker().wake_by_ref());
    wakes
}

/// One for whom something was just read.
fn set_up_reading() -> (Side, TcpStream, Receiver<()>) {
    let (mut side, mut broker) = set_up();
    broker.write_all(b"hello").unwrap();
    side.read(5);
    let task = wake_a_task(&side);
    assert!(task.try_recv().is_err(), "lapin is still looking");
    (side, broker, task)
}

#[test]
fn a_task_is_woken_when_lapin_has_looked_at_all_it_read() {
    let (mut side, _broker, task) = set_up_reading();
    assert!(side.poll_read(&mut [0; 8]).is_pending());
    assert!(task.try_recv().is_err(), "lapin is still looking");
    side.turn();
    assert!(task.try_recv().is_ok());
    assert!(wake_a_task(&side).try_recv().is_ok(), "nothing was read");
}

#[test]
fn a_task_is_woken_though_a_flush_does_not_come_through() {
    // Under TLS one does not while there is something to write and no room for it.
    let (mut side, _broker, task) = set_up_reading();
    assert!(side.poll_read(&mut [0; 8]).is_pending());
    assert!(side.poll_read(&mut [0; 8]).is_pending());
    assert!(task.try_recv().is_ok());
}

#[test]
fn a_task_is_woken_when_the_socket_is_closed_or_dropped_or_has_ended() {
    let (mut side, _broker, task) = set_up_reading();
    let closed = Pin::new(&mut side.socket).poll_close(&mut Context::from_waker(&side.waker));
    assert!(matches!(closed, Poll::Ready(Ok(()))));
    assert!(task.try_recv().is_ok());

    let (side, _broker, task) = set_up_reading();
    drop(side);
    assert!(task.try_recv().is_ok());

    let (mut side, broker, _) = set_up_reading();
    drop(broker);
    while side.poll_read(&mut [0; 8]).is_pending() {
        assert!(side.is_woken());
    }
    assert!(
        wake_a_task(&side).try_recv().is_ok(),
        "there is nothing to look at"
    );
}

#[test]
fn a_silent_broker_is_watched_by_the_reactor_until_it_speaks() {
    let (mut side, mut broker) = set_up_with_bell();
    side.turn();
    assert!(side.poll_read(&mut [0; 8]).is_pending());
    assert!(side.is_watched());
    broker.write_all(b"hello").unwrap();
    assert!(side.is_woken());
    assert_eq!(side.read(5), b"hello");
    assert!(!side.is_watched());
}

#[test]
fn one_who_rings_ends_the_wait_and_lapin_gets_its_turn() {
    let (mut side, _broker) = set_up_with_bell();
    side.turn();
    side.thread.bell.ring();
    assert!(side.poll_read(&mut [0; 8]).is_pending());
    assert!(side.is_woken());
    assert!(!side.is_watched());
}

#[test]
fn everything_comes_in_order_whatever_the_pace() {
    let (mut side, mut broker) = set_up_with_bell();
    let (_nobody, pausing) = channel::<()>();
    let talking = thread::spawn(move || {
        for number in 0..2000_u32 {
            broker.write_all(&number.to_be_bytes()).unwrap();
            if number % 100 == 0 {
                // Until the reactor watches.
                pausing.recv_timeout(2 * SILENCE).unwrap_err();
            }
        }
        broker
    });
    let bell = side.thread.bell.clone();
    let ringing = thread::spawn(move || (0..1000).for_each(|_| bell.ring()));
    let all = side.read(4 * 2000);
    let expected: Vec<u8> = (0..2000_u32).flat_map(u32::to_be_bytes).collect();
    assert!(all == expected);
    ringing.join().unwrap();
    drop(talking.join().unwrap());
    side.turn();
    let mut end = side.poll_read(&mut [0; 8]);
    while end.is_pending() {
        assert!(side.is_woken());
        side.turn();
        end = side.poll_read(&mut [0; 8]);
    }
    assert!(matches!(end, Poll::Ready(Ok(0))), "{end:?}");
}

#[test]
fn a_write_that_had_to_wait_is_told_when_it_can_go_on_though_much_is_read_meanwhile() {
    let (mut side, mut broker) = set_up_with_bell();
    let chunk = [7; 64 * 1024];
    let mut written = 0;
    while let Poll::Ready(count) = side.poll_write(&chunk) {
        written += count.unwrap();
    }
    broker.write_all(b"hello").unwrap();
    assert_eq!(side.read(5), b"hello");
    while side.wakes.try_recv().is_ok() {}
    let reading = thread::spawn(move || {
        let mut all = vec![0; written];
        broker.read_exact(&mut all).map(|()| broker)
    });
    let broker = reading.join().unwrap().unwrap();
    assert!(side.is_woken(), "nobody says that it can write");
    assert!(matches!(side.poll_write(&chunk), Poll::Ready(Ok(_))));
    drop(broker);
}

/// One on a link whose I/O thread waits by itself, and has just written something.
fn set_up_written() -> (Side, TcpStream, Receiver<()>) {
    let (mut side, broker) = set_up_with_bell();
    side.turn();
    side.thread.bell.ring();
    assert!(side.poll_read(&mut [0; 8]).is_pending());
    side.turn();
    assert!(matches!(side.poll_write(b"hello"), Poll::Ready(Ok(5))));
    let task = wake_a_task(&side);
    side.turn();
    assert!(task.try_recv().is_err(), "there may be an answer soon");
    (side, broker, task)
}

#[test]
fn a_task_is_woken_at_once_for_what_was_written_and_for_the_answer() {
    let (mut side, mut broker, task) = set_up_written();
    broker.write_all(b"hello").unwrap();
    assert!(matches!(side.poll_read(&mut [0; 8]), Poll::Ready(Ok(5))));
    assert!(side.poll_read(&mut [0; 8]).is_pending());
    assert!(task.try_recv().is_err(), "lapin is still looking");
    side.turn();
    assert!(task.try_recv().is_ok());
}

#[test]
fn a_task_is_woken_for_what_was_written_when_no_answer_comes() {
    let (mut side, _broker, task) = set_up_written();
    assert!(side.poll_read(&mut [0; 8]).is_pending());
    assert!(side.is_watched());
    assert!(task.try_recv().is_ok());
}

#[test]
fn a_task_is_woken_for_what_was_written_when_the_connection_ends() {
    let (mut side, broker, task) = set_up_written();
    broker.shutdown(Shutdown::Write).unwrap();
    assert!(matches!(side.poll_read(&mut [0; 8]), Poll::Ready(Ok(0))));
    assert!(task.try_recv().is_ok());
    let (side, _broker, task) = set_up_written();
    drop(side);
    assert!(task.try_recv().is_ok());
}

#[test]
fn where_lapin_may_not_ask_for_more_what_was_written_is_told_at_once() {
    let (mut side, _broker) = set_up_with_bell();
    side.turn();
    assert!(side.poll_read(&mut [0; 8]).is_pending());
    side.turn();
    // The reactor has yet to find out that there is room.
    while side.poll_write(b"hello").is_pending() {
        assert!(side.is_woken());
    }
    assert!(wake_a_task(&side).try_recv().is_ok());
}
