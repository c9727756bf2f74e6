//! The listening socket. Shut, it keeps its port, so that nobody else can take it meanwhile.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

pub(crate) struct Door {
    addr: SocketAddr,
    state: RefCell<State>,
    /// Whoever waits for a connection, to look again when the state changed.
    waiter: RefCell<Option<Waker>>,
}

enum State {
    Open(TcpListener),
    /// Bound and not listening: connections are refused.
    Shut(TcpSocket),
    /// Between two states.
    Gone,
}

impl Door {
    pub(crate) fn open(addr: SocketAddr) -> io::Result<Self> {
        let listener = socket(addr)?.listen(BACKLOG)?;
        Ok(Self {
            addr: listener.local_addr()?,
            state: RefCell::new(State::Open(listener)),
            waiter: RefCell::new(None),
        })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.waiter.replace(Some(context.waker().clone()));
        match &*self.state.borrow() {
            State::Open(listener) => listener.poll_accept(context),
            _ => Poll::Pending,
        }
    }

    /// Refuses connections from now on.
    pub(crate) fn shut(&self) -> io::Result<()> {
        if let State::Shut(_) = &*self.state.borrow() {
            return Ok(());
        }
        // The listener must be gone before the port can be bound again.
        drop(self.state.replace(State::Gone));
        self.state.replace(State::Shut(socket(self.addr)?));
        Ok(())
    }

    /// Accepts connections again, on the same port.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        if let State::Open(_) = &*self.state.borrow() {
            return Ok(());
        }
        let socket = match self.state.replace(State::Gone) {
            State::Shut(socket) => socket,
            _ => socket(self.addr)?,
        };
        self.state.replace(State::Open(socket.listen(BACKLOG)?));
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
        Ok(())
    }
}

fn socket(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Connections of a moment ago still count as using the port.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}
