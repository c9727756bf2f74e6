//! Whether messages can still be settled on a worker's channel, as the lives of its deliveries see it.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// True until nothing can be settled any more on its channel. The channel's task and the lives of its
/// deliveries share it.
pub(super) struct ChannelAlive {
    alive: Cell<bool>,
    gone: Notify,
}

/// The channel is gone: nothing can be settled on it, and the broker redelivers its messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChannelGone;

impl ChannelAlive {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            alive: Cell::new(true),
            gone: Notify::new(),
        })
    }

    pub(super) fn is_alive(&self) -> bool {
        self.alive.get()
    }

    /// Returns when the channel is gone.
    pub(super) async fn gone(&self) -> ChannelGone {
        let gone = self.gone.notified();
        if self.alive.get() {
            gone.await;
        }
        ChannelGone
    }

    /// The output of a future.
    ///
    /// # Errors
    ///
    /// [`ChannelGone`] when the channel goes first.
    pub(super) async fn while_alive<T>(
        &self,
        future: impl Future<Output = T>,
    ) -> Result<T, ChannelGone> {
        tokio::select! {
            biased;
            gone = self.gone() => Err(gone),
            output = future => Ok(output),
        }
    }

    /// Lets every life know that the channel is gone.
    pub(super) fn end(&self) {
        self.alive.set(false);
        self.gone.notify_waiters();
    }
}
