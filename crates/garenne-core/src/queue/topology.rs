//! The entities that a queue needs on the broker.

use std::time::Duration;

use super::Queue;
use crate::duration::ceil_millis;
use crate::entity::{BindingEntity, Entity, ExchangeEntity, QueueEntity, QueueKind};
use crate::lane::{MAX_DELAY, MIN_DELAY};
use crate::value::{Headers, Value};

/// The default exchange. Lanes dead-letter through it to the queue's own name, so that no other
/// queue bound to the message's exchange sees the copy.
const DEFAULT_EXCHANGE: &str = "";

impl Queue {
    /// All entities that the queue needs. A dead-letter target stands before the queues that dead-letter into
    /// it, because a broker silently loses a message whose target is missing.
    #[must_use]
    pub fn topology(&self) -> Vec<Entity> {
        let mut entities = vec![self.parking()];
        match &self.golang_rabbitmq {
            Some(contract) => entities.extend(contract.entities()),
            None => entities.push(self.main()),
        }
        for delay in self.retry.lanes() {
            match self.shared_lane(delay) {
                Some(contract) => entities.extend(contract.retry_entities()),
                None => entities.push(self.lane(delay)),
            }
        }
        for bound in &self.bindings {
            let exchange = ExchangeEntity {
                name: bound.exchange.clone(),
                kind: bound.kind,
            };
            let binding = BindingEntity {
                queue: self.name.clone(),
                exchange: bound.exchange.clone(),
                routing_key: bound.routing_key.clone(),
            };
            entities.extend([Entity::Exchange(exchange), Entity::Binding(binding)]);
        }
        entities
    }

    /// The lane with this delay: a queue where a message waits that long, and then comes back. A delay that
    /// does not fit into a TTL becomes the nearest one that does.
    #[must_use]
    pub fn lane(&self, delay: Duration) -> Entity {
        let delay = delay.clamp(MIN_DELAY, MAX_DELAY);
        if let Some(contract) = self.shared_lane(delay) {
            return contract.retry_queue();
        }
        let ttl = i64::try_from(ceil_millis(delay)).unwrap_or(i64::MAX);
        let mut args = self.dead_lettering_to(&self.name);
        args.insert("x-message-ttl".to_owned(), ttl.into());
        self.queue(self.lane_name(delay), args)
    }

    /// The queue itself. Only a quorum queue counts how often a message was returned.
    fn main(&self) -> Entity {
        let args = match self.kind {
            QueueKind::Classic => Headers::new(),
            QueueKind::Quorum => {
                let mut args = self.dead_lettering_to(&self.parking_name());
                args.insert(
                    "x-delivery-limit".to_owned(),
                    i64::from(self.delivery_limit).into(),
                );
                args
            }
        };
        self.queue(self.name.clone(), args)
    }

    /// The parking queue: it keeps every message until a person takes it.
    fn parking(&self) -> Entity {
        self.queue(self.parking_name(), Headers::new())
    }

    /// Quorum queues dead-letter at least once only with these arguments, which also make them refuse
    /// messages when they are full. Classic queues cannot do it.
    fn dead_lettering_to(&self, target: &str) -> Headers {
        let at_least_once = [
            ("x-dead-letter-strategy", "at-least-once"),
            ("x-overflow", "reject-publish"),
        ];
        let strategy = match self.kind {
            QueueKind::Quorum => &at_least_once[..],
            QueueKind::Classic => &[],
        };
        let target = [
            ("x-dead-letter-exchange", DEFAULT_EXCHANGE),
            ("x-dead-letter-routing-key", target),
        ];
        let args = target.iter().chain(strategy);
        args.map(|&(name, value)| (name.to_owned(), Value::from(value)))
            .collect()
    }

    fn queue(&self, name: String, mut args: Headers) -> Entity {
        args.insert("x-queue-type".to_owned(), self.kind.as_str().into());
        Entity::Queue(QueueEntity {
            name,
            kind: self.kind,
            args,
        })
    }
}
