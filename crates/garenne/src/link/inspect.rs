//! Inspects entities on the broker, without changing them.

use garenne_core::{Entity, QueueEntity};
use lapin::options::ExchangeDeclareOptions;
use lapin::types::FieldTable;

use super::declare::{Bench, Compared, PASSIVE, exchange_kind};
use super::{Difference, Link, LinkError, call};
use crate::wire::short;

/// An entity on the broker, compared with the wanted entity.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// It exists as wanted. The counts are known for queues only.
    Same {
        /// How many messages are ready; messages that consumers hold do not count.
        messages: Option<u32>,
        /// How many consumers the queue has.
        consumers: Option<u32>,
    },
    /// It exists with other arguments.
    Differs {
        /// All differences that could be found; the type of the queue first.
        differences: Vec<Difference>,
    },
    /// It does not exist.
    Missing,
    /// It exists, but this user may not see its arguments; or AMQP cannot inspect it at all, as with
    /// bindings.
    Unseen {
        /// The reason.
        reason: String,
    },
    /// This user may not even see whether it exists.
    Refused {
        /// The broker's reason.
        reason: String,
    },
}

/// Compares an entity with its state on the broker.
pub(crate) async fn inspect(link: &Link, entity: &Entity) -> Result<Finding, LinkError> {
    link.while_up(look(link, entity)).await
}

async fn look(link: &Link, entity: &Entity) -> Result<Finding, LinkError> {
    let mut bench = Bench::new(link);
    match entity {
        Entity::Queue(queue) => look_at_queue(&mut bench, queue).await,
        Entity::Exchange(exchange) => {
            let passive = ExchangeDeclareOptions {
                passive: true,
                ..ExchangeDeclareOptions::default()
            };
            let asking = bench.channel().await?.exchange_declare(
                short(&exchange.name),
                exchange_kind(exchange.kind),
                passive,
                FieldTable::default(),
            );
            let asked = call(&format!("looking for exchange `{}`", exchange.name), asking).await;
            asked.map_or_else(finding_of, |()| {
                Ok(Finding::Same {
                    messages: None,
                    consumers: None,
                })
            })
        }
        Entity::Binding(_) | Entity::ExchangeBinding(_) => Ok(Finding::Unseen {
            reason: "AMQP cannot ask for a binding".to_owned(),
        }),
    }
}

async fn look_at_queue(bench: &mut Bench<'_>, queue: &QueueEntity) -> Result<Finding, LinkError> {
    let what = format!("looking for queue `{}`", queue.name);
    let asking =
        bench
            .channel()
            .await?
            .queue_declare(short(&queue.name), PASSIVE, FieldTable::default());
    let there = match call(&what, asking).await {
        Ok(there) => there,
        Err(error) => return finding_of(error),
    };
    match bench.compare(queue).await {
        Ok(found) if found.differences.is_empty() => Ok(Finding::Same {
            messages: Some(there.message_count()),
            consumers: Some(there.consumer_count()),
        }),
        Ok(Compared { differences, .. }) => Ok(Finding::Differs { differences }),
        Err(error) if error.is_refusal() => Ok(Finding::Unseen {
            reason: error.to_string(),
        }),
        Err(error) => Err(error),
    }
}

/// The finding that a refusal means. Any other error is a fault of the link.
fn finding_of(error: LinkError) -> Result<Finding, LinkError> {
    if error.is_missing() {
        Ok(Finding::Missing)
    } else if error.is_refusal() {
        Ok(Finding::Refused {
            reason: error.to_string(),
        })
    } else {
        Err(error)
    }
}
