//! Many futures of the same type in a task, in memory that is used again.

mod woken;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use woken::{Caller, Woken};

/// Futures that run at the same time, each with its owner.
///
/// Each has a place, which is used again with the memory of its future and its waker. So there are as many
/// places as futures ever run at once, and no allocation per message. In `FuturesUnordered` every future
/// costs an allocation or two, which was a fifth of a worker's time per message.
pub(crate) struct Futures<T, F> {
    places: Vec<Place<T, F>>,
    free: Vec<usize>,
    woken: Arc<Woken>,
    /// The places to be polled now, the last place first.
    due: Vec<usize>,
}

struct Place<T, F> {
    owner: Option<T>,
    future: Pin<Box<Option<F>>>,
    caller: Arc<Caller>,
    waker: Waker,
}

impl<T, F: Future> Futures<T, F> {
    pub(crate) fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            woken: Arc::default(),
            due: Vec::new(),
        }
    }

    /// Adds a future. It is polled for the first time behind the futures that are woken already.
    pub(crate) fn push(&mut self, owner: T, future: F) {
        let number = self.free.pop().unwrap_or_else(|| self.make_place());
        let place = &mut self.places[number];
        place.owner = Some(owner);
        place.future.set(Some(future));
        place.waker.wake_by_ref();
    }

    fn make_place(&mut self) -> usize {
        let number = self.places.len();
        let caller = Caller::new(&self.woken, number);
        self.places.push(Place {
            owner: None,
            future: Box::pin(None),
            waker: Waker::from(Arc::clone(&caller)),
            caller,
        });
        number
    }

    /// Moves futures on, in the order in which they were woken, until a future has ended. Pending when no
    /// future can be moved on, and when there is none.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(T, F::Output)> {
        // A future that wakes itself while it is polled waits for the next turn of the task.
        let mut has_looked = false;
        loop {
            while let Some(number) = self.due.pop() {
                if let Some(ended) = self.poll_one(number) {
                    return Poll::Ready(ended);
                }
            }
            if has_looked {
                return Poll::Pending;
            }
            self.woken.take(cx.waker(), &mut self.due);
            self.due.reverse();
            has_looked = true;
        }
    }

    fn poll_one(&mut self, number: usize) -> Option<(T, F::Output)> {
        let place = &mut self.places[number];
        place.caller.is_heard();
        let future = place.future.as_mut().as_pin_mut()?;
        let Poll::Ready(output) = future.poll(&mut Context::from_waker(&place.waker)) else {
            return None;
        };
        place.future.set(None);
        self.free.push(number);
        Some((place.owner.take()?, output))
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The owners of the futures that have not ended.
    pub(crate) fn owners(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|place| place.owner.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use futures_util::FutureExt;
    use futures_util::future::LocalBoxFuture;
    use tokio::sync::oneshot;

    use super::*;

    type Boxed = LocalBoxFuture<'static, u8>;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The owners of the futures that have ended.
    fn ended(futures: &mut Futures<u8, Boxed>, waker: &Waker) -> Vec<u8> {
        let mut cx = Context::from_waker(waker);
        let mut ended = Vec::new();
        while let Poll::Ready((owner, _)) = futures.poll_next(&mut cx) {
            ended.push(owner);
        }
        ended
    }

    fn waiting(futures: &mut Futures<u8, Boxed>, owner: u8) -> oneshot::Sender<u8> {
        let (sender, receiver) = oneshot::channel();
        futures.push(owner, receiver.map(Result::unwrap_or_default).boxed_local());
        sender
    }

    #[test]
    fn they_end_in_the_order_in_which_they_were_woken() {
        let (mut futures, waker) = (Futures::new(), Waker::noop());
        let [first, second, third] = [1, 2, 3].map(|owner| waiting(&mut futures, owner));
        assert!(ended(&mut futures, waker).is_empty());
        third.send(0).unwrap();
        first.send(0).unwrap();
        second.send(0).unwrap();
        assert_eq!(ended(&mut futures, waker), [3, 1, 2]);
        assert!(futures.is_empty());
    }

    #[test]
    fn a_place_is_used_again_and_a_late_call_for_its_last_user_does_no_harm() {
        let (mut futures, noop) = (Futures::new(), Waker::noop());
        let kept: Arc<std::sync::Mutex<Option<Waker>>> = Arc::default();
        let keep = Arc::clone(&kept);
        let keeps_its_waker = poll_fn(move |cx| {
            *keep.lock().unwrap() = Some(cx.waker().clone());
            Poll::Ready(0)
        });
        futures.push(1, keeps_its_waker.boxed_local());
        assert_eq!(ended(&mut futures, noop), [1]);
        let second = waiting(&mut futures, 2);
        assert!(ended(&mut futures, noop).is_empty());
        kept.lock().unwrap().take().unwrap().wake();
        assert!(ended(&mut futures, noop).is_empty());
        assert_eq!(futures.owners().collect::<Vec<_>>(), [&2]);
        second.send(0).unwrap();
        assert_eq!(ended(&mut futures, noop), [2]);
        assert_eq!(futures.places.len(), 1);
    }

    #[test]
    fn whichever_task_polled_last_is_woken_once_for_many() {
        let mut futures = Futures::new();
        let senders = [1, 2].map(|owner| waiting(&mut futures, owner));
        let (before, after) = (Arc::new(Count::default()), Arc::new(Count::default()));
        assert!(ended(&mut futures, &Arc::clone(&before).into()).is_empty());
        assert!(ended(&mut futures, &Arc::clone(&after).into()).is_empty());
        for sender in senders {
            sender.send(0).unwrap();
        }
        let woken = [before, after].map(|count| count.0.load(Ordering::Relaxed));
        assert_eq!(woken, [0, 1]);
    }

    #[test]
    fn one_that_always_wakes_itself_lets_the_task_go_on() {
        let (mut futures, count) = (Futures::new(), Arc::new(Count::default()));
        let restless = poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        futures.push(1, restless.boxed_local());
        futures.push(2, pending().boxed_local());
        futures.push(3, async { 0 }.boxed_local());
        assert_eq!(ended(&mut futures, &Arc::clone(&count).into()), [3]);
        let woken = count.0.load(Ordering::Relaxed);
        assert!(woken > 0, "the task sleeps, and with it what woke itself");
    }
}
