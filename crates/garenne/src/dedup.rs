//! Does work once for each message, although messages may come twice.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::delivery::Delivery;

/// Remembers in memory which messages were handled, so that the work for a message is done once. Cloning is
/// cheap; clones share the memory. Only a handler that calls it uses it.
///
/// ```
/// use garenne::prelude::*;
///
/// # async fn charge_the_card(_: &str) -> Result<(), std::io::Error> { Ok(()) }
/// # fn example() -> SystemBuilder {
/// let dedup = Dedup::new(100_000, 1.hours());
/// SystemBuilder::from_env().consume_fn(Queue::quorum("orders"), move |order: Delivery<Text>| {
///     let dedup = dedup.clone();
///     async move {
///         dedup.once(&order, charge_the_card(&order)).await?;
///         // Outside: what a run sends, every run must send.
///         order.publish(Outgoing::to_queue("invoices", order.body().clone()).derived());
///         Ok::<_, Failure>(())
///     }
/// })
/// # }
/// ```
///
/// # Protection and limits
///
/// It recognises a message by its queue and its message id: copies that a producer sent twice, and
/// redeliveries after a lost ack. An id must belong to a single message; without an id, the work is done
/// each time. Failed work is not remembered: a retry does it again.
///
/// It knows nothing of other processes, nor of the time before this process, so it saves work and
/// guarantees nothing. Where doing the work twice does harm, let the database decide: an inbox row in the
/// transaction of the work itself (`Inbox` in `garenne-sinks`).
///
/// Work is remembered as soon as it is done, not when its message is acked. If the handler fails after it,
/// the next attempt does not do it again. So anything else that an attempt must do belongs outside.
#[derive(Clone)]
pub struct Dedup {
    capacity: usize,
    max_age: Duration,
    memory: Arc<Mutex<Memory>>,
}

/// The key by which a message is recognised.
type Key = (Arc<str>, String);

#[derive(Default)]
struct Memory {
    known: HashMap<Key, State>,
    /// Finished work, in the order in which it finished.
    oldest_first: VecDeque<(Instant, Key)>,
}

enum State {
    /// Another call does the work; when the sender is gone, the work has ended.
    Running(watch::Receiver<()>),
    Done,
}

/// The state that a call finds when it wants to begin.
enum Found {
    Nothing(Work),
    Running(watch::Receiver<()>),
    Done,
}

impl Dedup {
    /// Remembers at most `capacity` messages, for at most `max_age` each; the oldest are forgotten first.
    /// Messages whose work is under way are known besides; the prefetch limits their number.
    ///
    /// A message takes about 200 bytes. If either value is too low, work is repeated for a message that
    /// comes again late; too high a value costs memory only. With a capacity of 0, only copies that come
    /// during the work for the first message are recognised.
    #[must_use]
    pub fn new(capacity: usize, max_age: Duration) -> Self {
        let memory = Arc::default();
        Self {
            capacity,
            max_age,
            memory,
        }
    }

    /// Does the work unless it was done for the same message before; `None` says that it was.
    ///
    /// During the work for another copy of the message, the call waits: if that work fails, this work
    /// begins. Do not call it within the work for the same message; it would wait for itself.
    ///
    /// # Errors
    ///
    /// The errors of the work.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the work, which then counts as not done.
    pub async fn once<B, T, E>(
        &self,
        delivery: &Delivery<B>,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<Option<T>, E> {
        let Some(id) = delivery.message_id() else {
            return work.await.map(Some);
        };
        let key = (delivery.meta().queue.name(), id.to_owned());
        let claim = loop {
            match self.begin(&key) {
                Found::Nothing(claim) => break claim,
                Found::Done => return Ok(None),
                // An error means that the sender is gone, as awaited.
                Found::Running(mut end) => while end.changed().await.is_ok() {},
            }
        };
        let result = work.await?;
        claim.done();
        Ok(Some(result))
    }

    fn begin(&self, key: &Key) -> Found {
        let mut memory = self.lock();
        memory.forget(self.capacity, self.max_age);
        match memory.known.get(key) {
            Some(State::Done) => Found::Done,
            Some(State::Running(end)) => Found::Running(end.clone()),
            None => {
                let (ended, end) = watch::channel(());
                memory.known.insert(key.clone(), State::Running(end));
                Found::Nothing(Work {
                    dedup: self.clone(),
                    key: key.clone(),
                    is_done: false,
                    _ended: ended,
                })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Dedup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dedup")
            .field("capacity", &self.capacity)
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}

impl Memory {
    fn forget(&mut self, capacity: usize, max_age: Duration) {
        while let Some((since, _)) = self.oldest_first.front()
            && (self.oldest_first.len() > capacity || since.elapsed() >= max_age)
        {
            if let Some((_, key)) = self.oldest_first.pop_front() {
                self.known.remove(&key);
            }
        }
    }
}

/// Work that is under way. However it ends, the calls that wait for it go on.
struct Work {
    dedup: Dedup,
    key: Key,
    is_done: bool,
    _ended: watch::Sender<()>,
}

impl Work {
    fn done(mut self) {
        self.is_done = true;
        let mut memory = self.dedup.lock();
        memory.known.insert(self.key.clone(), State::Done);
        memory
            .oldest_first
            .push_back((Instant::now(), self.key.clone()));
        memory.forget(self.dedup.capacity, self.dedup.max_age);
    }
}

/// If it failed, panicked or was dropped, it counts as not begun.
impl Drop for Work {
    fn drop(&mut self) {
        if !self.is_done {
            self.dedup.lock().known.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};

    use futures_util::future::join_all;
    use garenne_core::{Attempt, DurationExt, Properties};
    use tokio::sync::oneshot;

    use super::*;

    fn delivery(queue: &str, id: Option<&str>) -> Delivery<crate::Bytes> {
        let properties = Properties {
            message_id: id.map(str::to_owned),
            ..Properties::default()
        };
        Delivery::fabricate(queue, Attempt::FIRST, &properties, "").unwrap()
    }

    fn order(id: &str) -> Delivery<crate::Bytes> {
        delivery("orders", Some(id))
    }

    /// Whether the work was done now.
    async fn works(dedup: &Dedup, delivery: &Delivery<crate::Bytes>) -> bool {
        let work = async { Ok::<_, Infallible>(()) };
        matches!(dedup.once(delivery, work).await, Ok(Some(())))
    }

    #[tokio::test]
    async fn a_message_that_comes_again_is_not_worked_on_again() {
        let dedup = Dedup::new(10, 1.hours());
        assert!(works(&dedup, &order("a")).await);
        assert!(!works(&dedup, &order("a")).await);
        assert!(!works(&dedup.clone(), &order("a")).await);
        assert!(works(&dedup, &order("b")).await);
    }

    #[tokio::test]
    async fn an_id_counts_for_its_queue_and_none_is_never_known() {
        let dedup = Dedup::new(10, 1.hours());
        assert!(works(&dedup, &order("a")).await);
        assert!(works(&dedup, &delivery("invoices", Some("a"))).await);
        for _ in 0..2 {
            assert!(works(&dedup, &delivery("orders", None)).await);
        }
    }

    #[tokio::test]
    async fn work_that_failed_or_was_dropped_or_panicked_is_done_again() {
        let dedup = Dedup::new(10, 1.hours());
        let a = order("a");
        assert_eq!(
            dedup.once(&a, async { Err::<(), _>("no") }).await,
            Err("no")
        );
        let never = dedup.once(&a, std::future::pending::<Result<(), Infallible>>());
        assert!(tokio::time::timeout(1.millis(), never).await.is_err());
        let panicking = tokio::spawn({
            let dedup = dedup.clone();
            async move {
                let work = async {
                    assert_eq!(1, 2, "on purpose");
                    Ok::<(), Infallible>(())
                };
                dedup.once(&order("a"), work).await
            }
        });
        assert!(panicking.await.is_err());
        assert!(works(&dedup, &a).await);
    }

    #[tokio::test]
    async fn of_two_at_once_the_second_waits_and_begins_only_if_the_first_fails() {
        for first_succeeds in [true, false] {
            let dedup = Dedup::new(10, 1.hours());
            let (finish, finished) = oneshot::channel();
            let (first, second) = (order("a"), order("a"));
            let first = dedup.once(&first, async {
                match finished.await {
                    Ok(()) if first_succeeds => Ok(()),
                    _ => Err("no"),
                }
            });
            let second = async {
                let works = works(&dedup, &second);
                tokio::pin!(works);
                // This call has found the first call at work.
                let look = |cx: &mut Context<'_>| Poll::Ready(works.as_mut().poll(cx).is_pending());
                assert!(poll_fn(look).await);
                finish.send(()).unwrap();
                works.await
            };
            let (first, second) = tokio::join!(first, second);
            assert_eq!(first.is_ok(), first_succeeds);
            assert_eq!(second, !first_succeeds);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_are_forgotten_first_and_all_are_in_time() {
        let dedup = Dedup::new(2, 1.hours());
        for id in ["a", "b", "c"] {
            assert!(works(&dedup, &order(id)).await);
        }
        assert!(!works(&dedup, &order("b")).await && !works(&dedup, &order("c")).await);
        assert!(works(&dedup, &order("a")).await, "there was no room for it");
        tokio::time::advance(59.minutes()).await;
        assert!(!works(&dedup, &order("a")).await);
        tokio::time::advance(1.minutes()).await;
        assert!(works(&dedup, &order("a")).await);
        assert_eq!(dedup.lock().known.len(), 1);
    }

    #[tokio::test]
    async fn without_room_nothing_is_known_but_what_is_worked_on() {
        let dedup = Dedup::new(0, 1.hours());
        for _ in 0..2 {
            assert!(works(&dedup, &order("a")).await);
        }
        assert!(dedup.lock().known.is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_asks_at_once_the_work_is_done_once_for_each_message() {
        const MESSAGES: usize = 50;
        let dedup = Dedup::new(MESSAGES, 1.hours());
        let done = Arc::new(AtomicUsize::new(0));
        let runs = (0..20 * MESSAGES).map(|n| {
            let (dedup, done) = (dedup.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let order = order(&(n % MESSAGES).to_string());
                // Every other first try fails: another call must take over.
                let work = async {
                    tokio::task::yield_now().await;
                    if n < MESSAGES && n % 2 == 0 {
                        return Err(());
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                };
                let _ = dedup.once(&order, work).await;
            })
        });
        for run in join_all(runs).await {
            run.unwrap();
        }
        assert_eq!(done.load(Ordering::Relaxed), MESSAGES);
    }
}
