//! The look at all queues once a minute. A consumer that is connected, subscribed, and gets nothing
//! although messages wait is subscribed anew. Lanes and parking queues that are gone are made again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::warn;

use super::plan::{Plan, Registration};
use crate::link::{Link, LinkError, Load, load, restore_gone};

/// How often queues are looked at.
const EVERY: Duration = Duration::from_secs(60);

/// Remembers the last look at each queue.
pub(super) struct ZombieWatch {
    last_look: Instant,
    /// By the index of the queue's registration.
    sights: HashMap<usize, Sight>,
}

/// The last look at a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sight {
    delivered: u64,
    /// Messages were waiting and none was in hand.
    starved: bool,
}

impl Sight {
    /// Where a single consumer gets all messages, and others consume as well, another consumer may be the
    /// active consumer: a consumer that stands by does not starve.
    fn of(delivered: u64, in_flight: u64, load: Load, may_stand_by: bool) -> Self {
        Self {
            delivered,
            starved: load.messages > 0 && in_flight == 0 && !may_stand_by,
        }
    }
}

impl ZombieWatch {
    pub(super) fn new() -> Self {
        Self {
            last_look: Instant::now(),
            sights: HashMap::new(),
        }
    }

    /// Whether it is time to look; if so, the next time is a minute later.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.last_look.elapsed() >= EVERY;
        if is_due {
            self.last_look = Instant::now();
        }
        is_due
    }

    /// A consumer that starved twice in a row, with not a single delivery in between, is a zombie.
    pub(super) fn is_zombie(
        &mut self,
        queue: usize,
        registration: &Registration,
        load: Load,
    ) -> bool {
        let status = registration.counters.snapshot(registration.queue.name());
        let others = load.consumers > registration.workers.into();
        let may_stand_by = registration.sharing.may_be_single() && others;
        let now = Sight::of(status.delivered, status.in_flight, load, may_stand_by);
        let before = self.sights.insert(queue, now);
        let is_zombie = now.starved && before == Some(now);
        if is_zombie {
            warn!(
                event = "zombie",
                queue = registration.queue.name(),
                waiting = load.messages,
                "messages wait and none is delivered; subscribing anew"
            );
        }
        is_zombie
    }
}

/// Looks at every queue, in the order of their registrations.
pub(super) async fn look(plan: Arc<Plan>, link: Arc<Link>) -> Vec<Result<Load, LinkError>> {
    let mut loads = Vec::new();
    for registration in &plan.queues {
        loads.push(load(&link, registration.queue.name()).await);
        restore_gone(&link, &registration.queue).await;
    }
    loads
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
