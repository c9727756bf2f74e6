//! Messages for queues that programs with the Go package `golang-rabbitmq` use too.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use garenne_core::golang_rabbitmq::CONTENT_TYPE;
use garenne_core::{Declare, Entity, Epoch, GolangRabbitmq};
use tokio::sync::Mutex;
use tracing::warn;

use super::levels::{in_time, refusal};
use super::{Outgoing, Payload, PublishError, Publisher};
use crate::build_error::BuildError;
use crate::link::{Link, declare_entities};

/// How long declared entities are assumed to exist. An operator's policy may delete a delay queue that was
/// not declared for a while, so such a policy must allow at least this time.
const TRUST: Duration = Duration::from_secs(60);

/// Sends to a queue as programs with the Go package `golang-rabbitmq` do, with the same entities and the same
/// arguments; made by [`Publisher::golang_rabbitmq`]. Cheap to clone.
///
/// It declares the same entities as the package: exchange, queue, binding and, for delayed messages, the
/// delay queue. It declares them on first use in every epoch, again every minute, and when a message came
/// back because an entity is gone. See [`GolangRabbitmq`] for all names.
///
/// Beyond the package, every message has a confirm, a message id and a time; delayed messages are persistent
/// too.
///
/// ```no_run
/// use garenne::GolangRabbitmq;
/// use garenne::prelude::*;
///
/// # async fn example(publisher: Publisher) -> Result<(), Box<dyn std::error::Error>> {
/// let shop = GolangRabbitmq::new("orders").exchange("shop", ExchangeKind::Direct, "placed");
/// let orders = publisher.golang_rabbitmq(shop)?;
/// orders.send(orders.message(r#"{"order_id":7}"#)).await?;
/// orders.send_after(orders.message(r#"{"order_id":8}"#), 20.secs()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct GolangRabbitmqPublisher {
    publisher: Publisher,
    contract: GolangRabbitmq,
    declare: Declare,
    /// Locked during a declaration, because concurrent sends need the same entities.
    known: Arc<Mutex<Known>>,
}

/// The entities that were declared in this epoch, and when.
#[derive(Default)]
struct Known {
    epoch: Option<Epoch>,
    queues: HashMap<String, Instant>,
}

impl Publisher {
    /// A sender to a queue that programs with the Go package `golang-rabbitmq` use too, over this publisher's
    /// link.
    ///
    /// # Errors
    ///
    /// [`BuildError`] with all faults of the names.
    pub fn golang_rabbitmq(
        &self,
        contract: impl Into<GolangRabbitmq>,
    ) -> Result<GolangRabbitmqPublisher, BuildError> {
        let contract = contract.into();
        BuildError::unless_empty(contract.faults())?;
        Ok(GolangRabbitmqPublisher {
            publisher: self.clone(),
            contract,
            declare: Declare::default(),
            known: Arc::default(),
        })
    }
}

impl GolangRabbitmqPublisher {
    /// What to do about the entities before a message is sent. The default is [`Declare::Create`], as in the
    /// package.
    #[must_use]
    pub fn declare(self, declare: Declare) -> Self {
        Self { declare, ..self }
    }

    /// A message for the queue, addressed as the package does: to the exchange with the routing key, or to
    /// the queue through the default exchange; `text/plain`, persistent.
    ///
    /// [`Publisher::send`] and [`Publisher::send_all`] take it too, if the entities are known to exist.
    pub fn message(&self, payload: impl Payload) -> Outgoing {
        let (exchange, routing_key) = self.contract.address();
        Outgoing::to_exchange(exchange, routing_key, payload).content_type(CONTENT_TYPE)
    }

    /// Publishes a message to the queue, whatever its own address, and returns when the broker has
    /// confirmed it.
    ///
    /// # Errors
    ///
    /// As for [`Publisher::send`]. If an entity cannot be declared, the error is [`PublishError::Refused`],
    /// with the argument that differs; the declarations take 30 s at most.
    ///
    /// # Cancel safety
    ///
    /// As for [`Publisher::send`]. Entities that were declared stay.
    pub async fn send(&self, message: Outgoing) -> Result<(), PublishError> {
        let (exchange, routing_key) = self.contract.address();
        let message = Outgoing {
            exchange: exchange.to_owned(),
            routing_key: routing_key.to_owned(),
            ..message
        };
        let queue = self.contract.queue_name();
        self.deliver(message, queue, &[]).await
    }

    /// Publishes a message that the queue gets after a delay: from 1 s to 49 days, in whole seconds,
    /// rounded up. The message waits in the package's queue for this delay, `<queue>_delay_<seconds>`,
    /// persistent, and arrives with `retry_nums` 0.
    ///
    /// Each delay makes a queue on the broker, which stays: the package's arguments do not allow it to
    /// expire. Use a few fixed delays, not computed ones, or a policy that expires unused queues. Such a
    /// policy must give a queue a few minutes more than its delay, or it deletes the messages that wait
    /// there. [`Publisher::send_after`] makes no such queues and takes any delay, and a program with the
    /// package gets its messages just as well.
    ///
    /// # Errors
    ///
    /// [`PublishError::Delay`] for a delay that no delay queue can have; otherwise as for
    /// [`GolangRabbitmqPublisher::send`].
    ///
    /// # Cancel safety
    ///
    /// As for [`GolangRabbitmqPublisher::send`].
    pub async fn send_after(&self, message: Outgoing, delay: Duration) -> Result<(), PublishError> {
        GolangRabbitmq::check_delay(delay)?;
        let queue = self.contract.delay_queue_name(delay);
        let message = Outgoing {
            // Not through the exchange, where other queues may be bound: the confirm must mean that this very
            // queue has the message.
            exchange: String::new(),
            routing_key: queue.clone(),
            properties: GolangRabbitmq::delayed(message.properties)?,
            mandatory: true,
            ..message
        };
        let waiting = self.contract.delay_entities(delay);
        self.deliver(message, &queue, &waiting).await
    }

    /// Sends a message that needs this queue and the entities that belong to it.
    async fn deliver(
        &self,
        message: Outgoing,
        queue: &str,
        waiting: &[Entity],
    ) -> Result<(), PublishError> {
        self.ready(&message, queue, waiting).await?;
        match self.publisher.send(message.clone()).await {
            Err(PublishError::Unroutable { .. }) if self.declare == Declare::Create => {
                warn!(
                    event = "shared_queue_missing",
                    queue, "a queue that is shared with the Go package is gone; declaring it again"
                );
                *self.known.lock().await = Known::default();
                self.ready(&message, queue, waiting).await?;
                self.publisher.send(message).await
            }
            result => result,
        }
    }

    async fn ready(
        &self,
        message: &Outgoing,
        queue: &str,
        waiting: &[Entity],
    ) -> Result<(), PublishError> {
        let link = self.publisher.link(message).await?;
        in_time(&link, self.declared(&link, queue, waiting)).await
    }

    async fn declared(
        &self,
        link: &Link,
        queue: &str,
        waiting: &[Entity],
    ) -> Result<(), PublishError> {
        let mut known = self.known.lock().await;
        if known.epoch != Some(link.epoch) {
            *known = Known {
                epoch: Some(link.epoch),
                ..Known::default()
            };
        }
        known.queues.retain(|_, since| since.elapsed() < TRUST);
        if known.queues.contains_key(queue) {
            return Ok(());
        }
        let entities = [&self.contract.entities(), waiting].concat();
        declare_entities(link, &entities, self.declare)
            .await
            .map_err(|e| refusal(&format!("nothing can be sent to `{queue}`"), &e))?;
        known.queues.insert(queue.to_owned(), Instant::now());
        Ok(())
    }
}

impl std::fmt::Debug for GolangRabbitmqPublisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GolangRabbitmqPublisher")
            .field("contract", &self.contract)
            .field("declare", &self.declare)
            .finish_non_exhaustive()
    }
}
