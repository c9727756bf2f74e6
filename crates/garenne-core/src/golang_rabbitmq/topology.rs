//! The entities of the contract on the broker, with their exact arguments.

use std::time::Duration;

use super::{GolangRabbitmq, RETRY_DELAY, whole_seconds};
use crate::entity::{BindingEntity, Entity, ExchangeEntity, ExchangeKind, QueueEntity, QueueKind};
use crate::naming;
use crate::value::{Headers, Value};

impl GolangRabbitmq {
    /// The entities that every producer and consumer declares: the exchange, the queue, its binding.
    #[must_use]
    pub fn entities(&self) -> Vec<Entity> {
        let mut entities = Vec::new();
        if let Some(exchange) = &self.exchange {
            entities.push(Entity::Exchange(ExchangeEntity {
                name: exchange.name.clone(),
                kind: exchange.kind,
            }));
        }
        entities.push(untyped(self.queue.clone(), Headers::new()));
        match &self.exchange {
            Some(exchange) if exchange.routing_key.is_empty() => {
                // The routing keys with which the retry queue and the delay queues dead-letter.
                entities.extend(self.binding(&self.queue, &self.queue));
                entities.extend(self.binding(&self.queue, ""));
            }
            Some(exchange) => entities.extend(self.binding(&self.queue, &exchange.routing_key)),
            None => {}
        }
        entities
    }

    /// The retry queue and its binding, to be declared once [`GolangRabbitmq::entities`] are there.
    #[must_use]
    pub fn retry_entities(&self) -> Vec<Entity> {
        let mut entities = vec![self.retry_queue()];
        if let Some(exchange) = self.routed() {
            let key = naming::golang_retry(&exchange.routing_key);
            entities.extend(self.entrance(&self.retry_queue_name(), &key));
        }
        entities
    }

    pub(crate) fn retry_queue(&self) -> Entity {
        let target = self.routed().map_or(&self.queue, |e| &e.routing_key);
        self.waiting(self.retry_queue_name(), RETRY_DELAY, target)
    }

    /// The queue in which a message waits for this delay, and its binding; to be declared after
    /// [`GolangRabbitmq::entities`]. See [`GolangRabbitmq::delay_queue_name`].
    #[must_use]
    pub fn delay_entities(&self, delay: Duration) -> Vec<Entity> {
        let seconds = Duration::from_secs(whole_seconds(delay));
        let name = self.delay_queue_name(delay);
        let target = self.exchange.as_ref();
        let target = target.map_or(&self.queue, |exchange| &exchange.routing_key);
        let mut entities = vec![self.waiting(name.clone(), seconds, target)];
        entities.extend(self.entrance(&name, &name));
        entities
    }

    /// A queue where messages wait this long before they go to the exchange with this routing key.
    fn waiting(&self, name: String, delay: Duration, routing_key: &str) -> Entity {
        let ttl = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        let exchange = self.exchange.as_ref();
        let exchange = exchange.map_or("", |exchange| exchange.name.as_str());
        let args: [(&str, Value); 3] = [
            ("x-message-ttl", ttl.into()),
            ("x-dead-letter-exchange", exchange.into()),
            ("x-dead-letter-routing-key", routing_key.into()),
        ];
        let args = args.map(|(name, value)| (name.to_owned(), value));
        untyped(name, Headers::from(args))
    }

    /// The binding through which the package publishes to a waiting queue. An exchange that does not look at
    /// routing keys would put every message into that queue, to come out a second time. garenne does not need
    /// the binding, so it leaves that binding to the package.
    fn entrance(&self, queue: &str, routing_key: &str) -> Option<Entity> {
        let kind = self.exchange.as_ref()?.kind;
        let looks_at_keys = matches!(kind, ExchangeKind::Direct | ExchangeKind::Topic);
        self.binding(queue, routing_key).filter(|_| looks_at_keys)
    }

    fn binding(&self, queue: &str, routing_key: &str) -> Option<Entity> {
        let exchange = self.exchange.as_ref()?;
        Some(Entity::Binding(BindingEntity {
            queue: queue.to_owned(),
            exchange: exchange.name.clone(),
            routing_key: routing_key.to_owned(),
        }))
    }
}

/// A queue that leaves its type to the virtual host, as the package's declarations do. Where the default type
/// is not classic, a declaration with a type would conflict (406) with the existing queue.
fn untyped(name: String, args: Headers) -> Entity {
    Entity::Queue(QueueEntity {
        name,
        kind: QueueKind::Classic,
        args,
    })
}
