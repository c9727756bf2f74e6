//! Writing to a link, from any thread.
//!
//! A writer adds whole frames, and writes them to the socket in its own thread. If another thread is writing,
//! that thread writes these frames too. So an ack needs no change of threads, and frames never mix. When the
//! socket is full, the link's task continues as soon as there is room.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};

use super::frames::Frames;
use super::transport::Sink;

/// How many pieces a single call writes.
const PIECES: usize = 16;

pub(super) struct Out {
    sink: Sink,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    frames: Frames,
    writer: Writer,
    /// Another try was requested during a write.
    again: bool,
    /// The TLS session may hold bytes back.
    unflushed: bool,
    /// The socket is broken or the link has ended: frames are dropped.
    broken: bool,
    /// Wakes the link's task.
    link: Option<Waker>,
    /// Wakes the tasks that wait until the socket has room again.
    waiting: Vec<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Writer {
    #[default]
    Nobody,
    Somebody,
    /// The socket is full: the link's task continues when there is room.
    Socket,
}

impl Out {
    pub(super) fn new(sink: Sink) -> Self {
        Self {
            sink,
            state: Mutex::default(),
        }
    }

    /// Adds frames, and makes sure that they are written. `false`: the link is gone, and nothing is written.
    pub(super) fn write(&self, put: impl FnOnce(&mut Frames)) -> bool {
        let mut state = self.lock();
        if state.broken {
            return false;
        }
        put(&mut state.frames);
        self.advance(state);
        true
    }

    /// Adds frames that need not be written before the next [`write`](Self::write).
    pub(super) fn gather(&self, put: impl FnOnce(&mut Frames)) {
        put(&mut self.lock().frames);
    }

    /// Runs `work` while no thread can add frames.
    pub(super) fn between_frames(&self, work: impl FnOnce()) {
        let _state = self.lock();
        work();
    }

    /// Pending while the socket is full.
    pub(super) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.writer != Writer::Socket {
            return Poll::Ready(());
        }
        if !state
            .waiting
            .iter()
            .any(|waker| waker.will_wake(cx.waker()))
        {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Continues to write after the socket was full. The link's task calls this whenever it is woken.
    pub(super) fn resume(&self, cx: &Context<'_>) {
        let mut state = self.lock();
        if !state
            .link
            .as_ref()
            .is_some_and(|link| link.will_wake(cx.waker()))
        {
            state.link = Some(cx.waker().clone());
        }
        match state.writer {
            Writer::Nobody => {}
            Writer::Somebody => state.again = true,
            Writer::Socket => {
                state.writer = Writer::Nobody;
                self.advance(state);
            }
        }
    }

    /// Drops all frames, takes no more, and ends all waits for the socket.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.broken = true;
        state.frames = Frames::default();
        // The link's task no longer continues the write.
        if state.writer == Writer::Socket {
            state.writer = Writer::Nobody;
        }
        wake_all(state);
    }

    fn advance<'a>(&'a self, mut state: MutexGuard<'a, State>) {
        if state.writer != Writer::Nobody {
            return;
        }
        while !state.broken && (!state.frames.is_empty() || state.unflushed) {
            state.writer = Writer::Somebody;
            state.again = false;
            state.unflushed = true;
            let mut batch = state.frames.take();
            let link = state.link.clone();
            drop(state);
            let mut cx = Context::from_waker(link.as_ref().unwrap_or(Waker::noop()));
            let written = self.write_all(&mut batch, &mut cx);
            state = self.lock();
            match written {
                Poll::Ready(Ok(())) => state.unflushed = false,
                // It was closed meanwhile: no thread continues.
                Poll::Pending if state.broken => {}
                Poll::Pending => {
                    state.frames.put_back(batch);
                    if !state.again {
                        state.writer = Writer::Socket;
                        return;
                    }
                }
                // The link's task gets the error, with its cause, when it reads.
                Poll::Ready(Err(_)) => state.broken = true,
            }
        }
        if state.broken {
            state.frames = Frames::default();
        }
        state.writer = Writer::Nobody;
        wake_all(state);
    }

    fn write_all(&self, batch: &mut VecDeque<Bytes>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !batch.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let count = batch.len().min(PIECES);
            for (piece, bytes) in pieces.iter_mut().zip(batch.iter()) {
                *piece = IoSlice::new(bytes);
            }
            let mut written = match self.sink.poll_write(cx, &pieces[..count]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => written,
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            };
            while let Some(first) = batch.front_mut().filter(|_| written > 0) {
                let part = written.min(first.len());
                first.advance(part);
                written -= part;
                if first.is_empty() {
                    batch.pop_front();
                }
            }
        }
        self.sink.poll_flush(cx)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake_all(mut state: MutexGuard<'_, State>) {
    if state.waiting.is_empty() {
        return;
    }
    let waiting = std::mem::take(&mut state.waiting);
    drop(state);
    for waker in waiting {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;
