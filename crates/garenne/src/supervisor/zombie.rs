//! The zombie watch: a consumer that is connected, subscribed, and gets nothing although messages
//! wait is subscribed anew.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use tracing::{debug, warn};

use super::ConnectionSupervisor;
use crate::consumer::Resubscribe;
use crate::link::message_count;

/// How often queues are looked at.
const EVERY: Duration = Duration::from_secs(60);

/// What was seen of a queue the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sight {
    delivered: u64,
    /// Messages were waiting and none was in hand.
    starved: bool,
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
            let mut waiting = Vec::new();
            for registration in &plan.queues {
                waiting.push(message_count(&link, registration.queue.name()).await);
            }
            waiting
        });
        ctx.spawn(looking.into_actor(self).map(|waiting, supervisor, _| {
            for (queue, count) in waiting.into_iter().flatten().enumerate() {
                match count {
                    Ok(count) => supervisor.look_at(queue, count),
                    Err(error) => debug!(queue, %error, "cannot ask for the queue's depth"),
                }
            }
        }));
    }

    /// Starved twice in a row, with not a single delivery in between, is a zombie.
    fn look_at(&mut self, queue: usize, waiting: u32) {
        let registration = &self.plan.queues[queue];
        let status = registration.counters.snapshot(registration.queue.name());
        let now = Sight {
            delivered: status.delivered,
            starved: waiting > 0 && status.in_flight == 0,
        };
        let before = self.sights.insert(queue, now);
        if now.starved && before == Some(now) {
            warn!(
                event = "zombie",
                queue = registration.queue.name(),
                waiting,
                "messages wait and none is delivered; subscribing anew"
            );
            for worker in self.workers.values().filter(|worker| worker.queue == queue) {
                worker.actor.do_send(Resubscribe);
            }
        }
    }
}
