//! The socket under lapin's I/O thread, which waits for the broker by itself.
//!
//! lapin's thread sleeps until a reactor, which is another thread, says that there is something to
//! read. While messages stream in, every batch of them would wake both: a tenth of what a message
//! costs. So for as long as the broker keeps talking, the thread stays in the socket's read until it
//! says more, on links where much comes at once ([`Link::expects`](super::Link::expects)). What is to
//! be written meanwhile is announced with a [`Bell`](super::bell::Bell); what comes without waits for a
//! millisecond at most. Then, and whenever nobody has promised to ring, the reactor watches.
//!
//! A turn of lapin's is: flush, write, read until there is nothing more, look at what was read. Here it
//! reads once a turn, and [`Wakes`](super::wakes::Wakes) wait until it has looked.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{AsyncRead, AsyncWrite};
use tokio::io::ReadBuf;
use tokio::runtime::Handle;

use super::IoThread;
use super::bell::Woken;

/// How long the broker may be silent before the reactor watches the socket.
const SILENCE: Duration = Duration::from_millis(1);
/// The most bytes that are read at once after something has come for somebody: what lapin looks at in
/// about a millisecond if the messages are small. Those who handle them wait for that long.
const CHUNK: usize = 32 * 1024;

/// A TCP socket.
#[derive(Debug)]
pub(super) struct Socket {
    tcp: Tcp,
    /// Whose reactor watches it when nobody waits for it.
    runtime: Handle,
    thread: IoThread,
    /// The last read did not fill its buffer: there is nothing more, or very new.
    is_empty: bool,
    turn: Turn,
    /// How much may be read in the next turn. No end of it after one in which nothing came for anybody
    /// who waits: a large message is coming, or whom it concerns is busy.
    chunk: usize,
    /// lapin was told to ask for more at once, and will.
    asks_again: bool,
    /// lapin waits for the reactor to say that it can write.
    write_waits: bool,
}

#[derive(Debug)]
enum Turn {
    /// It has read, and may ask for more.
    HasRead,
    /// It has asked for more, and now looks at what there is.
    Looks,
    /// It has seen all that was read.
    Over,
}

#[derive(Debug)]
enum Tcp {
    Ours(TcpStream),
    Watched(tokio::net::TcpStream),
    /// The reactor would not take it, or not give it back.
    Lost,
}

impl Socket {
    /// Takes a socket that does not block.
    pub(super) fn new(tcp: TcpStream, runtime: Handle, thread: IoThread) -> Self {
        Self {
            tcp: Tcp::Ours(tcp),
            runtime,
            thread,
            is_empty: false,
            turn: Turn::Over,
            chunk: CHUNK,
            asks_again: false,
            write_waits: false,
        }
    }

    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.turn {
            Turn::HasRead => {
                self.turn = Turn::Looks;
                return self.later(cx);
            }
            Turn::Looks => self.end_turn(),
            Turn::Over => {}
        }
        self.asks_again = false;
        let size = buffer.len().min(self.chunk);
        let buffer = &mut buffer[..size];
        let mut has_waited = false;
        while let Tcp::Ours(tcp) = &mut self.tcp {
            if !self.is_empty {
                match tcp.read(buffer) {
                    Ok(read) => return Poll::Ready(Ok(self.has_read(read, size))),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_empty = true,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            if has_waited || !self.thread.bell.is_used() {
                break;
            }
            has_waited = true;
            match self.thread.bell.wait(tcp.as_fd(), SILENCE)? {
                Woken::Readable => self.is_empty = false,
                Woken::Rung => return self.later(cx),
                Woken::TimedOut => {}
            }
        }
        self.thread.wakes.let_go();
        let mut buffer = ReadBuf::new(buffer);
        let watched = Pin::new(self.watched()?);
        ready!(tokio::io::AsyncRead::poll_read(watched, cx, &mut buffer))?;
        // Back there, nobody would tell lapin that it can write again.
        if self.thread.bell.is_used() && !self.write_waits {
            self.take_back()?;
        }
        Poll::Ready(Ok(self.has_read(buffer.filled().len(), size)))
    }

    /// Nothing read is the end of the stream, and is to be read again.
    fn has_read(&mut self, read: usize, size: usize) -> usize {
        self.is_empty = (1..size).contains(&read);
        if read > 0 {
            self.turn = Turn::HasRead;
            self.thread.wakes.hold();
        } else {
            self.thread.wakes.let_go();
        }
        read
    }

    /// lapin has looked at everything: whoever it concerns may go on.
    fn end_turn(&mut self) {
        if !matches!(self.turn, Turn::Over) {
            self.turn = Turn::Over;
            let came_for_somebody = self.thread.wakes.let_go();
            self.chunk = if came_for_somebody { CHUNK } else { usize::MAX };
        }
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        while let Tcp::Ours(tcp) = &mut self.tcp {
            match tcp.write(bytes) {
                Ok(written) => {
                    self.has_written();
                    return Poll::Ready(Ok(written));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let watched = Pin::new(self.watched()?);
        let written = tokio::io::AsyncWrite::poll_write(watched, cx, bytes);
        self.write_waits = written.is_pending();
        written
    }

    /// Whoever learns that something was written goes on to wait for the answer. It is woken once for
    /// both, or when there is none for a while.
    fn has_written(&self) {
        if self.asks_again {
            self.thread.wakes.hold();
        }
    }

    /// Gives lapin its turn, and asks to be polled again.
    fn later<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        self.asks_again = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The socket, watched by the reactor.
    fn watched(&mut self) -> io::Result<&mut tokio::net::TcpStream> {
        self.tcp = match std::mem::replace(&mut self.tcp, Tcp::Lost) {
            Tcp::Ours(tcp) => {
                let _entered = self.runtime.enter();
                Tcp::Watched(tokio::net::TcpStream::from_std(tcp)?)
            }
            other => other,
        };
        match &mut self.tcp {
            Tcp::Watched(tcp) => Ok(tcp),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn take_back(&mut self) -> io::Result<()> {
        self.tcp = match std::mem::replace(&mut self.tcp, Tcp::Lost) {
            Tcp::Watched(tcp) => Tcp::Ours(tcp.into_std()?),
            other => other,
        };
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.thread.wakes.let_go();
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, bytes)
    }

    /// Nothing is kept back. lapin flushes at the beginning of each of its turns, after it has looked at
    /// what it read in the one before; and it looks for frames to write after every flush.
    fn poll_flush(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end_turn();
        self.thread.bell.hush();
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.thread.wakes.let_go();
        self.take_back()?;
        Poll::Ready(match &self.tcp {
            Tcp::Ours(tcp) => tcp.shutdown(Shutdown::Write),
            _ => Ok(()),
        })
    }
}

#[cfg(test)]
mod tests;
