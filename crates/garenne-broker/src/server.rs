//! Sockets, tasks and time around the engine. All of it lives on one thread of the broker's own,
//! so that nothing a test does to its runtime can stop the broker, and nothing needs a lock.

mod door;
mod link;
mod reader;
mod trouble;
mod writer;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::pending;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::engine::{ConnectionId, Effect, Engine, Options, Time};
use crate::wire::encode;
use door::Door;
use link::Link;
pub(crate) use link::{End, Ending};
pub use trouble::Direction;
pub(crate) use trouble::Trouble;

/// Something to be done on the broker's thread.
pub(crate) type Call = Box<dyn FnOnce(&Rc<Server>) + Send>;

/// The broker, as its own thread sees it.
pub(crate) struct Server {
    engine: RefCell<Engine>,
    links: RefCell<BTreeMap<ConnectionId, Rc<Link>>>,
    pub(crate) clock: Clock,
    pub(crate) door: Door,
    pub(crate) trouble: Trouble,
    /// The next due time of the engine that the timer task knows of, and how it learns of another.
    armed: Cell<Option<Time>>,
    rearm: Notify,
    changes: watch::Sender<u64>,
    /// Kept between pumps, so that there is nothing to allocate.
    effects: RefCell<Vec<Effect>>,
}

impl Server {
    /// Binds the address and prepares everything; nothing runs yet.
    pub(crate) fn bind(
        addr: SocketAddr,
        options: Options,
        changes: watch::Sender<u64>,
    ) -> std::io::Result<Rc<Self>> {
        Ok(Rc::new(Self {
            engine: RefCell::new(Engine::new(options)),
            links: RefCell::new(BTreeMap::new()),
            clock: Clock::start(),
            door: Door::open(addr)?,
            trouble: Trouble::default(),
            armed: Cell::new(None),
            rearm: Notify::new(),
            changes,
            effects: RefCell::new(Vec::new()),
        }))
    }

    /// Serves until nobody can call any more.
    pub(crate) async fn run(self: Rc<Self>, mut calls: mpsc::UnboundedReceiver<Call>) {
        spawn_local(Rc::clone(&self).accept_connections());
        spawn_local(Rc::clone(&self).keep_time());
        while let Some(call) = calls.recv().await {
            call(&self);
        }
    }

    async fn accept_connections(self: Rc<Self>) {
        loop {
            let accepted = self.door.accept().await;
            self.trouble.thawed().await;
            match accepted {
                Ok((stream, peer)) if self.trouble.is_silent() => {
                    tracing::debug!(%peer, "connection accepted and ignored");
                    self.trouble.ignore(stream);
                }
                Ok((stream, peer)) => self.welcome(stream, peer),
                // Nothing but too many open files gets here; a moment later there may be fewer.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn welcome(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        // Small frames must not wait for each other.
        let _ = stream.set_nodelay(true);
        let local = stream
            .local_addr()
            .map(|addr| addr.to_string())
            .unwrap_or_default();
        let name = format!("{peer} -> {local}");
        let id = self.engine.borrow_mut().connected(name, self.clock.now());
        let link = Rc::new(Link::new(id));
        self.links.borrow_mut().insert(id, Rc::clone(&link));
        let serving = spawn_local(link::run(Rc::clone(self), Rc::clone(&link), stream));
        link.served_by(serving);
        self.pump();
    }

    async fn keep_time(self: Rc<Self>) {
        loop {
            let due = self.engine.borrow().next_due();
            self.armed.set(due);
            let alarm = async {
                match due {
                    Some(due) => sleep(self.clock.until(due)).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = alarm => self.with(|engine, now| engine.fire(now)),
                () = self.rearm.notified() => {}
            }
        }
    }

    /// Lets the engine do something and carries out what follows.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Engine, Time) -> T) -> T {
        let result = act(&mut self.engine.borrow_mut(), self.clock.now());
        self.pump();
        result
    }

    /// Looks at the engine.
    pub(crate) fn see<T>(&self, look: impl FnOnce(&Engine) -> T) -> T {
        look(&self.engine.borrow())
    }

    /// Pushes the clock; everything that becomes due happens before this returns.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.with(|engine, now| engine.fire(now));
    }

    /// Carries out what the engine wants, and tells those who wait for a change.
    fn pump(&self) {
        let mut effects = self.effects.take();
        self.engine.borrow_mut().take_effects(&mut effects);
        for effect in effects.drain(..) {
            self.carry_out(effect);
        }
        self.effects.replace(effects);
        let (due, version) = self.see(|engine| (engine.next_due(), engine.version()));
        if due != self.armed.get() {
            self.rearm.notify_one();
        }
        self.changes
            .send_if_modified(|seen| std::mem::replace(seen, version) != version);
    }

    fn carry_out(&self, effect: Effect) {
        let id = match &effect {
            Effect::Send(id, _) | Effect::Block(id, _) => *id,
            Effect::Tuned { connection: id, .. } | Effect::Opened(id) => *id,
            Effect::Closing(id) | Effect::Hangup(id) => *id,
        };
        let links = self.links.borrow();
        let Some(link) = links.get(&id) else { return };
        match effect {
            Effect::Send(_, output) => {
                if self.trouble.cuts_method(output.method_id()) {
                    link.end(End::Reset);
                }
                let body = output.delivered_body();
                let spoiled = body.is_some_and(|body| self.trouble.spoils(body));
                if !link.is_ending() {
                    link.write(|buffer| {
                        encode(&output, link.frame_max(), buffer);
                        if let Some(frame_end) = buffer.last_mut().filter(|_| spoiled) {
                            *frame_end = 0;
                        }
                    });
                }
            }
            Effect::Tuned {
                frame_max,
                heartbeat,
                ..
            } => link.tune(frame_max, heartbeat),
            Effect::Opened(_) => link.open(),
            Effect::Block(_, blocked) => link.block(blocked),
            Effect::Closing(_) => link.expect_end(),
            Effect::Hangup(_) => link.hang_up(),
        }
    }

    /// Everything for a connection is written.
    fn drained(&self, link: &Link) {
        self.with(|engine, now| engine.drained(link.id, now));
        link.on_drained();
    }

    /// A connection's socket is gone, or as good as gone.
    fn disconnected(&self, id: ConnectionId) {
        if self.links.borrow_mut().remove(&id).is_some() {
            self.with(|engine, now| engine.disconnected(id, now));
        }
    }

    /// Ends all connections without a word.
    pub(crate) fn cut_all(&self, how: End) -> Ending {
        let links: Vec<_> = self.links.borrow().values().cloned().collect();
        let ending = Ending::of(&links, how);
        for link in &links {
            self.disconnected(link.id);
        }
        ending
    }

    /// Ends everything as a killed process would, and refuses connections from now on.
    pub(crate) fn crash(&self) -> std::io::Result<Ending> {
        let links = std::mem::take(&mut *self.links.borrow_mut());
        let links: Vec<_> = links.into_values().collect();
        let ending = Ending::of(&links, End::Reset);
        self.with(|engine, now| engine.crash(now));
        self.trouble.after_crash();
        self.door.shut()?;
        Ok(ending)
    }
}
