//! How long finished messages behind an unfinished message wait for it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use garenne_core::Ledger;
use tokio::time::{Sleep, sleep};

use super::stage::Stage;

/// How long a finished message may wait behind an unfinished message before it is acked by itself.
const PATIENCE: Duration = Duration::from_millis(20);

/// Finds by its tag how far a message in hand has come.
pub(super) type Find<'a> = &'a dyn Fn(u64) -> Option<Rc<Stage>>;

/// The wait of the messages that finished behind an unfinished message.
///
/// A single ack takes them all once the unfinished message is done with; acked by themselves, each costs an
/// ack, for the broker too. But a broker sends no more than a prefetch ahead of the acks. So they do not
/// wait long. If the handler of the unfinished message still runs, which may take any time, they wait only
/// until there are `many` of them. If only its copy is to be confirmed, they wait on, because it ends soon.
pub(super) struct Stragglers {
    many: usize,
    due: Option<Pin<Box<Sleep>>>,
    awaited: Option<Awaited>,
}

/// The unfinished message that was the first at the last wait.
struct Awaited {
    tag: u64,
    stage: Rc<Stage>,
    /// The wait for it has reached its limit.
    in_vain: bool,
}

impl Stragglers {
    pub(super) fn new(many: usize) -> Self {
        Self {
            many,
            due: None,
            awaited: None,
        }
    }

    /// Ready when the stragglers are to be acked by themselves. Pending also when there are none; the
    /// caller polls again when there may be stragglers.
    pub(super) fn poll_due(
        &mut self,
        cx: &mut Context<'_>,
        ledger: &Ledger,
        find: Find<'_>,
    ) -> Poll<()> {
        let first = ledger.unfinished().next();
        // The stage of a message that is done with is released, to be used again.
        self.awaited.take_if(|it| Some(it.tag) != first);
        let waiting = ledger.stragglers();
        let Some(first) = first.filter(|_| waiting > 0) else {
            self.due = None;
            return Poll::Pending;
        };
        if self.awaited.is_none() {
            self.awaited = find(first).map(|stage| Awaited {
                tag: first,
                stage,
                in_vain: false,
            });
        }
        let due = self.due.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        let in_vain = due.as_mut().poll(cx).is_ready();
        if let Some(awaited) = &mut self.awaited {
            awaited.in_vain |= in_vain;
        }
        let awaited = self.awaited.as_ref();
        let soon = awaited.is_some_and(Awaited::is_soon_done_with);
        if in_vain || (waiting >= self.many && !soon) {
            self.due = None;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Awaited {
    fn is_soon_done_with(&self) -> bool {
        !self.in_vain && self.stage.has_ended()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    const MANY: usize = 10;

    /// Messages 1 and 2 with handlers, and finished messages behind them.
    struct World {
        stragglers: Stragglers,
        ledger: Ledger,
        next: u64,
        stages: [Rc<Stage>; 2],
    }

    impl World {
        fn new() -> Self {
            let mut ledger = Ledger::new();
            ledger.admit(1).unwrap();
            ledger.admit(2).unwrap();
            Self {
                stragglers: Stragglers::new(MANY),
                ledger,
                next: 3,
                stages: Default::default(),
            }
        }

        fn finish(&mut self, count: usize) {
            for _ in 0..count {
                self.ledger.admit(self.next).unwrap();
                self.ledger.finish(self.next).unwrap();
                self.next += 1;
            }
        }

        fn handler_ends(&self, tag: usize) {
            self.stages[tag - 1].end();
        }

        async fn wait_in_vain(&mut self) {
            assert!(!self.are_due());
            tokio::time::advance(PATIENCE).await;
            assert!(self.are_due());
        }

        /// Whether stragglers are due; if so, they are acked.
        fn are_due(&mut self) -> bool {
            let mut cx = Context::from_waker(Waker::noop());
            let stages = &self.stages;
            let find = |tag| Some(Rc::clone(&stages[usize::try_from(tag).unwrap() - 1]));
            let due = self.stragglers.poll_due(&mut cx, &self.ledger, &find);
            if due.is_ready() {
                while self.ledger.next_straggler().is_some() {}
            }
            due.is_ready()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn behind_a_running_handler_many_are_not_kept_waiting() {
        let mut world = World::new();
        world.finish(MANY - 1);
        assert!(!world.are_due());
        world.finish(1);
        assert!(world.are_due());
        assert!(!world.are_due(), "none is left");
    }

    #[tokio::test(start_paused = true)]
    async fn behind_a_running_handler_few_wait_their_time() {
        let mut world = World::new();
        world.finish(1);
        world.wait_in_vain().await;
    }

    #[tokio::test(start_paused = true)]
    async fn behind_a_message_that_is_only_to_be_stored_all_wait_their_time() {
        let mut world = World::new();
        world.handler_ends(1);
        world.finish(5 * MANY);
        world.wait_in_vain().await;
    }

    #[tokio::test(start_paused = true)]
    async fn for_one_that_was_waited_for_in_vain_many_do_not_wait_again() {
        let mut world = World::new();
        world.handler_ends(1);
        world.finish(1);
        world.wait_in_vain().await;
        assert!(!world.are_due(), "none is left");
        world.finish(MANY);
        assert!(world.are_due());
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_waited_for_anew() {
        let mut world = World::new();
        world.handler_ends(1);
        world.handler_ends(2);
        world.finish(1);
        world.wait_in_vain().await;
        world.ledger.finish(1).unwrap();
        world.finish(MANY);
        assert!(!world.are_due(), "the second one has been waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_ends_while_many_wait_is_enough_to_wait_on() {
        let mut world = World::new();
        world.finish(MANY - 1);
        assert!(!world.are_due());
        world.handler_ends(1);
        world.finish(MANY);
        assert!(!world.are_due());
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_is_done_with_is_not_kept() {
        let mut world = World::new();
        world.finish(1);
        assert!(!world.are_due());
        assert_eq!(Rc::strong_count(&world.stages[0]), 2);
        world.ledger.finish(1).unwrap();
        world.ledger.finish(2).unwrap();
        assert!(!world.are_due());
        assert_eq!(Rc::strong_count(&world.stages[0]), 1);
    }
}
