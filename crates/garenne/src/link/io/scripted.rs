//! A socket that the test controls, and tasks that count how often they are woken.

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use super::out::Out;
use super::transport::Sink;

/// Called once, when the socket is full, in the middle of a write.
type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub(super) struct Socket(Mutex<State>);

#[derive(Default)]
struct State {
    written: Vec<u8>,
    /// The socket takes this many bytes before it is full.
    room: usize,
    /// The most bytes that a call takes; 0 is no limit.
    at_once: usize,
    /// Flushing waits too.
    holds_back: bool,
    is_broken: bool,
    flushes: usize,
    /// Called when there is room.
    waker: Option<Waker>,
    hook: Option<Hook>,
}

impl Socket {
    /// A socket with room for this many bytes, and its output.
    pub(super) fn with_room(room: usize) -> (Arc<Self>, Arc<Out>) {
        let socket = Arc::new(Self::default());
        socket.0.lock().unwrap().room = room;
        let out = Out::new(Sink::Scripted(Arc::clone(&socket)));
        (socket, Arc::new(out))
    }

    pub(super) fn takes_at_once(&self, bytes: usize) {
        self.0.lock().unwrap().at_once = bytes;
    }

    pub(super) fn breaks(&self) {
        self.0.lock().unwrap().is_broken = true;
    }

    pub(super) fn holds_back(&self, holds_back: bool) {
        self.0.lock().unwrap().holds_back = holds_back;
    }

    pub(super) fn when_full(&self, hook: impl FnOnce() + Send + 'static) {
        self.0.lock().unwrap().hook = Some(Box::new(hook));
    }

    /// Makes room for more bytes, and wakes the task that waits for it.
    pub(super) fn make_room(&self, bytes: usize) {
        let mut state = self.0.lock().unwrap();
        state.room += bytes;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn written(&self) -> Vec<u8> {
        self.0.lock().unwrap().written.clone()
    }

    pub(super) fn flushes(&self) -> usize {
        self.0.lock().unwrap().flushes
    }

    pub(super) fn poll_write(
        &self,
        cx: &Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock().unwrap();
        if state.is_broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if state.room == 0 {
            state.waker = Some(cx.waker().clone());
            let hook = state.hook.take();
            drop(state);
            if let Some(hook) = hook {
                hook();
            }
            return Poll::Pending;
        }
        let offered: usize = bytes.iter().map(|piece| piece.len()).sum();
        let most = if state.at_once == 0 {
            usize::MAX
        } else {
            state.at_once
        };
        let taken = offered.min(state.room).min(most);
        let all = bytes.iter().flat_map(|piece| piece.iter());
        state.written.extend(all.take(taken));
        state.room -= taken;
        Poll::Ready(Ok(taken))
    }

    pub(super) fn poll_flush(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock().unwrap();
        if state.holds_back {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.flushes += 1;
        Poll::Ready(Ok(()))
    }
}

/// A task that only counts how often it is woken.
#[derive(Default)]
pub(super) struct Sleeper(AtomicUsize);

impl Sleeper {
    pub(super) fn new() -> (Arc<Self>, Waker) {
        let sleeper = Arc::new(Self::default());
        let waker = Waker::from(Arc::clone(&sleeper));
        (sleeper, waker)
    }

    /// How often it was woken since it was last asked.
    pub(super) fn wakes(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Cuts bytes into whole frames.
#[track_caller]
pub(super) fn whole_frames(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let size = u32::from_be_bytes(bytes[3..7].try_into().unwrap()) as usize;
        let (frame, rest) = bytes.split_at(7 + size + 1);
        assert_eq!(frame.last(), Some(&0xCE), "{frame:?}");
        frames.push(frame);
        bytes = rest;
    }
    frames
}
