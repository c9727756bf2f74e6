//! lapin's end of a link: lapin reads the frames that garenne does not handle, and its own frames join the
//! output.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::{AsyncRead, AsyncWrite};
use garenne_core::reader::FRAME_HEAD;

use super::login::Login;
use super::out::Out;

/// The first bytes of a client: `AMQP` and a version (AMQP 0-9-1, section 4.2.2).
const PROTOCOL_HEADER: usize = 8;

/// The frame size that lapin gets: the smallest that AMQP allows. lapin makes buffers for 64 such frames, and
/// reads and writes only methods, which are small. For messages, garenne negotiates another size with the
/// broker.
const LAPINS_FRAME_MAX: u32 = 4096;

/// The position of the frame size in `connection.tune` and `connection.tune-ok`: after the frame's head,
/// class, method and the largest channel.
const FRAME_MAX_AT: usize = FRAME_HEAD + 2 + 2 + 2;

/// Used when neither side has a limit.
const UNLIMITED: u32 = 131_072;

/// The bytes that lapin reads.
#[derive(Default)]
pub(super) struct Feed(Mutex<Given>);

#[derive(Default)]
struct Given {
    bytes: Vec<u8>,
    /// How many of these bytes lapin has read.
    read: usize,
    /// Set when nothing follows: the end of the stream, or an error.
    end: Option<Option<io::Error>>,
    lapin: Option<Waker>,
}

impl Feed {
    /// Passes frames to lapin.
    pub(super) fn give(&self, frames: &[u8]) {
        let mut given = self.lock();
        given.bytes.extend_from_slice(frames);
        wake(given);
    }

    /// Tells lapin that nothing follows, and why.
    pub(super) fn end(&self, error: Option<io::Error>) {
        let mut given = self.lock();
        given.end.get_or_insert(error);
        wake(given);
    }

    fn lock(&self) -> MutexGuard<'_, Given> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(mut given: MutexGuard<'_, Given>) {
    let lapin = given.lapin.take();
    drop(given);
    if let Some(lapin) = lapin {
        lapin.wake();
    }
}

/// The frame size of a link: the broker's offer, and the negotiated size.
///
/// lapin negotiates all other parameters. This size is replaced in the frames that lapin reads and writes.
pub(super) struct FrameMax {
    /// The most that the URL of the broker allows; 0 is no limit.
    wanted: u32,
    agreed: AtomicU32,
}

impl FrameMax {
    pub(super) fn new(wanted: Option<u32>) -> Self {
        Self {
            wanted: wanted.unwrap_or(0),
            agreed: AtomicU32::new(LAPINS_FRAME_MAX),
        }
    }

    /// The negotiated size, in bytes.
    pub(super) fn get(&self) -> u32 {
        self.agreed.load(Ordering::Relaxed)
    }

    /// `connection.tune`: keeps the broker's offer, and replaces it with lapin's size.
    pub(super) fn heard(&self, frame: &mut [u8]) {
        const TUNE: [u8; 4] = [0, 10, 0, 30];
        let Some(field) = field(frame, TUNE) else {
            return;
        };
        let offered = u32::from_be_bytes(*field);
        let agreed = match (offered, self.wanted) {
            (0, 0) => UNLIMITED,
            (0, limit) | (limit, 0) => limit,
            (offered, wanted) => offered.min(wanted),
        };
        self.agreed
            .store(agreed.max(LAPINS_FRAME_MAX), Ordering::Relaxed);
        *field = LAPINS_FRAME_MAX.to_be_bytes();
    }

    /// `connection.tune-ok`: inserts the negotiated size.
    fn said(&self, frame: &mut [u8]) {
        const TUNE_OK: [u8; 4] = [0, 10, 0, 31];
        if let Some(field) = field(frame, TUNE_OK) {
            *field = self.get().to_be_bytes();
        }
    }
}

/// The frame size in a frame, if it is this method.
fn field(frame: &mut [u8], method: [u8; 4]) -> Option<&mut [u8; 4]> {
    const METHOD: u8 = 1;
    if frame.first() != Some(&METHOD) || frame.get(FRAME_HEAD..)?.first_chunk() != Some(&method) {
        return None;
    }
    frame.get_mut(FRAME_MAX_AT..)?.first_chunk_mut()
}

/// The stream that serves lapin as its socket.
pub(in crate::link) struct Pipe {
    feed: Arc<Feed>,
    out: Arc<Out>,
    frame_max: Arc<FrameMax>,
    /// `None` after lapin has logged in.
    login: Option<Login>,
    /// The first part of a frame that lapin has not completed yet.
    partial: Vec<u8>,
    has_begun: bool,
}

impl Pipe {
    pub(super) fn new(
        feed: Arc<Feed>,
        out: Arc<Out>,
        frame_max: Arc<FrameMax>,
        login: Login,
    ) -> Self {
        Self {
            feed,
            out,
            frame_max,
            login: Some(login),
            partial: Vec::new(),
            has_begun: false,
        }
    }

    /// How many of the written bytes are whole frames.
    fn whole(&mut self) -> usize {
        let mut whole = 0;
        loop {
            let left = &mut self.partial[whole..];
            let mut length = if self.has_begun {
                let Some(&[_, _, _, s3, s2, s1, s0]) = left.first_chunk::<FRAME_HEAD>() else {
                    return whole;
                };
                let size = u32::from_be_bytes([s3, s2, s1, s0]);
                FRAME_HEAD + usize::try_from(size).unwrap_or(usize::MAX) + 1
            } else {
                PROTOCOL_HEADER
            };
            let Some(frame) = left.get_mut(..length) else {
                return whole;
            };
            if self.has_begun {
                self.frame_max.said(frame);
                let logged_in = self.login.as_ref().and_then(|login| login.put_into(frame));
                if let Some(frame) = logged_in {
                    self.login = None;
                    self.partial
                        .splice(whole..whole + length, frame.iter().copied());
                    length = frame.len();
                }
            }
            self.has_begun = true;
            whole += length;
        }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut given = self.feed.lock();
        let unread = &given.bytes[given.read..];
        if !unread.is_empty() {
            let part = unread.len().min(buffer.len());
            buffer[..part].copy_from_slice(&unread[..part]);
            given.read += part;
            if given.read == given.bytes.len() {
                given.bytes.clear();
                given.read = 0;
            }
            return Poll::Ready(Ok(part));
        }
        match &mut given.end {
            Some(Some(_)) => {
                let error = given.end.replace(None).flatten();
                Poll::Ready(error.map_or(Ok(0), Err))
            }
            Some(None) => Poll::Ready(Ok(0)),
            None => {
                given.lapin = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.out.poll_ready(cx).is_pending() {
            return Poll::Pending;
        }
        self.partial.extend_from_slice(bytes);
        let whole = self.whole();
        if whole > 0 {
            self.out.write(|frames| frames.put(&self.partial[..whole]));
            self.partial.drain(..whole);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    /// Only a part of a frame is ever held back.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
