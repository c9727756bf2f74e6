//! One incarnation of a worker's channel, as the lives of its deliveries see it.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// Alive until nothing can be settled on the channel any more.
pub(super) struct Line {
    alive: Cell<bool>,
    cut: Notify,
}

impl Line {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            alive: Cell::new(true),
            cut: Notify::new(),
        })
    }

    pub(super) fn is_alive(&self) -> bool {
        self.alive.get()
    }

    /// Returns when nothing can be settled on this channel any more.
    pub(super) async fn gone(&self) {
        let cut = self.cut.notified();
        if self.alive.get() {
            cut.await;
        }
    }

    /// What a future gives, unless nothing can be settled on this channel before.
    pub(super) async fn while_alive<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.gone() => None,
            output = future => Some(output),
        }
    }

    pub(super) fn cut(&self) {
        self.alive.set(false);
        self.cut.notify_waiters();
    }
}
