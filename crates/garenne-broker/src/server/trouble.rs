//! What is wrong on purpose with the sockets.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

/// Which bytes a fault counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From clients to the broker.
    Inbound,
    /// From the broker to clients.
    Outbound,
}

pub(crate) struct Trouble {
    frozen: watch::Sender<bool>,
    silent: Cell<bool>,
    /// Connections that are accepted and never answered.
    ignored: RefCell<Vec<TcpStream>>,
    delay: Cell<Duration>,
    /// Bytes that may still pass, by direction.
    inbound: Cell<Option<u64>>,
    outbound: Cell<Option<u64>>,
    /// Methods to wait for: class, method, how many to go.
    methods: RefCell<Vec<(u16, u16, u64)>>,
    /// Bodies of messages that are written so that nobody can read them.
    spoiled: RefCell<Vec<Bytes>>,
}

impl Default for Trouble {
    fn default() -> Self {
        Self {
            frozen: watch::Sender::new(false),
            silent: Cell::new(false),
            ignored: RefCell::default(),
            delay: Cell::new(Duration::ZERO),
            inbound: Cell::new(None),
            outbound: Cell::new(None),
            methods: RefCell::default(),
            spoiled: RefCell::default(),
        }
    }
}

impl Trouble {
    pub(crate) fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    /// Waits while the broker is frozen.
    pub(crate) async fn thawed(&self) {
        if *self.frozen.borrow() {
            // The sender is ours, so it cannot be gone.
            let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
        }
    }

    pub(crate) fn be_silent(&self, silent: bool) {
        self.silent.set(silent);
        if !silent {
            self.ignored.take();
        }
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.silent.get()
    }

    pub(crate) fn ignore(&self, stream: TcpStream) {
        self.ignored.borrow_mut().push(stream);
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        self.delay.set(delay);
    }

    pub(crate) async fn delayed(&self) {
        if !self.delay.get().is_zero() {
            sleep(self.delay.get()).await;
        }
    }

    pub(crate) fn cut_after_bytes(&self, count: u64, direction: Direction) {
        self.budget(direction).set(Some(count));
    }

    /// How many of `count` bytes may pass, and whether the line is cut after them.
    pub(crate) fn pass(&self, count: usize, direction: Direction) -> (usize, bool) {
        let budget = self.budget(direction);
        let Some(left) = budget.get() else {
            return (count, false);
        };
        let passing = usize::try_from(left).map_or(count, |left| left.min(count));
        let left = left - passing as u64;
        budget.set(Some(left).filter(|left| *left > 0));
        (passing, left == 0)
    }

    fn budget(&self, direction: Direction) -> &Cell<Option<u64>> {
        match direction {
            Direction::Inbound => &self.inbound,
            Direction::Outbound => &self.outbound,
        }
    }

    pub(crate) fn cut_at_method(&self, class: u16, method: u16, count: u64) {
        self.methods
            .borrow_mut()
            .push((class, method, count.max(1)));
    }

    /// Whether this method is one that was waited for.
    pub(crate) fn cuts_method(&self, (class, method): (u16, u16)) -> bool {
        let mut methods = self.methods.borrow_mut();
        let mut cut = false;
        methods.retain_mut(|(wanted_class, wanted_method, left)| {
            if (*wanted_class, *wanted_method) != (class, method) {
                return true;
            }
            *left -= 1;
            cut |= *left == 0;
            *left > 0
        });
        cut
    }

    pub(crate) fn spoil(&self, body: Bytes) {
        self.spoiled.borrow_mut().push(body);
    }

    /// Whether a message with this body is to be written so that nobody can read it.
    pub(crate) fn spoils(&self, body: &[u8]) -> bool {
        self.spoiled.borrow().iter().any(|spoiled| spoiled == body)
    }

    /// Takes back every fault.
    pub(crate) fn clear(&self) {
        self.freeze(false);
        self.be_silent(false);
        self.after_crash();
        self.set_delay(Duration::ZERO);
        self.spoiled.take();
    }

    /// A crash is what cuts were for.
    pub(crate) fn after_crash(&self) {
        self.inbound.set(None);
        self.outbound.set(None);
        self.methods.take();
    }
}
