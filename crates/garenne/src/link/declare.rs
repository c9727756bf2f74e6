//! Topology on the broker: declared again on every epoch, each entity on a channel that may break.

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
use super::{Link, LinkError, call};
use crate::wire::{short, table};

/// Declares, adopts or leaves alone what a queue needs, as its [`Declare`] mode says. Says who of its
/// consumers gets messages, as far as that could be seen.
pub(crate) async fn declare_queue(link: &Link, queue: &Queue) -> Result<Consumers, LinkError> {
    link.while_up(declare_all(link, queue)).await
}

async fn declare_all(link: &Link, queue: &Queue) -> Result<Consumers, LinkError> {
    let mut bench = Bench::new(link);
    match queue.declare {
        Declare::Off => Ok(Consumers::Unknown),
        Declare::Create => {
            let mut topology = queue.topology();
            // A queue that is there already and cannot be used shall be found before anything is made
            // for it; one that is not needs its parking queue first.
            if message_count(link, queue.name()).await.is_ok() {
                topology.sort_by_key(|entity| !is_queue(entity, queue.name()));
            }
            for entity in topology {
                let declared = bench.declare(&entity).await;
                declared.map_err(|error| error.about(&entity, queue))?;
            }
            // No garenne declares a queue with a single active consumer, or a stream.
            Ok(Consumers::All)
        }
        Declare::Verify => adopt(&mut bench, queue).await,
    }
}

/// Declares what a program needs besides the queues that it consumes.
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

/// Declares one entity.
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

/// Declares the one lane that a handler asked for with a delay of its own.
pub(crate) async fn declare_lane(
    link: &Link,
    queue: &Queue,
    delay: Duration,
) -> Result<(), LinkError> {
    let mut bench = Bench::new(link);
    link.while_up(bench.declare(&queue.lane(delay))).await
}

/// How many messages wait in a queue; asked passively, so it changes nothing.
pub(crate) async fn message_count(link: &Link, queue: &str) -> Result<u32, LinkError> {
    Ok(load(link, queue).await?.messages)
}

/// What waits in a queue, and how many consumers it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) messages: u32,
    pub(crate) consumers: u32,
}

/// Asks passively, so it changes nothing.
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
/// A queue on the broker, beside what we want.
pub(super) struct Compared {
    pub(super) differences: Vec<Difference>,
    /// There are no other differences.
    pub(super) is_complete: bool,
}

/// How often a queue is declared again to find out how it was declared: there are not that many arguments.
const GUESSES: usize = 32;

/// Where declares are made: a channel that is replaced whenever a refused declare has closed it.
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
        // Just set, if it was not there.
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
            .map_err(|error| match error.text.contains("inequivalent arg") {
                true => error.with_advice("delete it, or bind the queue with the type it has"),
                false => error,
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

    /// Declares the queue; if it is there otherwise, finds out in what. A broker names one argument at a
    /// time, so the queue is declared again and again, each time as it says.
    pub(super) async fn compare(&mut self, queue: &QueueEntity) -> Result<Compared, LinkError> {
        let mut guess = Guess::new(queue);
        let mut is_complete = false;
        for _ in 0..GUESSES {
            let Err(error) = self.try_declare(&queue.name, &guess).await else {
                is_complete = true;
                break;
            };
            match guess.correct(&error.text, queue) {
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
            .map_err(LinkError::with_limit)
    }

    /// Finds out whether a queue is there.
    pub(super) async fn look_for(&mut self, queue: &str) -> Result<(), LinkError> {
        let channel = self.channel().await?;
        let asking = channel.queue_declare(short(queue), PASSIVE, FieldTable::default());
        call(&format!("looking for queue `{queue}`"), asking)
            .await
            .map(drop)
    }

    /// Checks that an entity is there; of a queue that is there otherwise, says in what it differs. That
    /// takes the right to configure; without it the arguments stay unknown.
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
            // A binding cannot be asked for over AMQP 0-9-1.
            Entity::Binding(_) | Entity::ExchangeBinding(_) => Ok(()),
        }
    }
}

impl LinkError {
    /// Whether something that it takes is not there. A queue whose node is down is not missing.
    pub(crate) fn is_missing(&self) -> bool {
        self.text.contains("NOT_FOUND - no ")
    }

    /// What is not there and may not be made must be made by somebody else.
    pub(super) fn missing(self, name: &str) -> Self {
        if self.is_missing() {
            return Self::configuration(format!(
                "{self}; create `{name}` on the broker, or let this service do it with `Declare::Create`"
            ));
        }
        self
    }

    /// A limit of the broker keeps a queue from being made.
    fn with_limit(self) -> Self {
        if self.text.contains("queue limit") && !self.text.contains("set_vhost_limits") {
            return self.with_advice(
                "raise the limit (`rabbitmqctl set_vhost_limits`, or `cluster_queue_limit` in its configuration), or delete queues that nobody needs",
            );
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
