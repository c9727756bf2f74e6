//! From an exchange to queues.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::exchange::Destination;
use super::{Engine, Message, Name, QueueId, VHost};

impl Engine {
    /// The queues that get a message from its exchange, each once.
    pub(super) fn route(&self, vhost: &str, message: &Message) -> Vec<QueueId> {
        let Some(vhost) = self.vhosts.get(vhost) else {
            return Vec::new();
        };
        if message.exchange.is_empty() && message.copies.is_empty() {
            let direct = vhost.queues.get(&message.key).copied();
            if message.blind_copies.is_empty() {
                return direct.into_iter().collect();
            }
        }
        let mut route = Route {
            vhost,
            message,
            seen: BTreeSet::new(),
            queues: Vec::new(),
        };
        route.seen.insert(Arc::clone(&message.exchange));
        let mut exchanges = vec![Arc::clone(&message.exchange)];
        while let Some(exchange) = exchanges.pop() {
            exchanges.extend(route.visit(&exchange));
        }
        route.queues
    }
}

struct Route<'a> {
    vhost: &'a VHost,
    message: &'a Message,
    /// Exchanges may be bound in a circle; each counts once.
    seen: BTreeSet<Name>,
    queues: Vec<QueueId>,
}

impl Route<'_> {
    /// Adds the queues of one exchange, and returns the exchanges to go on with.
    fn visit(&mut self, name: &str) -> Vec<Name> {
        if name.is_empty() {
            let queues = self
                .message
                .keys()
                .filter_map(|key| self.vhost.queues.get(key));
            let queues: Vec<QueueId> = queues.copied().collect();
            queues.into_iter().for_each(|queue| self.add(queue));
            return Vec::new();
        }
        let Some(exchange) = self.vhost.exchanges.get(name) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        exchange.matches(self.message, |destination| found.push(destination));
        let mut next = Vec::new();
        let none = found.is_empty();
        for destination in found {
            match destination {
                Destination::Queue(queue) => self.add(*queue),
                Destination::Exchange(exchange) => next.push(Arc::clone(exchange)),
            }
        }
        // An alternate exchange takes over only if nothing at all is bound for this message.
        next.extend(exchange.alternate().filter(|_| none).map(Name::from));
        next.retain(|exchange| self.seen.insert(Arc::clone(exchange)));
        next
    }

    fn add(&mut self, queue: QueueId) {
        if !self.queues.contains(&queue) {
            self.queues.push(queue);
        }
    }
}
