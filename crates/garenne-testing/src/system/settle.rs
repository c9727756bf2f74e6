//! Waiting for the broker's state changes, and letting time pass between them.

use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use garenne::StopReason;
use garenne::status::Status;
use garenne_broker::{Error, View};

use super::TestSystem;
use crate::fail::fail_at;
use crate::scene::{Role, Scene, is_settled};

/// How often the system's counters are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1);

fn are_settled(view: &View, status: &Status) -> bool {
    let mut queues = view.queues.iter();
    queues.all(|queue| is_settled(queue, &Role::of(&queue.name, status)))
}

impl TestSystem {
    /// Waits until every queue has a consumer. Both links are up then.
    pub(crate) async fn consuming(&self) -> Result<(), String> {
        let status = self.handle.status();
        self.until("does not consume", |view| {
            let mut queues = status.queues.iter();
            queues.all(|queue| view.consumers(&queue.queue) > 0)
        })
        .await
    }

    /// Waits until everything is settled, and the system has counted it.
    pub(super) async fn settle(&self) -> Result<(), String> {
        let status = self.handle.status();
        self.until("is not settled", |view| are_settled(view, &status))
            .await?;
        self.counted().await
    }

    /// Whether everything is settled at this moment.
    async fn is_settled(&self) -> Result<bool, Error> {
        let status = self.handle.status();
        let view = self.broker.view().await?;
        Ok(are_settled(&view, &status))
    }

    /// Waits until the system, too, knows that nothing is in its hands: the broker has an ack before
    /// the system hears that it was written. A system that has stopped counts no more.
    async fn counted(&self) -> Result<(), String> {
        let end = Instant::now() + self.patience;
        let counted = |_: &View| self.handle.status().in_flight() == 0;
        loop {
            // Nothing changes at the broker any more; its timer works on every runtime.
            let why = match self.broker.wait_until_within(LOOK_EVERY, counted).await {
                Ok(_) => return Ok(()),
                Err(_) if self.has_stopped().await.is_some() => return Ok(()),
                Err(Error::TimedOut { .. }) if Instant::now() < end => continue,
                Err(Error::TimedOut { .. }) => format!(
                    "the system has messages in hand that it cannot settle any more, after {:?} of \
                     real time",
                    self.patience
                ),
                Err(error) => error.to_string(),
            };
            return Err(self.with_the_scene(why).await);
        }
    }

    pub(super) async fn settle_or_fail(&self, place: &Location<'_>) {
        if let Err(why) = self.settle().await {
            fail_at(place, why);
        }
    }

    /// Waits for the broker to be in some state; says what is there instead when that does not
    /// happen, or will never happen because the system has stopped.
    async fn until(
        &self,
        problem: &str,
        mut wanted: impl FnMut(&View) -> bool,
    ) -> Result<(), String> {
        let waiting = self.broker.wait_until_within(self.patience, &mut wanted);
        let why = tokio::select! {
            biased;
            reason = self.handle.stopped() => match reason {
                // A test may stop its system; what it leaves behind must still be settled.
                StopReason::Requested if self.broker.view().await.is_ok_and(|view| wanted(&view)) => {
                    return Ok(());
                }
                reason => format!("the system {problem}, because it has stopped: {reason}"),
            },
            waited = waiting => match waited {
                Ok(_) => return Ok(()),
                Err(Error::TimedOut { waited, .. }) => {
                    format!("the system {problem} after {waited:?} of real time")
                }
                Err(error) => error.to_string(),
            },
        };
        Err(self.with_the_scene(why).await)
    }

    async fn with_the_scene(&self, why: String) -> String {
        match self.look().await {
            Ok(scene) => format!("{why}\n\n{scene}"),
            Err(_) => why,
        }
    }

    /// Lets time pass from one due time to the next, and the system settle at each.
    ///
    /// The real time that settling takes passes on the broker's clock as well. It is not counted,
    /// so that three lanes of 20 s are through after a minute, however slow the machine is.
    pub(super) async fn pass(&self, by: Duration, place: &Location<'_>) -> Result<(), Error> {
        let mut left = by;
        loop {
            let seen = self.broker.now().await?;
            // What fell due meanwhile happens now, so that only what comes later is left to find.
            self.broker.advance(Duration::ZERO).await?;
            self.settle_or_fail(place).await;
            let due = self.next_due(seen).await?;
            // Something may have fallen due since everything was settled. A push while it is in a
            // handler would be lost for it.
            if !self.is_settled().await? {
                continue;
            }
            let now = self.broker.now().await?;
            match due.map(|due| due.saturating_sub(now)) {
                Some(step) if step <= left => {
                    self.broker.advance(step).await?;
                    left -= step;
                }
                _ => {
                    self.broker.advance(left).await?;
                    self.settle_or_fail(place).await;
                    return Ok(());
                }
            }
        }
    }

    /// When the next message leaves its queue by itself, after `seen`. Only the one at the head of a
    /// queue does.
    async fn next_due(&self, seen: Duration) -> Result<Option<Duration>, Error> {
        let mut next: Option<Duration> = None;
        for queue in self.broker.queues().await? {
            if queue.ready == 0 {
                continue;
            }
            let messages = self.broker.messages(&queue.name).await?;
            let head = messages.into_iter().find(|message| !message.unacked);
            let due = head.and_then(|head| head.expires_at);
            if let Some(due) = due.filter(|due| *due > seen) {
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        Ok(next)
    }

    pub(super) async fn look(&self) -> Result<Scene, Error> {
        let stopped = self.has_stopped().await;
        Scene::take(&self.broker, self.handle.status(), stopped, self.journal).await
    }

    /// Why the system has stopped, if it has.
    async fn has_stopped(&self) -> Option<StopReason> {
        let mut stopped = pin!(self.handle.stopped());
        poll_fn(|cx| {
            Poll::Ready(match stopped.as_mut().poll(cx) {
                Poll::Ready(reason) => Some(reason),
                Poll::Pending => None,
            })
        })
        .await
    }
}
