//! What happens to messages that leave a queue unacked.

use std::sync::Arc;
use std::time::Duration;

use super::arguments::QueueKind;
use super::message::{DeathNotice, Entry, Reason};
use super::queue::QueueId;
use super::timers::Timer;
use super::{Engine, Name};

/// How long RabbitMQ waits before it tries a dead letter again that must not be lost.
const RETRY: Duration = Duration::from_secs(180);

impl Engine {
    /// Sends everything that died to where its queue wants it; that may kill other messages, and
    /// so on. The cycle rule sees to it that this ends.
    pub(super) fn bury_the_dead(&mut self) {
        while let Some((queue, entry, reason)) = self.dead.pop_front() {
            self.dead_letter(queue, entry, reason);
        }
    }

    fn dead_letter(&mut self, id: QueueId, entry: Entry, reason: Reason) {
        let at = self.wall_seconds();
        let Some(queue) = self.queues.get(&id) else {
            return;
        };
        let Some(target) = &queue.settings.dead_letter_exchange else {
            return;
        };
        let notice = DeathNotice {
            queue: Arc::clone(&queue.name),
            reason,
            key: queue.settings.dead_letter_key.clone(),
            at,
            failures: match queue.settings.kind {
                QueueKind::Classic => 0,
                QueueKind::Quorum => entry.failures,
            },
        };
        let (vhost, must_arrive) = (Arc::clone(&queue.vhost), queue.settings.at_least_once);
        let arrived = self.send_dead_letter(&vhost, target.clone(), &entry, &notice);
        if !arrived && must_arrive {
            self.strand(id, entry, reason);
        }
    }

    /// Says whether at least one queue took it, and none refused.
    fn send_dead_letter(
        &mut self,
        vhost: &str,
        target: Name,
        entry: &Entry,
        notice: &DeathNotice,
    ) -> bool {
        if self.existing_exchange(vhost, &target).is_err() {
            return false;
        }
        let message = Arc::new(entry.message.dead_lettered(notice, target));
        let mut queues = self.route(vhost, &message);
        queues.retain(|queue| {
            let name = self.queues.get(queue).map(|queue| &queue.name);
            notice.reason == Reason::Rejected || !name.is_some_and(|name| message.is_cycle(name))
        });
        let mut arrived = !queues.is_empty();
        for queue in queues {
            arrived &= self.offer(queue, &message);
        }
        arrived
    }

    /// Keeps a dead letter until its target is there.
    fn strand(&mut self, id: QueueId, entry: Entry, reason: Reason) {
        let due = self.now.saturating_add(RETRY);
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        queue.stranded.push((entry, reason));
        if queue.stranded_timer.is_none() {
            queue.stranded_timer = Some(self.timers.add(due, Timer::Stranded(id)));
        }
    }
}
