//! The broker's handle.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{LocalSet, unconstrained};

use crate::builder::BrokerBuilder;
use crate::engine::{Engine, Options, Time};
use crate::error::Error;
use crate::faults::Faults;
use crate::password::Password;
use crate::server::{Call, Server};

/// An AMQP 0-9-1 broker inside this process, on a thread of its own.
///
/// It runs until it is dropped or [shut down](Broker::shutdown). Its methods may be awaited on any
/// runtime: nothing but the waiting happens there.
#[derive(Debug)]
pub struct Broker {
    handle: Handle,
    addr: SocketAddr,
    user: String,
    password: Password,
    thread: Option<JoinHandle<()>>,
}

/// How everybody else talks to the broker's thread.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    calls: mpsc::UnboundedSender<Call>,
    pub(crate) changes: watch::Receiver<u64>,
    /// Ends the thread, whoever else still holds a handle.
    stop: Arc<watch::Sender<bool>>,
}

impl Broker {
    /// Starts a broker with the defaults: any free port, user `guest`, virtual host `/`.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] or [`Error::Thread`] when the system has no port or thread left.
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// Options to start with.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::default()
    }

    pub(crate) async fn launch(
        addr: SocketAddr,
        user: String,
        password: Password,
        options: Options,
    ) -> Result<Self, Error> {
        let (calls, received) = mpsc::unbounded_channel();
        let (changed, changes) = watch::channel(0);
        let (stop, stopped) = watch::channel(false);
        let (report, started) = oneshot::channel();
        let serve = move || serve(addr, options, changed, received, stopped, report);
        let thread = Builder::new()
            .name("garenne-broker".to_owned())
            .spawn(serve)
            .map_err(|source| Error::Thread { source })?;
        let addr = unconstrained(started).await.map_err(|_| Error::Stopped)??;
        let handle = Handle {
            calls,
            changes,
            stop: Arc::new(stop),
        };
        Ok(Self {
            handle,
            addr,
            user,
            password,
            thread: Some(thread),
        })
    }

    /// The address that clients connect to.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL for the virtual host `/`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for("/")
    }

    /// The URL for a virtual host.
    #[must_use]
    pub fn url_for(&self, vhost: &str) -> String {
        let (user, password) = (escape(&self.user), escape(self.password.reveal()));
        format!("amqp://{user}:{password}@{}/{}", self.addr, escape(vhost))
    }

    /// The broker's time: how long it has run, and what was [added](Self::advance).
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] after a shutdown.
    pub async fn now(&self) -> Result<Duration, Error> {
        self.handle.call(|server| server.clock.now()).await
    }

    /// Lets time pass at once: message TTLs, queue expiries and consumer timeouts that end in it
    /// happen in their order and each at its own time, so that a message may fall through several
    /// queues. All of it has happened when this returns; what consumers get is on its way to them.
    ///
    /// The clock stops a thousand years ahead. What a client sent is counted from when the broker read it: wait for a confirm, or with
    /// [`wait_until`](Self::wait_until), before time is advanced.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] after a shutdown.
    pub async fn advance(&self, by: Duration) -> Result<(), Error> {
        self.handle.call(move |server| server.advance(by)).await
    }

    /// Lets just so much time pass that the next thing that is due happens, and says how much that
    /// was; `None` when nothing is due ever.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] after a shutdown.
    pub async fn advance_to_next(&self) -> Result<Option<Duration>, Error> {
        let jump = |server: &Rc<Server>| {
            let due = server.see(|engine| engine.next_due())?;
            let by = server.clock.until(due);
            server.advance(by);
            Some(by)
        };
        self.handle.call(jump).await
    }

    /// How long until the next thing is due, if the clock runs by itself; zero when it is due now,
    /// `None` when nothing is due ever. Nothing happens by asking, so that a test can see what
    /// [`advance_to_next`](Self::advance_to_next) would do before it does.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] after a shutdown.
    pub async fn next_due(&self) -> Result<Option<Duration>, Error> {
        let peek = |server: &Rc<Server>| {
            let due = server.see(|engine| engine.next_due())?;
            Some(server.clock.until(due))
        };
        self.handle.call(peek).await
    }

    /// The handle that makes things go wrong.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults::new(self.handle.clone())
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Stops the broker: the port is free and all connections are ended when this returns.
    pub async fn shutdown(mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            // The channel closes when the thread lets go of its end.
            self.handle.calls.closed().await;
            let _ = thread.join();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            // It has nothing to wait for, so this takes no longer than closing its sockets.
            let _ = thread.join();
        }
    }
}

impl Handle {
    /// Does something on the broker's thread.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Rc<Server>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let call: Call = Box::new(move |server| drop(reply.send(act(server))));
        self.calls.send(call).map_err(|_| Error::Stopped)?;
        // A task's share of its thread is for what it does itself; and whoever blocks on this
        // inside a task would wait for ever when the share is used up.
        unconstrained(answer).await.map_err(|_| Error::Stopped)
    }

    /// Lets the engine do something.
    pub(crate) async fn engine<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Engine, Time) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.call(|server| server.with(act)).await
    }

    /// Looks at the engine.
    pub(crate) async fn see<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.call(|server| server.see(look)).await
    }

    fn stop(&self) {
        self.stop.send_replace(true);
    }
}

/// The broker's thread.
fn serve(
    addr: SocketAddr,
    options: Options,
    changes: watch::Sender<u64>,
    calls: mpsc::UnboundedReceiver<Call>,
    mut stopped: watch::Receiver<bool>,
    report: oneshot::Sender<Result<SocketAddr, Error>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(source) => return drop(report.send(Err(Error::Thread { source }))),
    };
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        let server = match Server::bind(addr, options, changes) {
            Ok(server) => server,
            Err(source) => return drop(report.send(Err(Error::Listen { addr, source }))),
        };
        if report.send(Ok(server.door.addr())).is_err() {
            return;
        }
        tokio::select! {
            () = server.run(calls) => {}
            // An error means that the handle is gone, which is as good as asked.
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    });
}

/// Escapes what may not stand in a part of a URL.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}
