//! How far the life of a delivery has come, for the tasks that watch it.

use std::cell::Cell;
use std::time::Instant;

/// How far the life of a delivery has come. The life writes it; the task of its channel reads it.
#[derive(Default)]
pub(super) struct Stage {
    reached: Cell<Reached>,
    waiting_since: Cell<Option<Instant>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Reached {
    /// No handler has begun with the message.
    #[default]
    Received,
    /// A handler has the message.
    Running,
    /// No handler has the message any more: it may only have to be stored or acked.
    Ended,
}

impl Stage {
    /// A handler begins with the message.
    pub(super) fn begin(&self) {
        self.reached.set(Reached::Running);
    }

    /// The handler has been waiting since `then`. A handler that never waits is done at once.
    pub(super) fn wait_since(&self, then: Instant) {
        // If the handler begins again with the message, its time counts from the first run.
        if self.waiting_since.get().is_none() {
            self.waiting_since.set(Some(then));
        }
    }

    /// No handler has the message any more.
    pub(super) fn end(&self) {
        self.reached.set(Reached::Ended);
    }

    /// The next delivery begins its life.
    pub(super) fn reset(&self) {
        self.reached.set(Reached::Received);
        self.waiting_since.set(None);
    }

    /// Whether a handler has the message, or has had it.
    pub(super) fn has_begun(&self) -> bool {
        self.reached.get() != Reached::Received
    }

    /// Whether a handler has the message.
    pub(super) fn is_running(&self) -> bool {
        self.reached.get() == Reached::Running
    }

    /// Whether the message only has to be stored or acked.
    pub(super) fn has_ended(&self) -> bool {
        self.reached.get() == Reached::Ended
    }

    /// For how long the handler has run, in milliseconds. `None`: it has not waited yet.
    pub(super) fn ran_ms(&self) -> Option<u64> {
        let since = self.waiting_since.get()?;
        u64::try_from(since.elapsed().as_millis()).ok()
    }
}
