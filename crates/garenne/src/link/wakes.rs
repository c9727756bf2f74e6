//! Wakes that wait until a link's I/O thread has looked at all that it has read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

/// Who is to be woken when the I/O thread has looked at what it has read.
///
/// lapin hands messages over one by one as it parses them. A task that is woken by the first of them
/// has often handled it, and its thread is asleep again, when the next one comes: a thread was woken
/// three times for what was read at once, and the whole of it took an eighth longer.
#[derive(Clone, Debug, Default)]
pub(super) struct Wakes(Arc<Mutex<Held>>);

/// `None` while nothing holds them up.
type Held = Option<Vec<Waker>>;

impl Wakes {
    /// From now on they wait. By the I/O thread, and whoever calls this lets go soon.
    pub(super) fn hold(&self) {
        self.lock().get_or_insert_default();
    }

    /// Wakes all that were held up. Whether there was anybody.
    pub(super) fn let_go(&self) -> bool {
        let held = self.lock().take().unwrap_or_default();
        let was_anybody = !held.is_empty();
        for task in held {
            task.wake();
        }
        was_anybody
    }

    fn wake(&self, task: &Waker) {
        let mut held = self.lock();
        if let Some(held) = &mut *held {
            held.push(task.clone());
        } else {
            drop(held);
            task.wake_by_ref();
        }
    }

    /// Wakes the task by way of this.
    fn waker(&self, task: &Waker) -> Waker {
        Waker::from(Arc::new(Gentle {
            wakes: self.clone(),
            task: task.clone(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Polls what a link brings, so that it wakes the task by way of the link's [`Wakes`].
#[derive(Debug)]
pub(crate) struct Gently {
    wakes: Wakes,
    /// The task that polled last, and what wakes it.
    known: Option<(Waker, Waker)>,
}

impl Gently {
    pub(super) fn new(wakes: Wakes) -> Self {
        Self { wakes, known: None }
    }

    /// Polls in this task.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> T,
    ) -> T {
        let task = cx.waker();
        let (known, gentle) = self
            .known
            .get_or_insert_with(|| (task.clone(), self.wakes.waker(task)));
        if !known.will_wake(task) {
            *gentle = self.wakes.waker(task);
            *known = task.clone();
        }
        poll(&mut Context::from_waker(gentle))
    }
}

struct Gentle {
    wakes: Wakes,
    task: Waker,
}

impl Wake for Gentle {
    fn wake(self: Arc<Self>) {
        self.wakes.wake(&self.task);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wakes.wake(&self.task);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Task {
        fn woken(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// What a task gives to whom it polls.
    fn waker(gently: &mut Gently, task: &Arc<Task>) -> Waker {
        let waker = Waker::from(Arc::clone(task));
        gently.poll(&Context::from_waker(&waker), |cx| cx.waker().clone())
    }

    fn set_up() -> (Wakes, Gently, Arc<Task>) {
        let wakes = Wakes::default();
        (wakes.clone(), Gently::new(wakes), Arc::default())
    }

    #[test]
    fn a_wake_comes_at_once_when_nothing_holds_it_up() {
        let (wakes, mut gently, task) = set_up();
        waker(&mut gently, &task).wake();
        assert_eq!(task.woken(), 1);
        wakes.let_go();
        assert_eq!(task.woken(), 1, "it was not held up");
    }

    #[test]
    fn a_wake_that_is_held_up_comes_when_it_is_let_go() {
        let (wakes, mut gently, task) = set_up();
        wakes.hold();
        waker(&mut gently, &task).wake();
        assert_eq!(task.woken(), 0);
        assert!(wakes.let_go());
        assert_eq!(task.woken(), 1);
        assert!(!wakes.let_go());
        assert_eq!(task.woken(), 1);
    }

    #[test]
    fn holding_twice_forgets_nobody() {
        let (wakes, mut gently, task) = set_up();
        wakes.hold();
        waker(&mut gently, &task).wake();
        wakes.hold();
        wakes.let_go();
        assert_eq!(task.woken(), 1);
    }

    #[test]
    fn whichever_task_polled_last_is_woken() {
        let (_, mut gently, first) = set_up();
        let second = Arc::new(Task::default());
        let before = waker(&mut gently, &first);
        assert!(before.will_wake(&waker(&mut gently, &first)));
        waker(&mut gently, &second).wake();
        assert_eq!((first.woken(), second.woken()), (0, 1));
        waker(&mut gently, &first).wake();
        assert_eq!((first.woken(), second.woken()), (1, 1));
    }

    #[test]
    fn no_wake_is_lost_between_holding_and_letting_go() {
        const WAKES: usize = 20_000;
        let (wakes, mut gently, task) = set_up();
        let waker = waker(&mut gently, &task);
        let waking = thread::spawn(move || (0..WAKES).for_each(|_| waker.wake_by_ref()));
        while !waking.is_finished() {
            wakes.hold();
            wakes.let_go();
        }
        waking.join().unwrap();
        assert_eq!(task.woken(), WAKES);
    }
}
