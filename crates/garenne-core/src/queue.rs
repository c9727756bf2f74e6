//! A queue to consume from, with its options.

mod faults;
mod room;
mod topology;

use std::time::Duration;

use crate::entity::{Declare, ExchangeKind, QueueKind};
use crate::golang_rabbitmq::{GolangRabbitmq, RETRY_DELAY};
use crate::naming;
use crate::retry::Retry;

/// How many deliveries a worker holds, unless set otherwise.
pub const PREFETCH: u16 = 100;

/// How many workers a queue has, unless set otherwise.
pub const WORKERS: u16 = 1;

/// How long a handler may run, unless set otherwise.
pub const DEADLINE: Duration = Duration::from_secs(600);

/// How many times a quorum queue hands a message out again, unless set otherwise.
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
/// Every option has a builder method, and a field of the same name to read it. An option with a system-wide
/// default is `None` until set; see [`Queue::or_defaults`]. Nothing is checked before [`Queue::faults`] is
/// called.
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

/// A source of messages for a queue, besides the default exchange.
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

    /// A classic queue: it is on one node, and no limit stops a message that keeps killing the process.
    pub fn classic(name: impl Into<String>) -> Self {
        Self::new(name.into(), QueueKind::Classic)
    }

    /// A queue that consumers and producers on the Go package `golang-rabbitmq` use too. It has the package's
    /// names, arguments and defaults, so a message may fail in a Go program and be retried in a garenne
    /// program, or the reverse. See [`GolangRabbitmq`].
    ///
    /// The lane of 20 s (the default policy's only lane) is the package's `<queue>_retry_3`. Attempts count
    /// on both sides: a message with `retry_nums` 3 is at its fourth and last attempt. garenne adds classic
    /// queues that the package lacks: lanes of other delays, and the parking queue `<queue>.failed`.
    /// garenne's promises for a classic queue hold, except that a message from the retry queue goes through
    /// the exchange, so other queues bound there with its routing key get it too.
    pub fn golang_rabbitmq(contract: impl Into<GolangRabbitmq>) -> Self {
        let contract = contract.into();
        Self {
            golang_rabbitmq: Some(contract.clone()),
            ..Self::classic(contract.queue_name())
        }
    }

    /// A queue whose kind is known only at run time.
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

    /// When a failed message is tried again; every 20 s, three times, unless set otherwise.
    #[must_use]
    pub fn retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    /// How many deliveries a worker holds, running or waiting: 1 to 65535, [`PREFETCH`] unless set otherwise.
    ///
    /// It is the only bound on the memory for messages. When it is too low, the worker waits for the network
    /// between messages. When it is too high, other consumers wait for messages that this worker holds, and
    /// more messages come twice after a loss.
    #[must_use]
    pub fn prefetch(self, prefetch: u16) -> Self {
        Self {
            prefetch: Some(prefetch),
            ..self
        }
    }

    /// How many handlers run at once in a worker: 1 to the prefetch, which is the default. With 1 and a
    /// single worker, messages are handled in order.
    ///
    /// When it is too low, handlers that wait delay the other messages. When it is too high, the services
    /// that the handlers call are overloaded.
    #[must_use]
    pub fn concurrency(self, concurrency: u16) -> Self {
        Self {
            concurrency: Some(concurrency),
            ..self
        }
    }

    /// How many workers the queue has, each with its own channel and handler: 1 to 256, [`WORKERS`] unless
    /// set otherwise.
    ///
    /// A single worker is enough for handlers that mostly wait. More workers help when handlers compute, but
    /// not more than there are cores.
    #[must_use]
    pub fn workers(self, workers: u16) -> Self {
        Self {
            workers: Some(workers),
            ..self
        }
    }

    /// How long a handler may run; more than zero, [`DEADLINE`] unless set otherwise. The time counts from
    /// the handler's first wait; before that, the handler cannot be stopped.
    ///
    /// A handler that runs longer has failed this attempt. When the deadline is too short, work is done
    /// twice. At the broker's `consumer_timeout` (30 min) or longer, the broker closes the channel first.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// How many times a quorum queue hands out an unsettled message again before it parks the message: at
    /// least 1, [`DELIVERY_LIMIT`] unless set otherwise. A classic queue has no delivery limit.
    ///
    /// When it is too low, the broker parks messages that only happened to be held by a process that died.
    /// When it is too high, a message that kills the process does it that many more times.
    #[must_use]
    pub fn delivery_limit(self, delivery_limit: u32) -> Self {
        Self {
            delivery_limit,
            ..self
        }
    }

    /// How the queue is declared on the broker before consuming; [`Declare::Create`] unless set otherwise.
    #[must_use]
    pub fn declare(self, declare: Declare) -> Self {
        Self { declare, ..self }
    }

    /// Binds the queue to an exchange, which is declared too. Each call adds a binding.
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

    /// Sets the prefetch and the number of workers to the system's defaults where they are not set.
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

    /// The name of the parking queue, where failed messages wait for a person: `<queue>.failed`.
    #[must_use]
    pub fn parking_name(&self) -> String {
        naming::parking(&self.name)
    }

    /// The name of the lane with this delay: `<queue>.retry.<delay>`. The delay is part of the name, so a
    /// changed policy makes a new lane and does not conflict with the old lane.
    ///
    /// For a [`Queue::golang_rabbitmq`] whose policy has a delay of 20 s, that lane is the retry queue of the
    /// contract, `<queue>_retry_3`.
    #[must_use]
    pub fn lane_name(&self, delay: Duration) -> String {
        match self.shared_lane(delay) {
            Some(contract) => contract.retry_queue_name(),
            None => naming::lane(&self.name, delay),
        }
    }

    /// The contract, if the lane with this delay is its retry queue. A policy without that delay leaves the
    /// retry queue alone: it may exist with another TTL.
    fn shared_lane(&self, delay: Duration) -> Option<&GolangRabbitmq> {
        let is_shared = delay == RETRY_DELAY && self.retry.lanes().contains(&delay);
        self.golang_rabbitmq.as_ref().filter(|_| is_shared)
    }
}
