//! What is looked at once a minute. A consumer that is connected, subscribed, and gets nothing although
//! messages wait is subscribed anew. Lanes and parking queues that are gone are made again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use tracing::{debug, warn};

use super::ConnectionSupervisor;
use crate::consumer::Resubscribe;
use crate::link::{Load, load, restore_gone};

/// How often queues are looked at.
const EVERY: Duration = Duration::from_secs(60);

/// What was seen of a queue the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sight {
    delivered: u64,
    /// Messages were waiting and none was in hand.
    starved: bool,
}

impl Sight {
    /// Where only one consumer gets messages, and others consume as well, it may be theirs to get them: one that
    /// stands by starves of nothing.
    fn of(delivered: u64, in_flight: u64, load: Load, may_stand_by: bool) -> Self {
        Self {
            delivered,
            starved: load.messages > 0 && in_flight == 0 && !may_stand_by,
        }
    }
}

impl ConnectionSupervisor {
    pub(super) fn watch_for_zombies(&mut self, ctx: &mut Context<Self>) {
        if self.last_watch.elapsed() < EVERY || !self.is_consuming() {
            return;
        }
        self.last_watch = Instant::now();
        let Some(link) = self.consume.link() else {
            return;
        };
        let plan = Arc::clone(&self.plan);
        let looking = self.runtime.spawn(async move {
            let mut loads = Vec::new();
            for registration in &plan.queues {
                loads.push(load(&link, registration.queue.name()).await);
                restore_gone(&link, &registration.queue).await;
            }
            loads
        });
        ctx.spawn(looking.into_actor(self).map(|loads, supervisor, _| {
            for (queue, load) in loads.into_iter().flatten().enumerate() {
                match load {
                    Ok(load) => supervisor.look_at(queue, load),
                    Err(error) => debug!(queue, %error, "cannot ask for the queue's depth"),
                }
            }
        }));
    }

    /// Starved twice in a row, with not a single delivery in between, is a zombie.
    fn look_at(&mut self, queue: usize, load: Load) {
        let registration = &self.plan.queues[queue];
        let status = registration.counters.snapshot(registration.queue.name());
        let others = load.consumers > registration.workers.into();
        let may_stand_by = registration.sharing.may_be_single() && others;
        let now = Sight::of(status.delivered, status.in_flight, load, may_stand_by);
        let before = self.sights.insert(queue, now);
        if now.starved && before == Some(now) {
            warn!(
                event = "zombie",
                queue = registration.queue.name(),
                waiting = load.messages,
                "messages wait and none is delivered; subscribing anew"
            );
            for worker in self.workers.values().filter(|worker| worker.queue == queue) {
                worker.actor.do_send(Resubscribe);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_that_stands_by_is_no_zombie_and_one_that_gets_nothing_is() {
        let waiting = Load {
            messages: 7,
            consumers: 2,
        };
        assert!(Sight::of(3, 0, waiting, false).starved);
        assert!(!Sight::of(3, 0, waiting, true).starved);
        assert!(!Sight::of(3, 1, waiting, false).starved);
        let empty = Load {
            messages: 0,
            ..waiting
        };
        assert!(!Sight::of(3, 0, empty, false).starved);
    }
}
