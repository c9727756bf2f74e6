//! The topology on the broker: declared again on every epoch, each entity on a channel that may break.

use std::time::Duration;

use garenne_core::topology::Part;
use garenne_core::{Declare, Entity, ExchangeKind, Queue, QueueEntity, Topology};
use lapin::Channel;
use lapin::options::{
    ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;

use super::adopt::{Consumers, Seen, adopt, warn_of};
use super::difference::{Difference, Guess, Step};
use super::error::Reason;
use super::{Link, LinkError, call};
use crate::wire::{short, table};

/// Declares, adopts or skips the entities that a queue needs, according to its [`Declare`] mode. Returns
/// which of its consumers get messages, as far as that is visible.
pub(crate) async fn declare_queue(link: &Link, queue: &Queue) -> Result<Consumers, LinkError> {
    link.while_up(declare_all(link, queue)).await
}

async fn declare_all(link: &Link, queue: &Queue) -> Result<Consumers, LinkError> {
    let mut bench = Bench::new(link);
    match queue.declare {
        Declare::Off => Ok(Consumers::Unknown),
        Declare::Create => {
            let mut topology = queue.topology();
            // If the queue exists, it goes first: an unusable queue must be found before other entities are
            // made for it. If it is missing, its parking queue must exist first.
            if message_count(link, queue.name()).await.is_ok() {
                topology.sort_by_key(|entity| !is_queue(entity, queue.name()));
            }
            for entity in topology {
                let declared = bench.declare(&entity).await;
                declared.map_err(|error| error.about(&entity, queue))?;
            }
            // garenne declares neither streams nor queues with a single active consumer.
            Ok(Consumers::All)
        }
        Declare::Verify => adopt(&mut bench, queue).await,
    }
}

/// Declares the entities that a program needs beside the queues that it consumes.
pub(crate) async fn declare_topology(link: &Link, topology: &Topology) -> Result<(), LinkError> {
    let mut bench = Bench::new(link);
    let all = async {
        for part in topology.parts() {
            match part {
                Part::Queue(queue) => drop(declare_all(link, queue).await?),
                Part::Entity(entity) => bench.declare(entity).await?,
                _ => {}
            }
        }
        Ok(())
    };
    link.while_up(all).await
}

/// Declares an entity.
pub(crate) async fn declare_one(link: &Link, entity: &Entity) -> Result<(), LinkError> {
    link.while_up(Bench::new(link).declare(entity)).await
}

/// Declares or verifies these entities, as `declare` says.
pub(crate) async fn declare_entities(
    link: &Link,
    entities: &[Entity],
    declare: Declare,
) -> Result<(), LinkError> {
    let mut bench = Bench::new(link);
    let all = async {
        for entity in entities {
            match declare {
                Declare::Create => bench.declare(entity).await?,
                Declare::Verify => bench.verify(entity).await?,
                Declare::Off => {}
            }
        }
        Ok(())
    };
    link.while_up(all).await
}

pub(super) fn is_queue(entity: &Entity, name: &str) -> bool {
    matches!(entity, Entity::Queue(queue) if queue.name == name)
}

/// Declares the lane for a delay that a handler chose itself.
pub(crate) async fn declare_lane(
    link: &Link,
    queue: &Queue,
    delay: Duration,
) -> Result<(), LinkError> {
    let mut bench = Bench::new(link);
    link.while_up(bench.declare(&queue.lane(delay))).await
}

/// How many messages wait in a queue; a passive declare, so it changes nothing.
pub(crate) async fn message_count(link: &Link, queue: &str) -> Result<u32, LinkError> {
    Ok(load(link, queue).await?.messages)
}

/// How many messages wait in a queue, and how many consumers it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) messages: u32,
    pub(crate) consumers: u32,
}

/// A passive declare, so it changes nothing.
pub(crate) async fn load(link: &Link, queue: &str) -> Result<Load, LinkError> {
    let channel = link.open_channel().await?;
    let answer = call(
        "asking for the queue's depth",
        channel.queue_declare(short(queue), PASSIVE, FieldTable::default()),
    )
    .await?;
    Ok(Load {
        messages: answer.message_count(),
        consumers: answer.consumer_count(),
    })
}

pub(super) const PASSIVE: QueueDeclareOptions = QueueDeclareOptions {
    passive: true,
    durable: false,
    exclusive: false,
    auto_delete: false,
    nowait: false,
};
/// A queue on the broker, compared with the wanted queue.
pub(super) struct Compared {
    pub(super) differences: Vec<Difference>,
    /// There are no other differences.
    pub(super) is_complete: bool,
}

/// How often a queue is declared to find out its arguments; no queue has that many arguments.
const GUESSES: usize = 32;

/// The channel for declares: it is replaced whenever a refused declare has closed it.
pub(super) struct Bench<'a> {
    link: &'a Link,
    channel: Option<Channel>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(link: &'a Link) -> Self {
        Self {
            link,
            channel: None,
        }
    }

    pub(super) async fn channel(&mut self) -> Result<&Channel, LinkError> {
        if !self
            .channel
            .as_ref()
            .is_some_and(|c| c.status().connected())
        {
            self.channel = Some(self.link.open_channel().await?);
        }
        // It was set above if it was missing.
        self.channel
            .as_ref()
            .ok_or_else(|| LinkError::transient("the channel is gone"))
    }

    pub(super) async fn declare(&mut self, entity: &Entity) -> Result<(), LinkError> {
        let channel = self.channel().await?;
        match entity {
            Entity::Queue(queue) => self.declare_queue(queue).await,
            Entity::Exchange(exchange) => call(
                &format!("declaring exchange `{}`", exchange.name),
                channel.exchange_declare(
                    short(&exchange.name),
                    exchange_kind(exchange.kind),
                    ExchangeDeclareOptions {
                        durable: true,
                        ..Default::default()
                    },
                    FieldTable::default(),
                ),
            )
            .await
            .map_err(|error| match error.reason() {
                Reason::Unlike(_) => {
                    error.with_advice("delete it, or bind the queue with the type it has")
                }
                _ => error,
            }),
            Entity::Binding(binding) => {
                call(
                    &format!(
                        "binding queue `{}` to exchange `{}`",
                        binding.queue, binding.exchange
                    ),
                    channel.queue_bind(
                        short(&binding.queue),
                        short(&binding.exchange),
                        short(&binding.routing_key),
                        QueueBindOptions::default(),
                        FieldTable::default(),
                    ),
                )
                .await
            }
            Entity::ExchangeBinding(binding) => {
                let doing = format!(
                    "binding exchange `{}` to exchange `{}`",
                    binding.destination, binding.source
                );
                let bound = channel.exchange_bind(
                    short(&binding.destination),
                    short(&binding.source),
                    short(&binding.routing_key),
                    ExchangeBindOptions::default(),
                    FieldTable::default(),
                );
                call(&doing, bound).await
            }
        }
    }

    async fn declare_queue(&mut self, queue: &QueueEntity) -> Result<(), LinkError> {
        let Compared { differences, .. } = self.compare(queue).await?;
        if differences.is_empty() {
            return Ok(());
        }
        Err(LinkError::differs(&queue.name, differences))
    }

    /// Declares the queue; if it exists with other arguments, finds the differences. A broker names one
    /// argument at a time, so the queue is declared again and again, each time with the broker's last value.
    pub(super) async fn compare(&mut self, queue: &QueueEntity) -> Result<Compared, LinkError> {
        let mut guess = Guess::new(queue);
        let mut is_complete = false;
        for _ in 0..GUESSES {
            let Err(error) = self.try_declare(&queue.name, &guess).await else {
                is_complete = true;
                break;
            };
            match guess.correct(error.reason(), queue) {
                Step::Closer => {}
                Step::Stuck => break,
                Step::Other if guess.has_differences() => break,
                Step::Other => return Err(error),
            }
        }
        Ok(Compared {
            differences: guess.differences(),
            is_complete,
        })
    }

    async fn try_declare(&mut self, queue: &str, guess: &Guess) -> Result<(), LinkError> {
        let options = QueueDeclareOptions {
            durable: guess.durable,
            auto_delete: guess.auto_delete,
            ..QueueDeclareOptions::default()
        };
        let arguments = table(&guess.arguments);
        let declaring = self
            .channel()
            .await?
            .queue_declare(short(queue), options, arguments);
        call(&format!("declaring queue `{queue}`"), declaring)
            .await
            .map(drop)
    }

    /// Checks whether a queue exists.
    pub(super) async fn look_for(&mut self, queue: &str) -> Result<(), LinkError> {
        let channel = self.channel().await?;
        let asking = channel.queue_declare(short(queue), PASSIVE, FieldTable::default());
        call(&format!("looking for queue `{queue}`"), asking)
            .await
            .map(drop)
    }

    /// Checks that an entity exists; for a queue with other arguments, names the differences. That needs the
    /// right to configure; without it the arguments stay unknown.
    pub(super) async fn verify(&mut self, entity: &Entity) -> Result<(), LinkError> {
        match entity {
            Entity::Queue(queue) => {
                let found = self.look_for(&queue.name).await;
                found.map_err(|error| error.missing(&queue.name))?;
                if let Seen::Otherwise(found) = self.seen(queue).await {
                    warn_of(queue, &found.differences);
                }
                Ok(())
            }
            Entity::Exchange(exchange) => {
                let channel = self.channel().await?;
                let options = ExchangeDeclareOptions {
                    passive: true,
                    ..Default::default()
                };
                let asking = channel.exchange_declare(
                    short(&exchange.name),
                    exchange_kind(exchange.kind),
                    options,
                    FieldTable::default(),
                );
                call(&format!("looking for exchange `{}`", exchange.name), asking)
                    .await
                    .map_err(|e| e.missing(&exchange.name))
            }
            // AMQP 0-9-1 cannot inspect a binding.
            Entity::Binding(_) | Entity::ExchangeBinding(_) => Ok(()),
        }
    }
}

impl LinkError {
    /// A missing entity that garenne may not make must be made by somebody else.
    pub(super) fn missing(self, name: &str) -> Self {
        if self.is_missing() {
            return Self::configuration(format!(
                "{self}; create `{name}` on the broker, or let this service do it with `Declare::Create`"
            ));
        }
        self
    }
}

pub(super) fn exchange_kind(kind: ExchangeKind) -> lapin::ExchangeKind {
    match kind {
        ExchangeKind::Direct => lapin::ExchangeKind::Direct,
        ExchangeKind::Fanout => lapin::ExchangeKind::Fanout,
        ExchangeKind::Topic => lapin::ExchangeKind::Topic,
        ExchangeKind::Headers => lapin::ExchangeKind::Headers,
    }
}
