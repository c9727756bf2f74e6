//! A queue to consume from, and everything that is said about it.

mod faults;
mod room;
mod topology;

use std::time::Duration;

use crate::entity::{Declare, ExchangeKind, QueueKind};
use crate::golang_rabbitmq::{GolangRabbitmq, RETRY_DELAY};
use crate::naming;
use crate::retry::Retry;

/// How many deliveries a worker holds, unless told otherwise.
pub const PREFETCH: u16 = 100;

/// How many workers a queue has, unless told otherwise.
pub const WORKERS: u16 = 1;

/// How long a handler may run, unless told otherwise.
pub const DEADLINE: Duration = Duration::from_secs(600);

/// How many times a quorum queue hands a message out again, unless told otherwise.
pub const DELIVERY_LIMIT: u32 = 20;

/// A queue to consume from: its name, its kind, and how its messages are treated.
///
/// ```
/// # use garenne_core::{DurationExt, ExchangeKind, Queue, Retry};
/// let orders = Queue::quorum("orders")
///     .bind("shop", ExchangeKind::Topic, "order.#")
///     .retry(Retry::every(20.secs()).times(3))
///     .prefetch(200);
/// assert!(orders.faults().is_empty());
/// ```
///
/// Every option has a builder method, and a field of the same name to read it. An option for which the
/// system has a default of its own is `None` until it is set; see [`Queue::or_defaults`]. Nothing is checked before [`Queue::faults`] is asked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Queue {
    name: String,
    kind: QueueKind,
    /// See [`Queue::retry`](fn@Queue::retry).
    pub retry: Retry,
    /// See [`Queue::prefetch`](fn@Queue::prefetch).
    pub prefetch: Option<u16>,
    /// See [`Queue::concurrency`](fn@Queue::concurrency).
    pub concurrency: Option<u16>,
    /// See [`Queue::workers`](fn@Queue::workers).
    pub workers: Option<u16>,
    /// See [`Queue::deadline`](fn@Queue::deadline).
    pub deadline: Duration,
    /// See [`Queue::delivery_limit`](fn@Queue::delivery_limit).
    pub delivery_limit: u32,
    /// See [`Queue::declare`](fn@Queue::declare).
    pub declare: Declare,
    bindings: Vec<Bound>,
    /// See [`Queue::golang_rabbitmq`](fn@Queue::golang_rabbitmq).
    pub golang_rabbitmq: Option<GolangRabbitmq>,
}

/// Where messages come into a queue from, besides the default exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    exchange: String,
    kind: ExchangeKind,
    routing_key: String,
}

impl Queue {
    /// A quorum queue: replicated, and protected from messages that keep killing the process.
    /// Recommended.
    pub fn quorum(name: impl Into<String>) -> Self {
        Self::new(name.into(), QueueKind::Quorum)
    }

    /// A classic queue: on one node, and nothing ends a message that keeps killing the process.
    pub fn classic(name: impl Into<String>) -> Self {
        Self::new(name.into(), QueueKind::Classic)
    }

    /// A queue that consumers and producers on the Go package `golang-rabbitmq` use too: with the
    /// package's names, arguments and defaults, so that a message may fail in one program and be
    /// retried in the other. See [`GolangRabbitmq`].
    ///
    /// The lane of 20 s, the default policy's only one, is the package's `<queue>_retry_3`. Attempts
    /// count on both sides: a message with `retry_nums` 3 is at its fourth and last. Whatever the
    /// package has not is garenne's own, on classic queues: lanes of other delays, the parking queue
    /// `<queue>.failed`. What garenne promises of a classic queue holds, with one exception: a
    /// message that comes out of the retry queue goes through the exchange, so every other queue that
    /// is bound there with its routing key gets it too.
    pub fn golang_rabbitmq(contract: impl Into<GolangRabbitmq>) -> Self {
        let contract = contract.into();
        Self {
            golang_rabbitmq: Some(contract.clone()),
            ..Self::classic(contract.queue_name())
        }
    }

    /// A queue of a kind that is only known at run time.
    pub fn new(name: impl Into<String>, kind: QueueKind) -> Self {
        Self {
            name: name.into(),
            kind,
            retry: Retry::default(),
            prefetch: None,
            concurrency: None,
            workers: None,
            deadline: DEADLINE,
            delivery_limit: DELIVERY_LIMIT,
            declare: Declare::default(),
            bindings: Vec::new(),
            golang_rabbitmq: None,
        }
    }

    /// When a message that failed is tried again; every 20 s, three times, unless told otherwise.
    #[must_use]
    pub fn retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    /// How many deliveries one worker holds, running or waiting: 1 to 65535, [`PREFETCH`] unless
    /// told otherwise.
    ///
    /// It is the only bound on the memory for messages. Too low, and the worker waits for the
    /// network between messages; too high, and other consumers wait for messages that sit here, and
    /// more come twice after a loss.
    #[must_use]
    pub fn prefetch(self, prefetch: u16) -> Self {
        Self {
            prefetch: Some(prefetch),
            ..self
        }
    }

    /// How many handlers run at once in one worker: 1 to the prefetch, which is the default. With 1
    /// and one worker, messages are handled in order.
    ///
    /// Too low, and handlers that wait for others keep the rest waiting; too high, and whatever
    /// they call is overrun.
    #[must_use]
    pub fn concurrency(self, concurrency: u16) -> Self {
        Self {
            concurrency: Some(concurrency),
            ..self
        }
    }

    /// How many workers, each with a channel and a handler of its own: 1 to 256, [`WORKERS`] unless
    /// told otherwise.
    ///
    /// One is enough for handlers that mostly wait. More help when they compute; more than cores
    /// help nobody.
    #[must_use]
    pub fn workers(self, workers: u16) -> Self {
        Self {
            workers: Some(workers),
            ..self
        }
    }

    /// How long a handler may run; more than zero, [`DEADLINE`] unless told otherwise. It is counted from
    /// when the handler first waits: before that, nothing can stop it.
    ///
    /// A handler that runs longer has failed this attempt. Too short, and work is done twice; at
    /// the broker's `consumer_timeout` (30 min) or longer, the broker closes the channel first.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// How many times a quorum queue hands a message out again that came back unsettled, before it
    /// parks it: at least 1, [`DELIVERY_LIMIT`] unless told otherwise. A classic queue has no such
    /// limit.
    ///
    /// Too low, and messages are parked that only happened to be held by a process that died; too
    /// high, and a message that kills the process does it so many times more.
    #[must_use]
    pub fn delivery_limit(self, delivery_limit: u32) -> Self {
        Self {
            delivery_limit,
            ..self
        }
    }

    /// What to do about the queue on the broker before consuming; [`Declare::Create`] unless told
    /// otherwise.
    #[must_use]
    pub fn declare(self, declare: Declare) -> Self {
        Self { declare, ..self }
    }

    /// Also takes the messages that the exchange routes to it. The exchange is declared too. Each
    /// call adds a binding.
    #[must_use]
    pub fn bind(
        mut self,
        exchange: impl Into<String>,
        kind: ExchangeKind,
        routing_key: impl Into<String>,
    ) -> Self {
        let (exchange, routing_key) = (exchange.into(), routing_key.into());
        self.bindings.push(Bound {
            exchange,
            kind,
            routing_key,
        });
        self
    }

    /// Sets the prefetch and the workers that have not been set: the system's defaults.
    #[must_use]
    pub fn or_defaults(self, prefetch: u16, workers: u16) -> Self {
        Self {
            prefetch: self.prefetch.or(Some(prefetch)),
            workers: self.workers.or(Some(workers)),
            ..self
        }
    }

    /// The name of the queue.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind of the queue.
    #[must_use]
    pub const fn kind(&self) -> QueueKind {
        self.kind
    }

    /// The name of the parking queue, where messages wait for a person: `<queue>.failed`.
    #[must_use]
    pub fn parking_name(&self) -> String {
        naming::parking(&self.name)
    }

    /// The name of the lane with this delay: `<queue>.retry.<delay>`. The delay is part of the
    /// name, so a changed policy makes a new lane and not a conflict with the old one.
    ///
    /// Of a [`Queue::golang_rabbitmq`] whose policy has a delay of 20 s, that lane is the retry
    /// queue of the contract, `<queue>_retry_3`.
    #[must_use]
    pub fn lane_name(&self, delay: Duration) -> String {
        match self.shared_lane(delay) {
            Some(contract) => contract.retry_queue_name(),
            None => naming::lane(&self.name, delay),
        }
    }

    /// The contract, if the lane with this delay is its retry queue. A policy without that delay
    /// leaves the retry queue alone: it may be there with another TTL.
    fn shared_lane(&self, delay: Duration) -> Option<&GolangRabbitmq> {
        let is_shared = delay == RETRY_DELAY && self.retry.lanes().contains(&delay);
        self.golang_rabbitmq.as_ref().filter(|_| is_shared)
    }
}
