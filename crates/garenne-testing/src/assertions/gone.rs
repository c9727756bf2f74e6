//! A message that is gone: because it was handled, or because nobody wanted it.

use crate::TestSystem;
use crate::fail::fail;
use crate::journal::{Moment, What};
use crate::scene::{Role, Scene};

/// Why a message that is gone cannot be said to have been handled.
const AMBIGUOUS: &str = "is gone, and may have been handled, but some messages were discarded or \
    taken by a fail sink, and which ones cannot be known: the test program has a `tracing` \
    subscriber of its own, and must add `garenne_testing::journal()` to it";

impl TestSystem {
    /// A message was handled: its last attempt succeeded, in every queue that it was delivered from,
    /// and nothing is left of it there. What is returned asserts more about it:
    ///
    /// ```
    /// # use garenne_testing::{Sent, TestSystem};
    /// # fn example(system: &TestSystem, sent: &Sent) {
    /// system.assert_handled(sent).attempt(2);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When it was not, or not yet.
    #[track_caller]
    pub fn assert_handled(&self, message: impl AsRef<str>) -> Handled {
        let (scene, id) = (self.scene(), message.as_ref());
        let attempts = if self.has_journal() {
            handled_by_the_journal(&scene, id)
        } else {
            handled_by_the_counters(&scene, id)
        };
        match attempts {
            Ok(attempt) => Handled {
                id: id.to_owned(),
                attempt,
                scene,
            },
            Err(why) => fail(scene.complain(id, why)),
        }
    }

    /// The handler of a message did not want it, with [`Failure::discard`](garenne::Failure::discard).
    ///
    /// # Panics
    ///
    /// When it did, or has not said so yet; or when the [journal](crate::journal()) cannot be heard.
    #[track_caller]
    pub fn assert_discarded(&self, message: impl AsRef<str>) {
        let (scene, id) = (self.scene(), message.as_ref());
        let lives = scene.lives(id);
        let discarded = lives.iter().any(|life| {
            let last = life.last();
            last.is_some_and(|last| matches!(last.what, What::Discarded { .. }))
        });
        if !discarded {
            fail(scene.complain(id, "was not discarded"));
        }
    }
}

/// The number of its last attempt, when it was handled.
fn handled_by_the_journal(scene: &Scene, id: &str) -> Result<Option<u32>, &'static str> {
    let lives = scene.lives(id);
    let mut attempt = None;
    for life in &lives {
        let is_left = scene.places(id).any(|place| place.belongs_to(&life.queue));
        match life.last() {
            // A run that ended in any other way would have said so.
            Some(Moment {
                attempt: last,
                what: What::Began | What::Handled,
            }) if !is_left => attempt = Some(*last),
            _ => return Err("was not handled"),
        }
    }
    attempt.map(Some).ok_or("was not handled")
}

/// Without a journal only the sums are known. They are enough while every message that is gone must
/// have been handled.
fn handled_by_the_counters(scene: &Scene, id: &str) -> Result<Option<u32>, &'static str> {
    if scene.places(id).next().is_some() {
        return Err("was not handled");
    }
    let parking = |of: &str| {
        let mut queues = scene.queues.iter();
        let found = queues.find(|queue| matches!(&queue.role, Role::Parking { of: q } if q == of));
        found.map_or(0, |queue| {
            let records = queue.messages.iter().map(|message| message.record(of));
            let by_us = records.filter(|record| !record.reason.is_not_ours());
            u64::try_from(by_us.count()).unwrap_or(u64::MAX)
        })
    };
    let mut queues = scene.status.queues.iter();
    let certain = queues.all(|queue| queue.discarded == 0 && queue.failed <= parking(&queue.queue));
    let handled: u64 = scene.status.queues.iter().map(|queue| queue.handled).sum();
    match (certain, handled) {
        (_, 0) => Err("was not handled"),
        (true, _) => Ok(None),
        (false, _) => Err(AMBIGUOUS),
    }
}

/// A message that was handled; from [`TestSystem::assert_handled`].
#[derive(Debug)]
pub struct Handled {
    id: String,
    attempt: Option<u32>,
    scene: Scene,
}

impl Handled {
    /// It was this attempt that succeeded; the first is 1.
    ///
    /// # Panics
    ///
    /// When it was another, or it is not known because the [journal](crate::journal()) cannot be
    /// heard.
    #[track_caller]
    pub fn attempt(self, attempt: u32) -> Self {
        match self.attempt {
            Some(is) if is == attempt => self,
            Some(is) => {
                let what = format!("was handled at attempt {is}, not {attempt}");
                fail(self.scene.complain(&self.id, what))
            }
            None => fail(self.scene.complain(
                &self.id,
                "was handled, at which attempt is not known: the test program has a `tracing` \
                 subscriber of its own, and must add `garenne_testing::journal()` to it",
            )),
        }
    }
}
