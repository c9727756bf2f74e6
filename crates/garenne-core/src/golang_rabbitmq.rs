//! The wire contract of the Go package `golang-rabbitmq`: which entities it uses, and how.

mod topology;

use std::time::Duration;

use crate::attempt::Attempt;
use crate::delay::{self, DelayError, delayed_properties};
use crate::entity::ExchangeKind;
use crate::fault::Fault;
use crate::header::RETRY_NUMS;
use crate::naming::{self, NAME_MAX};
use crate::properties::Properties;

/// How long a message waits in the retry queue of the contract.
pub const RETRY_DELAY: Duration = Duration::from_secs(20);

/// The longest delay of a delayed message, 49 days: RabbitMQ refuses an `x-message-ttl` of 2^32 ms
/// or more.
pub const DELAY_MAX: Duration = Duration::from_secs(u32::MAX as u64 / 1000);

/// The content type of every message that the package publishes, whatever its body is.
pub const CONTENT_TYPE: &str = "text/plain";

/// A queue as the Go package `golang-rabbitmq` declares, fills and consumes it. The package calls it a
/// `QueueExchange`.
///
/// With it services in Rust and in Go share the same queues, in both directions:
/// [`Queue::golang_rabbitmq`](crate::Queue::golang_rabbitmq) consumes, garenne's `Publisher` sends.
///
/// ```
/// # use garenne_core::{ExchangeKind, GolangRabbitmq, Queue};
/// let orders = GolangRabbitmq::new("orders").exchange("shop", ExchangeKind::Direct, "order.placed");
/// let queue = Queue::golang_rabbitmq(orders);
/// assert!(queue.faults().is_empty());
/// ```
///
/// | entity | name | arguments |
/// |---|---|---|
/// | exchange `E` of a kind | as named | durable |
/// | queue `Q` | as named | none; durable; bound to `E` with the routing key `K` |
/// | retry queue | `Q_retry_3` | TTL 20 s; dead-letters to `E` with `K`, or straight to `Q` without an exchange; bound to `E` with `K_retry_3` |
/// | delay queue for *n* s | `Q_delay_n` | TTL *n* s; dead-letters like the retry queue; bound to `E` with its own name |
///
/// garenne publishes to the two waiting queues by their names, so that a confirm means that the message lies
/// in that very queue. Their bindings to `E` are for the package. Fanout and headers exchanges do not look at
/// routing keys, so they get no such bindings: every message would go into the retry queue too, and come
/// twice.
///
/// As in the package, no declaration names a queue type: the queues get the virtual host's default, which is
/// classic unless an operator has set another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GolangRabbitmq {
    queue: String,
    exchange: Option<Exchange>,
}

/// The exchange that messages are published to, with its routing key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exchange {
    name: String,
    kind: ExchangeKind,
    routing_key: String,
}

impl GolangRabbitmq {
    /// A queue on the default exchange: the package's `QuName`, with an empty `ExName`.
    ///
    /// The package's `RtKey` then matters for delayed messages only: the package loses those whose `RtKey` is
    /// not the name of the queue, so here it is always the name.
    pub fn new(queue: impl Into<String>) -> Self {
        Self {
            queue: queue.into(),
            exchange: None,
        }
    }

    /// Publishes through this exchange with this routing key: the package's `ExName`, `ExType` (an empty
    /// `ExType` means [`ExchangeKind::Direct`]) and `RtKey`. An empty name is the default exchange.
    ///
    /// With an exchange and an empty routing key, the package binds no queue, publishes through the default
    /// exchange, and loses the messages that come out of its retry and delay queues. garenne publishes the
    /// same way, and binds the queue so that those messages come back.
    #[must_use]
    pub fn exchange(
        mut self,
        name: impl Into<String>,
        kind: ExchangeKind,
        routing_key: impl Into<String>,
    ) -> Self {
        let (name, routing_key) = (name.into(), routing_key.into());
        self.exchange = (!name.is_empty()).then_some(Exchange {
            name,
            kind,
            routing_key,
        });
        self
    }

    /// The name of the queue, `Q`.
    #[must_use]
    pub fn queue_name(&self) -> &str {
        &self.queue
    }

    /// The name of the retry queue: `Q_retry_3`.
    #[must_use]
    pub fn retry_queue_name(&self) -> String {
        naming::golang_retry(&self.queue)
    }

    /// The name of the queue in which a message waits for this delay: `Q_delay_n`. The delay is rounded up to
    /// whole seconds, and is at least 1 s.
    #[must_use]
    pub fn delay_queue_name(&self, delay: Duration) -> String {
        naming::golang_delay(&self.queue, whole_seconds(delay))
    }

    /// The exchange and the routing key that a message is published with: `E` and `K`, or the default
    /// exchange and the queue's name where either is empty.
    #[must_use]
    pub fn address(&self) -> (&str, &str) {
        match self.routed() {
            Some(exchange) => (&exchange.name, &exchange.routing_key),
            None => ("", &self.queue),
        }
    }

    /// Makes these properties those of a message that waits in a delay queue. It adds the header that tells
    /// that the message has not failed yet, and removes the parts that would break the delay (see
    /// [`delayed_properties`]).
    ///
    /// # Errors
    ///
    /// [`DelayError::SenderSelected`] for a message with `CC` or `BCC`.
    pub fn delayed(properties: Properties) -> Result<Properties, DelayError> {
        let mut delayed = delayed_properties(properties)?;
        let never_failed = Attempt::FIRST.header();
        delayed.headers.insert(RETRY_NUMS.to_owned(), never_failed);
        Ok(delayed)
    }

    /// The faults of the names; empty when they can be used.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let longest = naming::golang_delay("", whole_seconds(DELAY_MAX)).len();
        let mut faults = Vec::new();
        if self.queue.is_empty() {
            faults.push(Fault::new("queue", "", "the name of a queue"));
        }
        faults.extend(too_long("queue", &self.queue, longest));
        faults.extend(self.exchange_faults());
        faults
    }

    /// The faults besides those of the queue's name.
    pub(crate) fn exchange_faults(&self) -> impl Iterator<Item = Fault> {
        let suffix = naming::golang_retry("").len();
        self.exchange.iter().flat_map(move |exchange| {
            let name = too_long("exchange", &exchange.name, 0);
            name.into_iter()
                .chain(too_long("routing key", &exchange.routing_key, suffix))
        })
    }

    /// Checks that a delay queue can wait for this delay.
    ///
    /// # Errors
    ///
    /// [`DelayError::TooShort`] under a second, [`DelayError::TooLongForOneQueue`] over
    /// [`DELAY_MAX`].
    pub fn check_delay(wanted: Duration) -> Result<(), DelayError> {
        if wanted < delay::MIN {
            Err(DelayError::TooShort { wanted })
        } else if wanted > DELAY_MAX {
            Err(DelayError::TooLongForOneQueue { wanted })
        } else {
            Ok(())
        }
    }

    /// The exchange, if messages are published to it; without a routing key they are not.
    fn routed(&self) -> Option<&Exchange> {
        let exchange = self.exchange.as_ref();
        exchange.filter(|exchange| !exchange.routing_key.is_empty())
    }
}

impl From<&str> for GolangRabbitmq {
    fn from(queue: &str) -> Self {
        Self::new(queue)
    }
}

impl From<String> for GolangRabbitmq {
    fn from(queue: String) -> Self {
        Self::new(queue)
    }
}

/// A fault when the name leaves too little room for the suffixes of the contract.
fn too_long(what: &str, name: &str, suffix: usize) -> Option<Fault> {
    let room = NAME_MAX - suffix;
    let accepted = format!("at most {room} bytes; with what the contract adds, {NAME_MAX}");
    (name.len() > room).then(|| Fault::new(what, name, accepted))
}

/// A delay as the contract counts it. A message is never early, so a fraction counts as a whole second.
fn whole_seconds(delay: Duration) -> u64 {
    let started = u64::from(delay.subsec_nanos() > 0);
    let seconds = delay.as_secs().saturating_add(started);
    seconds.clamp(1, DELAY_MAX.as_secs())
}
