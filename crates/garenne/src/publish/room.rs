//! The memory bounds of a publisher: how many messages it holds, and how many bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::PublishError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many messages a publisher holds by default.
pub(super) const MAX_MESSAGES: usize = 1024;
/// How many bytes of messages it holds by default.
pub(super) const MAX_BYTES: u32 = 64 * 1024 * 1024;

/// The window of a publisher. A message enters it before it is handed over, and leaves it when its result is
/// certain, even if its sender no longer waits. Clones share the room.
#[derive(Clone)]
pub(super) struct Room {
    slots: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    max_bytes: u32,
    tally: Arc<Tally>,
}

/// The counts of a publisher.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) messages: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) confirmed: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) possible_duplicates: AtomicU64,
    pub(super) late_replies: AtomicU64,
}

impl Tally {
    pub(super) fn answered(&self, result: &Result<(), PublishError>) {
        let counter = match result {
            Ok(()) => &self.confirmed,
            Err(_) => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The place of a message; dropping it frees the place.
pub(super) struct Place {
    tally: Arc<Tally>,
    bytes: u64,
    /// `None` for a message that is buffered beyond the window.
    _window: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

/// The buffer has no place for another message.
pub(super) struct Full;

impl Room {
    pub(super) fn new(max_messages: usize, max_bytes: u32) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(max_messages)),
            bytes: Arc::new(Semaphore::new(
                usize::try_from(max_bytes).unwrap_or(usize::MAX),
            )),
            max_bytes,
            tally: Arc::default(),
        }
    }

    pub(super) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// A place in the window, if a place is free now.
    pub(super) fn try_enter(&self, size: usize) -> Option<Place> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        let bytes = Arc::clone(&self.bytes).try_acquire_many_owned(self.weight(size));
        Some(self.place(size, Some((slot, bytes.ok()?))))
    }

    /// A place in the window, in the order of the calls.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only gives up the position in the waiting line.
    pub(super) async fn enter(&self, size: usize) -> Place {
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(self.weight(size));
        // The semaphores are never closed.
        let window = match (slot, bytes.await) {
            (Ok(slot), Ok(bytes)) => Some((slot, bytes)),
            _ => None,
        };
        self.place(size, window)
    }

    /// A place beyond the window, while the total is within these bounds.
    pub(super) fn buffer(
        &self,
        size: usize,
        max_messages: usize,
        max_bytes: usize,
    ) -> Result<Place, Full> {
        let place = self.place(size, None);
        // Count first, then check: of two concurrent messages, at least one sees the other.
        let fits = |held: &AtomicU64, max: usize| {
            usize::try_from(held.load(Ordering::SeqCst)).is_ok_and(|held| held <= max)
        };
        if fits(&self.tally.messages, max_messages) && fits(&self.tally.bytes, max_bytes) {
            Ok(place)
        } else {
            Err(Full)
        }
    }

    fn place(
        &self,
        size: usize,
        window: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
    ) -> Place {
        let bytes = u64::try_from(size).unwrap_or(u64::MAX);
        self.tally.messages.fetch_add(1, Ordering::SeqCst);
        self.tally.bytes.fetch_add(bytes, Ordering::SeqCst);
        Place {
            tally: Arc::clone(&self.tally),
            bytes,
            _window: window,
        }
    }

    /// A message larger than the whole window fills it alone.
    fn weight(&self, size: usize) -> u32 {
        u32::try_from(size).unwrap_or(u32::MAX).min(self.max_bytes)
    }
}

impl Place {
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.tally.messages.fetch_sub(1, Ordering::SeqCst);
        self.tally.bytes.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_bounded_in_messages_and_in_bytes() {
        let room = Room::new(2, 100);
        let first = room.try_enter(10);
        assert!(first.is_some());
        assert!(room.try_enter(91).is_none(), "101 bytes");
        let second = room.try_enter(90);
        assert!(second.is_some());
        assert!(room.try_enter(0).is_none(), "three messages");
        drop(first);
        assert!(room.try_enter(10).is_some());
    }

    #[test]
    fn a_message_larger_than_the_window_goes_alone() {
        let room = Room::new(2, 100);
        let large = room.try_enter(1000);
        assert!(large.is_some());
        assert!(room.try_enter(1).is_none());
        drop(large);
        let small = room.try_enter(1);
        assert!(small.is_some() && room.try_enter(1000).is_none());
    }

    #[test]
    fn a_buffer_counts_what_the_window_holds_and_what_leaves_makes_room() {
        let room = Room::new(2, 100);
        let window = room.try_enter(50);
        let buffered = room.buffer(30, 2, 80);
        assert!(window.is_some() && buffered.is_ok());
        assert!(room.buffer(0, 2, 80).is_err(), "three messages");
        assert!(room.buffer(1, 9, 80).is_err(), "81 bytes");
        drop(window);
        assert!(room.buffer(50, 2, 80).is_ok());
    }
}
