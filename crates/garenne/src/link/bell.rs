//! Calls a link's I/O thread from its wait for the broker.

use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Whoever has handed lapin something to write rings, so that it is not left lying until the broker
/// says something. See [`Socket`](super::socket::Socket).
#[derive(Clone, Debug)]
pub(crate) struct Bell(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: AtomicU8,
    /// Whether those who write much are known to ring.
    is_used: AtomicBool,
    ringing: UnixStream,
    listening: UnixStream,
}

/// Nobody has rung since the last wait.
const QUIET: u8 = 0;
/// The thread waits: ringing takes a byte.
const WAITING: u8 = 1;
const RUNG: u8 = 2;

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// There is something to read, or an error to be had.
    Readable,
    Rung,
    TimedOut,
}

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        let (ringing, listening) = UnixStream::pair()?;
        ringing.set_nonblocking(true)?;
        listening.set_nonblocking(true)?;
        Ok(Self(Arc::new(Inner {
            state: AtomicU8::new(QUIET),
            is_used: AtomicBool::new(false),
            ringing,
            listening,
        })))
    }

    /// From now on the link's I/O thread may wait for the broker in places where only the bell reaches
    /// it.
    pub(super) fn is_used_from_now_on(&self) {
        self.0.is_used.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_used(&self) -> bool {
        self.0.is_used.load(Ordering::Relaxed)
    }

    /// Ends the wait of the I/O thread, or its next one if it does not wait.
    pub(crate) fn ring(&self) {
        // The swap makes what was handed over before visible to the one who is called.
        if self.0.state.swap(RUNG, Ordering::AcqRel) == WAITING {
            // It fails if it is full of calls that nobody has heard yet; then one more is not missed.
            let _ = (&self.0.ringing).write(&[1]);
        }
    }

    /// What was handed over before the last ring is looked at now: no wait has to end for it. By the
    /// thread that waits.
    pub(super) fn hush(&self) {
        if self.0.state.load(Ordering::Relaxed) == RUNG {
            self.0.state.swap(QUIET, Ordering::AcqRel);
        }
    }

    /// Waits until the socket has something to read, somebody has rung since the last wait, or the
    /// time is over.
    pub(super) fn wait(&self, socket: BorrowedFd<'_>, at_most: Duration) -> io::Result<Woken> {
        if self.0.state.swap(WAITING, Ordering::AcqRel) == RUNG {
            self.0.state.swap(QUIET, Ordering::AcqRel);
            return Ok(Woken::Rung);
        }
        let time = Timespec::try_from(at_most).ok();
        let mut watched = [
            PollFd::from_borrowed_fd(socket, PollFlags::IN),
            PollFd::new(&self.0.listening, PollFlags::IN),
        ];
        let polled = poll(&mut watched, time.as_ref());
        let [readable, called] = watched.map(|fd| !fd.revents().is_empty());
        let rung = self.0.state.swap(QUIET, Ordering::AcqRel) == RUNG;
        if called {
            // One who rang just as an earlier wait ended may have left a byte as well.
            let mut bytes = [0; 16];
            let _ = (&self.0.listening).read(&mut bytes);
        }
        match polled {
            Ok(_) if readable => Ok(Woken::Readable),
            Ok(_) if rung || called => Ok(Woken::Rung),
            Ok(_) => Ok(Woken::TimedOut),
            // A signal is as good a reason as any to have a look.
            Err(Errno::INTR) => Ok(Woken::Rung),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::thread;

    use super::*;

    /// Nothing here takes that long.
    const LONG: Duration = Duration::from_secs(60);

    fn set_up() -> (Bell, UnixStream, UnixStream) {
        let (broker, socket) = UnixStream::pair().unwrap();
        (Bell::new().unwrap(), broker, socket)
    }

    #[test]
    fn a_wait_ends_when_there_is_something_to_read() {
        let (bell, mut broker, socket) = set_up();
        let talking = thread::spawn(move || broker.write_all(b"hello").map(|()| broker));
        assert_eq!(bell.wait(socket.as_fd(), LONG).unwrap(), Woken::Readable);
        drop(talking.join().unwrap().unwrap());
    }

    #[test]
    fn a_wait_ends_when_the_broker_is_gone() {
        let (bell, broker, socket) = set_up();
        drop(broker);
        assert_eq!(bell.wait(socket.as_fd(), LONG).unwrap(), Woken::Readable);
    }

    #[test]
    fn a_wait_ends_when_somebody_rings_before_or_meanwhile() {
        let (bell, _broker, socket) = set_up();
        let others = bell.clone();
        for _ in 0..1000 {
            let others = others.clone();
            let ringing = thread::spawn(move || others.ring());
            assert_eq!(bell.wait(socket.as_fd(), LONG).unwrap(), Woken::Rung);
            ringing.join().unwrap();
        }
    }

    #[test]
    fn a_ring_is_heard_once() {
        let (bell, _broker, socket) = set_up();
        bell.ring();
        bell.ring();
        assert_eq!(bell.wait(socket.as_fd(), LONG).unwrap(), Woken::Rung);
        let soon = Duration::from_millis(1);
        assert_eq!(bell.wait(socket.as_fd(), soon).unwrap(), Woken::TimedOut);
    }

    #[test]
    fn a_ring_that_is_hushed_ends_no_wait_and_the_next_one_does() {
        let (bell, _broker, socket) = set_up();
        bell.ring();
        bell.hush();
        let soon = Duration::from_millis(1);
        assert_eq!(bell.wait(socket.as_fd(), soon).unwrap(), Woken::TimedOut);
        bell.ring();
        assert_eq!(bell.wait(socket.as_fd(), LONG).unwrap(), Woken::Rung);
    }

    #[test]
    fn what_was_handed_over_before_the_ring_is_seen_after_the_wait() {
        let (bell, _broker, socket) = set_up();
        let (sender, receiver) = std::sync::mpsc::channel();
        let others = bell.clone();
        let ringing = thread::spawn(move || {
            for number in 0..10_000 {
                sender.send(number).unwrap();
                others.ring();
            }
        });
        let mut seen = 0;
        while seen < 10_000 {
            // If the last ring were missed, this would time out.
            assert_eq!(bell.wait(socket.as_fd(), LONG).unwrap(), Woken::Rung);
            seen += receiver.try_iter().count();
            bell.hush();
            seen += receiver.try_iter().count();
        }
        ringing.join().unwrap();
    }
}
