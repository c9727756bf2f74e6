//! Topology on the broker: declared again on every epoch, each entity on a channel that may break.

use std::time::Duration;

use garenne_core::{Declare, Entity, ExchangeKind, Queue, QueueEntity, QueueKind};
use lapin::Channel;
use lapin::options::{
    ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use tracing::{info, warn};

use super::{Link, LinkError, call};
use crate::wire::{short, table};

/// Declares or verifies what a queue needs, as its [`Declare`] mode says.
pub(crate) async fn declare_queue(link: &Link, queue: &Queue) -> Result<(), LinkError> {
    link.while_up(declare_all(link, queue)).await
}

async fn declare_all(link: &Link, queue: &Queue) -> Result<(), LinkError> {
    let mut bench = Bench::new(link);
    match queue.get_declare() {
        Declare::Off => Ok(()),
        Declare::Create => {
            let mut topology = queue.topology();
            // A queue that is there already and cannot be used shall be found before anything is made
            // for it; one that is not needs its parking queue first.
            if message_count(link, queue.name()).await.is_ok() {
                topology.sort_by_key(|entity| !is_queue(entity, queue.name()));
            }
            for entity in topology {
                bench.declare(&entity).await?;
            }
            Ok(())
        }
        Declare::Verify => {
            for entity in queue.topology() {
                bench.verify(&entity).await?;
            }
            Ok(())
        }
    }
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

fn is_queue(entity: &Entity, name: &str) -> bool {
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
    let channel = link.open_channel().await?;
    let answer = call(
        "asking for the queue's depth",
        channel.queue_declare(short(queue), PASSIVE, FieldTable::default()),
    )
    .await?;
    Ok(answer.message_count())
}

const QUEUE_TYPE: &str = "x-queue-type";
pub(super) const PASSIVE: QueueDeclareOptions = QueueDeclareOptions {
    passive: true,
    durable: false,
    exclusive: false,
    auto_delete: false,
    nowait: false,
};
const DURABLE: QueueDeclareOptions = QueueDeclareOptions {
    passive: false,
    durable: true,
    exclusive: false,
    auto_delete: false,
    nowait: false,
};

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
            .map_err(|e| e.with_advice("delete it, or bind the queue with the type it has")),
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
        match self.compare(queue).await? {
            None => Ok(()),
            Some(difference) => Err(LinkError::configuration(difference.explain(queue))),
        }
    }

    /// Declares the queue; if it is there with other arguments, says in what it differs.
    pub(super) async fn compare(
        &mut self,
        queue: &QueueEntity,
    ) -> Result<Option<Difference>, LinkError> {
        let Err(error) = self.try_declare(&queue.name, table(&queue.args)).await else {
            return Ok(None);
        };
        let Some(mut difference) = Difference::read(&error.to_string()) else {
            return Err(error);
        };
        // A queue without a type has the virtual host's default one, which may have been another when
        // the queue was made.
        if !queue.args.contains_key(QUEUE_TYPE) {
            let mut typed = queue.args.clone();
            typed.insert(QUEUE_TYPE.to_owned(), queue.kind.as_str().into());
            if self.try_declare(&queue.name, table(&typed)).await.is_ok() {
                return Ok(None);
            }
        }
        // The broker names the first argument that differs, which need not be the one that matters.
        let other = match queue.kind {
            QueueKind::Quorum => QueueKind::Classic,
            QueueKind::Classic => QueueKind::Quorum,
        };
        let mut plain = FieldTable::default();
        plain.insert(
            QUEUE_TYPE.into(),
            AMQPValue::LongString(other.as_str().into()),
        );
        if self.try_declare(&queue.name, plain).await.is_ok() {
            difference = Difference {
                argument: QUEUE_TYPE.to_owned(),
                ours: queue.kind.as_str().to_owned(),
                theirs: other.as_str().to_owned(),
            };
        }
        Ok(Some(difference))
    }

    async fn try_declare(&mut self, queue: &str, arguments: FieldTable) -> Result<(), LinkError> {
        let declaring = self
            .channel()
            .await?
            .queue_declare(short(queue), DURABLE, arguments);
        call(&format!("declaring queue `{queue}`"), declaring)
            .await
            .map(drop)
    }

    /// Finds out whether a queue is there.
    pub(super) async fn look_for(&mut self, queue: &str) -> Result<(), LinkError> {
        let channel = self.channel().await?;
        let asking = channel.queue_declare(short(queue), PASSIVE, FieldTable::default());
        call(&format!("looking for queue `{queue}`"), asking)
            .await
            .map(drop)
            .map_err(|e| e.missing(queue))
    }

    /// Checks that an entity is there; of a queue that is there with other arguments, says what it
    /// lacks. That takes the right to configure; without it the arguments stay unknown.
    pub(super) async fn verify(&mut self, entity: &Entity) -> Result<(), LinkError> {
        match entity {
            Entity::Queue(queue) => {
                self.look_for(&queue.name).await?;
                match self.compare(queue).await {
                    Ok(None) => {}
                    Ok(Some(difference)) => {
                        let explained = difference.explain(queue);
                        warn!(event = "queue_adopted", queue = %queue.name, "{explained}");
                    }
                    Err(error) => {
                        info!(event = "queue_unknown", queue = %queue.name, %error, "the queue is there, but what it was declared with cannot be seen");
                    }
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
    /// Whether something that it takes is not there.
    pub(crate) fn is_missing(&self) -> bool {
        self.text.contains("NOT_FOUND")
    }

    /// Under `Declare::Verify`, what is not there must be made by somebody else.
    fn missing(self, name: &str) -> Self {
        if self.is_missing() {
            return Self::configuration(format!(
                "{self}; create `{name}` on the broker, or let this service do it with `Declare::Create`"
            ));
        }
        self
    }
}

/// One argument in which an entity on the broker differs from ours, read from RabbitMQ's 406.
pub(super) struct Difference {
    pub(super) argument: String,
    pub(super) ours: String,
    pub(super) theirs: String,
}

impl Difference {
    /// Reads `… inequivalent arg 'x' for queue 'q' in vhost '/': received 'ours' but current is 'theirs'`,
    /// where either side may also be `none` or a typed value.
    fn read(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("inequivalent arg '")?;
        let (argument, rest) = rest.split_once('\'')?;
        let (_, rest) = rest.split_once("received ")?;
        let (ours, theirs) = rest.split_once(" but current is ")?;
        // Either side is `none`, `'value'` or `the value 'value' of type 'type'`.
        let plain = |s: &str| s.split('\'').nth(1).unwrap_or(s).trim().to_owned();
        Some(Self {
            argument: argument.to_owned(),
            ours: plain(ours),
            theirs: plain(theirs),
        })
    }

    fn explain(&self, queue: &QueueEntity) -> String {
        let QueueEntity { name, kind, .. } = queue;
        let Self {
            argument,
            ours,
            theirs,
        } = self;
        format!(
            "queue `{name}` exists and differs in `{argument}`: this service declares `{ours}`, the broker has `{theirs}` \
             (as a whole, this service declares a {kind} queue); declare it as the broker has it, adopt it as it is with `Declare::Verify`, or delete it when it is empty"
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_read_from_the_brokers_text() {
        for (text, argument, ours, theirs) in [
            (
                "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'orders' in vhost '/': received 'quorum' but current is 'classic'",
                "x-queue-type",
                "quorum",
                "classic",
            ),
            (
                "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received the value '20000' of type 'signedint' but current is none",
                "x-message-ttl",
                "20000",
                "none",
            ),
        ] {
            let difference = Difference::read(text).unwrap();
            assert_eq!(
                (
                    difference.argument.as_str(),
                    difference.ours.as_str(),
                    difference.theirs.as_str()
                ),
                (argument, ours, theirs)
            );
        }
        assert!(Difference::read("PRECONDITION_FAILED - unknown delivery tag 7").is_none());
    }
}
