//! The entities that a program needs on the broker besides the queues that it consumes.

use crate::entity::{BindingEntity, Entity, ExchangeEntity, ExchangeKind, QueueEntity, QueueKind};
use crate::fault::Fault;
use crate::naming::NAME_MAX;
use crate::queue::Queue;
use crate::value::Headers;

/// Queues, exchanges and bindings that a program declares because it sends to them. All of them are durable,
/// and are declared in the order in which they are added.
///
/// ```
/// # use garenne_core::{ExchangeKind, Queue, QueueKind, Topology};
/// let topology = Topology::new()
///     .queue(Queue::quorum("orders")) // as its consumer declares it, with lanes and parking queue
///     .exchange("events", ExchangeKind::Topic)
///     .plain_queue("audit", QueueKind::Quorum)
///     .bind("audit", "events", "order.#");
/// assert!(topology.faults().is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topology {
    parts: Vec<Part>,
}

/// A part of a [`Topology`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Part {
    /// A queue with all the entities that its consumer needs.
    Queue(Box<Queue>),
    /// A single entity.
    Entity(Entity),
}

impl Topology {
    /// An empty topology.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A queue that a service on garenne consumes. Set the same options as the consumer does; otherwise the
    /// broker refuses the program that starts later. Its lanes and its parking queue are declared too, as
    /// [`Queue::declare`] says.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<Queue>) -> Self {
        self.parts.push(Part::Queue(Box::new(queue.into())));
        self
    }

    /// A queue without lanes and parking queue, for consumers that are not on garenne. For a queue with
    /// arguments, see [`Topology::entity`].
    #[must_use]
    pub fn plain_queue(self, name: impl Into<String>, kind: QueueKind) -> Self {
        let args = Headers::from([("x-queue-type".to_owned(), kind.as_str().into())]);
        let name = name.into();
        self.entity(Entity::Queue(QueueEntity { name, kind, args }))
    }

    /// An exchange.
    #[must_use]
    pub fn exchange(self, name: impl Into<String>, kind: ExchangeKind) -> Self {
        let name = name.into();
        self.entity(Entity::Exchange(ExchangeEntity { name, kind }))
    }

    /// A binding from an exchange to a queue. Add it after them, because both must exist.
    #[must_use]
    pub fn bind(
        self,
        queue: impl Into<String>,
        exchange: impl Into<String>,
        routing_key: impl Into<String>,
    ) -> Self {
        self.entity(Entity::Binding(BindingEntity {
            queue: queue.into(),
            exchange: exchange.into(),
            routing_key: routing_key.into(),
        }))
    }

    /// Any other entity.
    #[must_use]
    pub fn entity(mut self, entity: Entity) -> Self {
        self.parts.push(Part::Entity(entity));
        self
    }

    /// Adds all parts of another topology behind the parts of this one.
    #[must_use]
    pub fn and(mut self, other: impl Into<Self>) -> Self {
        self.parts.extend(other.into().parts);
        self
    }

    /// The parts, in their order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The faults of the topology; empty when it can be declared.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.parts.iter().flat_map(Part::faults).collect()
    }
}

impl Part {
    fn faults(&self) -> Vec<Fault> {
        let entity = match self {
            Self::Queue(queue) => return queue.faults(),
            Self::Entity(entity) => entity,
        };
        let mut faults = Vec::new();
        let mut look = |what: &str, name: &str, may_be_empty: bool| {
            if name.len() > NAME_MAX {
                faults.push(Fault::new(what, name, format!("at most {NAME_MAX} bytes")));
            }
            if name.is_empty() && !may_be_empty {
                faults.push(Fault::new(what, name, "a name"));
            }
        };
        match entity {
            Entity::Queue(queue) => look("queue", &queue.name, false),
            Entity::Exchange(exchange) => look("exchange", &exchange.name, false),
            Entity::Binding(binding) => {
                look("queue", &binding.queue, false);
                look("exchange", &binding.exchange, false);
                look("routing key", &binding.routing_key, true);
            }
            Entity::ExchangeBinding(binding) => {
                look("exchange", &binding.source, false);
                look("exchange", &binding.destination, false);
                look("routing key", &binding.routing_key, true);
            }
        }
        faults
    }
}

impl From<Queue> for Topology {
    fn from(queue: Queue) -> Self {
        Self::new().queue(queue)
    }
}

impl From<Entity> for Topology {
    fn from(entity: Entity) -> Self {
        Self::new().entity(entity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_declared_is_told_before_anything_is() {
        let long = "x".repeat(256);
        let topology = Topology::from(Queue::quorum(""))
            .plain_queue("", QueueKind::Classic)
            .exchange(&long, ExchangeKind::Fanout)
            .bind("audit", "", "");
        assert_eq!(topology.faults().len(), 4, "{:?}", topology.faults());
        let fine = Topology::new().bind("audit", "events", "");
        assert_eq!(fine.faults(), []);
        assert_eq!(fine.and(Queue::quorum("orders")).parts().len(), 2);
    }
}
