//! Which of a task's many futures are to be polled next.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The places of the futures that were woken, and the task that polls them.
#[derive(Default)]
pub(super) struct Woken(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    places: Vec<usize>,
    task: Option<Waker>,
}

impl Woken {
    /// Moves the places of all futures that were woken since the last time to the end of `due`. A future
    /// that is woken from now on wakes the task.
    pub(super) fn take(&self, task: &Waker, due: &mut Vec<usize>) {
        let mut inner = self.lock();
        due.append(&mut inner.places);
        match &mut inner.task {
            Some(known) => known.clone_from(task),
            none => *none = Some(task.clone()),
        }
    }

    pub(super) fn add(&self, place: usize) {
        let mut inner = self.lock();
        inner.places.push(place);
        // Only the first wake since the task looked has to wake it.
        let task = if inner.places.len() == 1 {
            inner.task.take()
        } else {
            None
        };
        drop(inner);
        if let Some(task) = task {
            task.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the future at its place, from any thread. It outlives that future: another future at the same
/// place is then polled once for nothing.
pub(super) struct Caller {
    woken: Arc<Woken>,
    place: usize,
    has_called: AtomicBool,
}

impl Caller {
    pub(super) fn new(woken: &Arc<Woken>, place: usize) -> Arc<Self> {
        Arc::new(Self {
            woken: Arc::clone(woken),
            place,
            has_called: AtomicBool::new(false),
        })
    }

    /// Call it before the future is polled: calls that come while the future is polled count for the next
    /// time.
    ///
    /// It must be a swap, not a store: a second call that finds the first not yet heard does nothing
    /// itself. With a store, the next poll could miss data that were written before that second call.
    pub(super) fn is_heard(&self) {
        self.has_called.swap(false, Ordering::AcqRel);
    }
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.has_called.swap(true, Ordering::AcqRel) {
            self.woken.add(self.place);
        }
    }
}
