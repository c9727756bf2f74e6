//! Frames over a socket.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::put_long;

pub(super) const METHOD: u8 = 1;
pub(super) const HEADER: u8 = 2;
pub(super) const BODY: u8 = 3;
const FRAME_END: u8 = 206;
/// The bytes that a frame has beside its payload.
pub(super) const OVERHEAD: usize = 8;

/// How long an answer is waited for. A broker answers within milliseconds, or never.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that sends and reads frames and knows nothing of what is in them.
#[derive(Debug)]
pub(super) struct Frames {
    stream: TcpStream,
    /// Sent together, at the end of what belongs together.
    pending: Vec<u8>,
}

/// One frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) channel: u16,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// Class and method of a method frame.
    pub(super) fn method(&self) -> Option<(u16, u16)> {
        let mut fields = Fields(&self.payload);
        (self.kind == METHOD).then(|| (fields.u16(), fields.u16()))
    }

    /// The fields of a method, behind its class and number.
    pub(super) fn fields(&self) -> Fields<'_> {
        Fields(self.payload.get(4..).unwrap_or_default())
    }
}

impl Frames {
    pub(super) async fn connect(host: &str, port: u16) -> Self {
        let stream = TcpStream::connect((host, port)).await;
        let stream =
            stream.unwrap_or_else(|error| panic!("failed to connect to {host}:{port}: {error}"));
        let mut frames = Self {
            stream,
            pending: Vec::new(),
        };
        frames.pending.extend_from_slice(b"AMQP\0\0\x09\x01");
        frames
    }

    pub(super) fn put(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        self.pending.push(kind);
        self.pending.extend_from_slice(&channel.to_be_bytes());
        put_long(payload, &mut self.pending);
        self.pending.push(FRAME_END);
    }

    /// Sends what was put. A broken connection shows when the answer is read.
    pub(super) async fn flush(&mut self) {
        let _unread = self.stream.write_all(&self.pending).await;
        self.pending.clear();
    }

    /// The next frame; none when the stream is over.
    pub(super) async fn read(&mut self) -> Option<Frame> {
        let frame = tokio::time::timeout(PATIENCE, self.read_frame()).await;
        frame.unwrap_or_else(|_| panic!("the broker said nothing for {PATIENCE:?}"))
    }

    async fn read_frame(&mut self) -> Option<Frame> {
        let mut head = [0; 7];
        self.stream.read_exact(&mut head).await.ok()?;
        let [kind, n1, n2, s1, s2, s3, s4] = head;
        let size = u64::from(u32::from_be_bytes([s1, s2, s3, s4]));
        let mut payload = Vec::new();
        let mut rest = (&mut self.stream).take(size + 1);
        rest.read_to_end(&mut payload).await.ok()?;
        if payload.len() as u64 <= size {
            return None;
        }
        assert_eq!(payload.pop(), Some(FRAME_END), "a frame has its end");
        Some(Frame {
            kind,
            channel: u16::from_be_bytes([n1, n2]),
            payload,
        })
    }
}

/// The fields of a method that are not read yet. A field that is missing reads as 0 or as empty.
#[derive(Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(count).unwrap_or_default();
        self.0 = rest;
        taken
    }

    pub(super) fn u8(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.u8(), self.u8()])
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_be_bytes([self.u8(), self.u8(), self.u8(), self.u8()])
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from(self.u32()) << 32 | u64::from(self.u32())
    }

    /// A short string. Bytes that are not UTF-8 are replaced.
    pub(super) fn short(&mut self) -> String {
        let size = usize::from(self.u8());
        String::from_utf8_lossy(self.take(size)).into_owned()
    }
}
