//! The end of the world, and what is left after it.

use super::exchange::Destination;
use super::queue::Return;
use super::{Engine, QueueId, Time};

impl Engine {
    /// Forgets everything that does not survive the crash of a node: connections, transient
    /// exchanges and queues, and messages that are transient or in no durable queue. What was
    /// delivered and not acked comes back as redelivered.
    ///
    /// The caller has cut all connections already; no goodbye is sent.
    pub(crate) fn crash(&mut self, now: Time) {
        self.touch(now);
        let keys: Vec<_> = self.channels.keys().copied().collect();
        self.connections.clear();
        let consumers: Vec<_> = self.consumers.keys().copied().collect();
        for consumer in consumers {
            self.detach_consumer(consumer);
        }
        self.close_channels(&keys);
        self.forget_transient_queues();
        self.forget_transient_exchanges();
        self.confirming.clear();
        self.bury_the_dead();
        self.effects.clear();
        self.faults.after_crash();
    }

    fn forget_transient_queues(&mut self) {
        let transient = self.queues.values().filter(|queue| !queue.durable);
        let transient: Vec<QueueId> = transient.map(|queue| queue.id).collect();
        for queue in transient {
            self.delete_queue(queue);
        }
        let durable: Vec<QueueId> = self.queues.keys().copied().collect();
        for id in durable {
            let Some(queue) = self.queues.get_mut(&id) else {
                continue;
            };
            let keeps_all = queue.is_quorum();
            for entry in queue.ready.drain() {
                if keeps_all || entry.message.is_persistent() {
                    queue.restore(entry, Return::Lost);
                }
            }
            self.restart_expiry(id);
            self.reschedule_head(id);
        }
    }

    fn forget_transient_exchanges(&mut self) {
        for vhost in self.vhosts.values_mut() {
            vhost.exchanges.retain(|_, exchange| exchange.durable);
            let names: Vec<_> = vhost.exchanges.keys().cloned().collect();
            for exchange in vhost.exchanges.values_mut() {
                exchange.retain(|binding| match &binding.destination {
                    Destination::Queue(_) => binding.durable,
                    Destination::Exchange(name) => binding.durable && names.contains(name),
                });
            }
        }
    }
}
