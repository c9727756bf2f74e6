//! The socket of a link, plain or with TLS, as two halves: a task reads, any thread writes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::{AsyncRead, AsyncWrite};
use lapin::tcp::AsyncTcpStream;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A stream to a broker, after the TLS handshake if there is one.
pub(in crate::link) type Stream = AsyncTcpStream<Socket>;

/// tokio's socket with the traits that the TLS library needs.
#[derive(Debug)]
pub(in crate::link) struct Socket(pub(in crate::link) TcpStream);

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        poll_read(&mut self.0, cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        tokio::io::AsyncWrite::poll_write(Pin::new(&mut self.0), cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        tokio::io::AsyncWrite::poll_flush(Pin::new(&mut self.0), cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        tokio::io::AsyncWrite::poll_shutdown(Pin::new(&mut self.0), cx)
    }
}

fn poll_read(
    source: &mut (impl tokio::io::AsyncRead + Unpin),
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    ready!(Pin::new(source).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

/// Reading and writing use the keys of one TLS session, so both halves share it. They only compute while they
/// hold the lock, and never wait.
#[derive(Clone)]
pub(super) struct Tls(Arc<Mutex<Stream>>);

impl Tls {
    fn lock(&self) -> MutexGuard<'_, Stream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The half for reading.
pub(super) enum Source {
    Plain(OwnedReadHalf),
    Tls(Tls),
}

/// The half for writing.
pub(super) enum Sink {
    Plain(OwnedWriteHalf),
    Tls(Tls),
    #[cfg(test)]
    Scripted(Arc<super::scripted::Socket>),
}

/// Splits a stream into its halves.
pub(super) fn split(stream: Stream) -> (Source, Sink) {
    match stream {
        AsyncTcpStream::Plain(Socket(tcp)) => {
            let (source, sink) = tcp.into_split();
            (Source::Plain(source), Sink::Plain(sink))
        }
        tls => {
            let tls = Tls(Arc::new(Mutex::new(tls)));
            (Source::Tls(tls.clone()), Sink::Tls(tls))
        }
    }
}

impl Source {
    /// Reads the available bytes. 0 bytes mean the end of the stream.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => poll_read(tcp, cx, buffer),
            Self::Tls(tls) => Pin::new(&mut *tls.lock()).poll_read(cx, buffer),
        }
    }
}

impl Sink {
    /// Writes as much as the socket takes. When the socket is full, only the waker of `cx` is called as soon
    /// as there is room.
    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tcp: &TcpStream = match self {
            Self::Plain(tcp) => tcp.as_ref(),
            Self::Tls(tls) => return Pin::new(&mut *tls.lock()).poll_write_vectored(cx, bytes),
            #[cfg(test)]
            Self::Scripted(socket) => return socket.poll_write(cx, bytes),
        };
        loop {
            match tcp.try_write_vectored(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
            ready!(tcp.poll_write_ready(cx))?;
        }
    }

    /// Passes all written bytes to the socket.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(tls) => Pin::new(&mut *tls.lock()).poll_flush(cx),
            #[cfg(test)]
            Self::Scripted(socket) => socket.poll_flush(cx),
        }
    }
}
