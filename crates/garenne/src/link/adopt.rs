//! Adopted queues: used as they are, with the lanes and the parking queue that garenne needs beside them.

use garenne_core::{Declare, Entity, Queue, QueueEntity};
use tracing::{info, warn};

use super::declare::{Bench, Compared, declare_queue, is_queue};
use super::difference::{Difference, QUEUE_TYPE, listed};
use super::error::{QueueType, Reason};
use super::{Link, LinkError};

/// Which of a queue's consumers get messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consumers {
    /// All consumers.
    All,
    /// One at a time (`x-single-active-consumer`). A consumer that cancels hands the queue to the next.
    SingleActive,
    /// Unknown, so the queue may have a single active consumer.
    Unknown,
}

/// How a queue exists on the broker.
pub(super) enum Seen {
    AsWanted,
    Otherwise(Compared),
    /// Its arguments are visible only to a user who may configure it.
    Unseen,
}

/// Uses a queue as it is. If the queue exists, its missing lanes and its missing parking queue are made; it
/// is an error if the rights do not allow that. If the queue does not exist, nothing is made.
pub(super) async fn adopt(bench: &mut Bench<'_>, queue: &Queue) -> Result<Consumers, LinkError> {
    let mut topology = queue.topology();
    topology.sort_by_key(|entity| !is_queue(entity, queue.name()));
    let mut consumers = Consumers::Unknown;
    for entity in &topology {
        match entity {
            Entity::Queue(main) if main.name == queue.name() => {
                consumers = adopt_main(bench, main).await?;
            }
            Entity::Queue(own) => see_to(bench, own, queue).await?,
            other => bench.verify(other).await?,
        }
    }
    Ok(consumers)
}

async fn adopt_main(bench: &mut Bench<'_>, main: &QueueEntity) -> Result<Consumers, LinkError> {
    let there = bench.look_for(&main.name).await;
    there.map_err(|error| error.missing(&main.name))?;
    match bench.seen(main).await {
        Seen::AsWanted => Ok(Consumers::All),
        Seen::Unseen => Ok(Consumers::Unknown),
        Seen::Otherwise(Compared {
            differences,
            is_complete,
        }) => {
            if is_stream(&differences) {
                return Err(LinkError::stream(&main.name));
            }
            warn_of(main, &differences);
            let single = found(&differences, "x-single-active-consumer");
            Ok(match single {
                Some("true") => Consumers::SingleActive,
                _ if is_complete => Consumers::All,
                _ => Consumers::Unknown,
            })
        }
    }
}

/// Makes the missing lanes and the missing parking queue of a queue. Where garenne declares the queue itself,
/// it is declared too.
pub(super) async fn make(link: &Link, queue: &Queue) -> Result<(), LinkError> {
    if queue.declare == Declare::Create {
        return declare_queue(link, queue).await.map(drop);
    }
    let mut bench = Bench::new(link);
    let making = async {
        for entity in queue.topology() {
            match &entity {
                Entity::Queue(own) if own.name != queue.name() => {
                    see_to(&mut bench, own, queue).await?;
                }
                _ => {}
            }
        }
        Ok(())
    };
    link.while_up(making).await
}

/// A lane or the parking queue: made when it is missing, and inspected when it exists.
async fn see_to(bench: &mut Bench<'_>, own: &QueueEntity, queue: &Queue) -> Result<(), LinkError> {
    match bench.look_for(&own.name).await {
        Ok(()) => {}
        Err(error) if error.is_missing() => {
            let made = bench.declare(&Entity::Queue(own.clone())).await;
            made.map_err(|error| error.not_made(&own.name, queue.name()))?;
            info!(event = "queue_made", queue = %own.name, "made for the adopted queue `{}`", queue.name());
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    if let Seen::Otherwise(Compared { differences, .. }) = bench.seen(own).await {
        if !is_usable(&own.name, queue, &differences) {
            let entity = Entity::Queue(own.clone());
            return Err(LinkError::differs(&own.name, differences).about(&entity, queue));
        }
        warn_of(own, &differences);
    }
    Ok(())
}

/// Whether a queue that differs (the queue itself, a lane, its parking queue) can be used as it is: it must
/// not be a stream, nor a lane that does not return its messages.
#[must_use]
pub fn is_usable(name: &str, queue: &Queue, differences: &[Difference]) -> bool {
    let is_lane = name != queue.name() && name != queue.parking_name();
    !(is_stream(differences) || is_lane && loses_what_it_gets(differences))
}

fn loses_what_it_gets(differences: &[Difference]) -> bool {
    differences.iter().any(|it| match it.argument.as_str() {
        "x-dead-letter-exchange" | "x-dead-letter-routing-key" => true,
        "x-message-ttl" => it.found.is_none(),
        _ => false,
    })
}

fn found<'a>(differences: &'a [Difference], argument: &str) -> Option<&'a str> {
    let difference = differences.iter().find(|it| it.argument == argument)?;
    difference.found.as_deref()
}

fn is_stream(differences: &[Difference]) -> bool {
    found(differences, QUEUE_TYPE) == Some("stream")
}

impl Bench<'_> {
    pub(super) async fn seen(&mut self, queue: &QueueEntity) -> Seen {
        match self.compare(queue).await {
            Ok(found) if found.differences.is_empty() => Seen::AsWanted,
            Ok(found) => Seen::Otherwise(found),
            Err(error) => {
                info!(event = "queue_unknown", queue = %queue.name, %error, "the queue is there, but what it was declared with cannot be seen");
                Seen::Unseen
            }
        }
    }
}

/// Logs how an adopted queue differs, and the risk for its messages.
pub(super) fn warn_of(queue: &QueueEntity, differences: &[Difference]) {
    let lacks = risks(differences).join("; ");
    warn!(
        event = "queue_adopted",
        queue = %queue.name,
        lacks = (!lacks.is_empty()).then_some(&lacks),
        "queue `{}` is used as it is; it differs in {}", queue.name, listed(differences)
    );
}

/// The risks that the differences of an adopted queue bring for its messages: promises of garenne that no
/// longer hold, and new dangers.
#[must_use]
pub fn risks(differences: &[Difference]) -> Vec<&'static str> {
    // RabbitMQ 3 keeps no type for a queue that was declared without a type: it is a classic queue.
    let mut types = differences.iter().filter(|it| it.argument == QUEUE_TYPE);
    let is_classic = types.any(|it| matches!(it.found.as_deref(), None | Some("classic")));
    let mut lacks = Vec::new();
    for it in differences {
        let lack = match (it.argument.as_str(), it.found.as_deref()) {
            (QUEUE_TYPE, None | Some("classic")) => {
                "a classic queue is on one node, and has no delivery limit that ends a message which kills its process again and again"
            }
            ("x-dead-letter-exchange", None) if !is_classic => {
                "a message that reaches the delivery limit is dropped by the broker"
            }
            ("x-dead-letter-strategy", None) if !is_classic => {
                "what the broker itself dead-letters may get lost on its way"
            }
            ("x-message-ttl", Some(_)) => {
                "messages expire in it before they are handled, retries included"
            }
            ("x-expires", Some(_)) => {
                "the broker deletes it, with its messages, when nobody uses it"
            }
            ("x-max-length" | "x-max-length-bytes", Some(_)) => {
                "while it is full, the broker refuses or drops messages; a retry that finds it full comes back minutes later, or is lost"
            }
            ("x-single-active-consumer", Some("true")) => {
                "one consumer at a time gets messages; its prefetch does not change, and on a quorum queue it is no more than the concurrency"
            }
            ("durable", Some("false")) => "it is gone when its broker restarts",
            ("auto_delete", Some("true")) => "it is gone with its last consumer",
            _ => continue,
        };
        if !lacks.contains(&lack) {
            lacks.push(lack);
        }
    }
    lacks
}

impl LinkError {
    /// A queue exists with other arguments. The caller that knows its purpose adds the advice: see
    /// [`LinkError::about`].
    pub(super) fn differs(queue: &str, differences: Vec<Difference>) -> Self {
        let text = format!(
            "queue `{queue}` exists and differs in {}; use it as it is with `Declare::Verify`, or delete it when it is empty",
            listed(&differences)
        );
        Self::differing(text, differences)
    }

    pub(super) fn stream(queue: &str) -> Self {
        Self::configuration(format!(
            "queue `{queue}` is a stream, and garenne does not consume streams: an ack removes nothing from one, so no \
             message could be retried or parked; consume it with a stream client, or bind a quorum queue to the exchange that fills it"
        ))
    }

    /// Says that the queue is a stream; the broker only says that the consumer may not use these arguments.
    pub(super) fn of_consumer(self, queue: &str) -> Self {
        match self.reason() {
            Reason::InvalidArgument(Some(QueueType::Stream)) => Self::stream(queue),
            _ => self,
        }
    }

    /// Adds the purpose of a queue that differs, and advice.
    pub(super) fn about(self, entity: &Entity, queue: &Queue) -> Self {
        let Entity::Queue(QueueEntity { name, kind, .. }) = entity else {
            return self;
        };
        if self.differences().is_empty() {
            return self;
        }
        let differences = listed(self.differences());
        let is_lane = *name != queue.parking_name();
        let text = if name == queue.name() {
            if is_stream(self.differences()) {
                return Self::stream(name);
            }
            format!(
                "queue `{name}` exists and differs in {differences} (as a whole, this service declares a {kind} queue); \
                 adopt it as it is with `Declare::Verify`, which makes its lanes and its parking queue, declare it as the broker has it, or \
                 delete it when it is empty"
            )
        } else if queue.golang_rabbitmq.as_ref().is_some() && is_lane {
            format!(
                "queue `{name}`, the lane that `{}` shares with programs on the Go package, exists and differs in {differences}; give the queue \
                 another delay than the package's 20 s (`.retry(Retry::every(30.secs()))`), so that it has a lane of its own, or delete `{name}` \
                 when it is empty",
                queue.name()
            )
        } else if is_lane {
            format!(
                "queue `{name}`, a lane of `{}`, exists and differs in {differences}; give the queue another delay (`.retry(Retry::every(..))`), \
                 so that it has another lane, or delete `{name}` when it is empty",
                queue.name()
            )
        } else {
            format!(
                "queue `{name}`, the parking queue of `{}`, exists and differs in {differences}; use it as it is with `Declare::Verify`, or \
                 delete it when it is empty",
                queue.name()
            )
        };
        self.told_as(text)
    }

    /// The rights do not allow to make an entity that an adopted queue needs.
    fn not_made(self, name: &str, queue: &str) -> Self {
        self.with_advice(&format!(
            "`{name}` is missing and this user may not make it; make it as a user who may (`garenne topology --queue {queue} --adopt --declare`), \
             or give this user the right to configure it"
        ))
    }
}

/// Finds out which of a queue's consumers get messages, where its arguments are not visible. This needs the
/// right to read from the queue, as consuming does. For a classic queue there is no way to tell.
pub(crate) async fn find_out(link: &Link, queue: &Queue) -> Result<Consumers, LinkError> {
    let name = queue.name();
    let found = match link.while_up(kind_of(link, name)).await {
        Ok(Some(QueueType::Stream)) => return Err(LinkError::stream(name)),
        Ok(Some(QueueType::Quorum)) => link.while_up(consumers_of_quorum(link, name)).await,
        Ok(_) => Ok(Consumers::Unknown),
        Err(error) => Err(error),
    };
    Ok(found.unwrap_or_else(|error| {
        // Whatever the cause, the consumer meets it next.
        info!(event = "queue_unknown", queue = name, %error, "whether the queue has a single active consumer cannot be seen");
        Consumers::Unknown
    }))
}

/// The type of a queue. Every queue refuses a consumer with both a priority and an offset: a stream takes no
/// priority, and every other type takes no offset. The refusal names the type.
async fn kind_of(link: &Link, queue: &str) -> Result<Option<QueueType>, LinkError> {
    let port = link.open_port(format!("queue `{queue}`")).await?;
    match port.consume_with_offset(queue).await {
        // Closing the channel gives back its messages.
        Ok(_subscription) => port.close().await.map(|()| None),
        Err(error) => match error.reason() {
            Reason::InvalidArgument(Some(kind)) => Ok(Some(*kind)),
            _ => Err(error),
        },
    }
}

/// A quorum queue with a single active consumer refuses `basic.get`; any other quorum queue allows it. The
/// message comes back when the channel is closed.
async fn consumers_of_quorum(link: &Link, queue: &str) -> Result<Consumers, LinkError> {
    let mut port = link.open_port(format!("queue `{queue}`")).await?;
    match port.get(queue, false).await {
        Ok(_) => {}
        Err(error) if *error.reason() == Reason::SingleActive => {
            return Ok(Consumers::SingleActive);
        }
        Err(error) => return Err(error),
    }
    port.close().await?;
    Ok(Consumers::All)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_without_a_type_is_a_classic_one() {
        for found in [None, Some("classic")] {
            let differs = |argument: &str, found: Option<&str>| Difference {
                argument: argument.to_owned(),
                wanted: Some("quorum".to_owned()),
                found: found.map(str::to_owned),
            };
            let all = [
                differs(QUEUE_TYPE, found),
                differs("x-dead-letter-exchange", None),
            ];
            let risks = risks(&all);
            assert_eq!(risks.len(), 1, "{risks:?}");
            assert!(risks[0].contains("has no delivery limit"), "{risks:?}");
        }
    }
}
