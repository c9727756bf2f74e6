//! Messages that arrive later: through the levels of [`garenne_core::delay`].

use std::time::{Duration, SystemTime};

use garenne_core::delay::delayed_properties;
use garenne_core::{Declare, Delay, Destination, QueueKind};
use tracing::warn;

use super::levels::Levels;
use super::{Outgoing, PublishError, Publisher};

/// What delayed messages wait in, and whether a publisher may declare it.
///
/// ```no_run
/// # use garenne::prelude::*;
/// # fn example(publisher: Publisher) -> Publisher {
/// publisher.delays(Delays::quorum().declare(Declare::Verify))
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    pub(super) kind: QueueKind,
    pub(super) declare: Declare,
}

impl Delays {
    /// Quorum queues, which is the default: replicated, and they keep a message until the next one
    /// has it.
    #[must_use]
    pub const fn quorum() -> Self {
        Self::new(QueueKind::Quorum)
    }

    /// Classic queues: cheaper, on one node, and a message is lost whose destination is gone or full
    /// when its delay is over.
    ///
    /// They have names of their own (`garenne.delay.classic.00` to `27`), so services that use the
    /// one kind do not disturb those that use the other.
    #[must_use]
    pub const fn classic() -> Self {
        Self::new(QueueKind::Classic)
    }

    const fn new(kind: QueueKind) -> Self {
        let declare = Declare::Create;
        Self { kind, declare }
    }

    /// What to do about the levels and a destination's binding before the first delayed message;
    /// [`Declare::Create`] unless told otherwise, which needs the right to configure, write and read
    /// `garenne.delay.*` and to write to the destination.
    ///
    /// With any other, somebody else declares them and binds each destination to the exchange
    /// `garenne.delay.due`: what [`levels`](garenne_core::delay::levels) and
    /// [`Destination::binding`] say. That a binding is there cannot be verified over AMQP.
    #[must_use]
    pub const fn declare(self, declare: Declare) -> Self {
        Self { declare, ..self }
    }
}

/// [`Delays::quorum`].
impl Default for Delays {
    fn default() -> Self {
        Self::quorum()
    }
}

impl Publisher {
    /// The same publisher, with other levels for delayed messages; [`Delays::quorum`] unless told
    /// otherwise, here or by [`SystemBuilder::delays`](crate::SystemBuilder::delays).
    #[must_use]
    pub fn delays(mut self, delays: Delays) -> Self {
        self.levels = Levels::new();
        self.levels.set(delays);
        self
    }

    /// The system's choice, for everybody who has its publisher already.
    pub(crate) fn set_delays(&self, delays: Delays) {
        self.levels.set(delays);
    }

    /// Publishes one message to a queue that gets it after a delay: from 1 s to 8.5 years, in whole
    /// seconds, rounded up. It returns when the broker has stored the message where it waits; from
    /// then on no part of this program is needed, and the broker may restart meanwhile.
    ///
    /// ```no_run
    /// # use garenne::prelude::*;
    /// # async fn example(publisher: Publisher) -> Result<(), PublishError> {
    /// let reminder = Outgoing::to_queue("reminders", Json(["order 7 is not paid"]));
    /// publisher.send_after(reminder, 72.hours()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The message keeps its properties and headers, but for what would break the delay: see
    /// [`delayed_properties`]. `expires_after` does not act on it: neither does it cut the delay
    /// short, nor does the message expire after it; the value stands in the header
    /// `delayed-expiration`. It is always mandatory. A handler sees it as sent to its queue.
    ///
    /// # When it arrives
    ///
    /// Never early. Late by what it takes to go through one queue for each digit 1 of the delay in
    /// binary (15 s: four queues; 16 s: one): 40 to 250 ms each were measured on two busy cores, less
    /// with classic queues than with quorum queues. And by the time the broker is down. Messages with different delays do not overtake one another wrongly: none waits behind a
    /// longer one.
    ///
    /// Levels of quorum queues lose nothing: a message whose queue is missing or full when its time
    /// has come stays in the last level, and is tried again every three minutes. Whether the queue is
    /// there is looked at when a message is sent, once a minute for each queue.
    ///
    /// # What it costs
    ///
    /// Each queue on the way stores the message once more and adds about 250 bytes to its headers
    /// (`x-death`). The first delayed message of an epoch also declares the 28 levels and its
    /// destination's binding. The name of the queue may have 199 bytes. For delays under a second,
    /// wait in the program and use [`Publisher::send`]: a queue that waits so short a time costs more
    /// than the wait.
    ///
    /// # Errors
    ///
    /// [`PublishError::Delay`] when there is no such delay to such a destination;
    /// [`PublishError::Unroutable`] when the queue is missing; otherwise as [`Publisher::send`]. It
    /// answers within 30 s for what must be declared, and within the bounds of `send` after that,
    /// each once more if somebody deleted the levels.
    ///
    /// # Cancel safety
    ///
    /// As [`Publisher::send`]. What was declared stays.
    pub async fn send_after(&self, message: Outgoing, delay: Duration) -> Result<(), PublishError> {
        let delay = Delay::after(delay)?;
        let destination = Destination::of(&message.exchange, &message.routing_key)?;
        let levels = &self.levels;
        let message = levels.delayed(message, delay, &destination)?;
        levels
            .ready(&*self.link(&message).await?, &message, delay, &destination)
            .await?;
        match self.send(message.clone()).await {
            // Somebody deleted a level: put it back, once, and publish again.
            Err(PublishError::Unroutable { .. }) if levels.may_declare() => {
                warn!(event = "delay_level_missing", level = %message.exchange, "a level of the delays is gone; declaring all again");
                levels.forget().await;
                levels
                    .ready(&*self.link(&message).await?, &message, delay, &destination)
                    .await?;
                self.send(message).await
            }
            result => result,
        }
    }

    /// Publishes one message to a queue that gets it at a time: like [`Publisher::send_after`] with
    /// the delay until then. When the time has come already, the message is sent at once, like
    /// [`Publisher::send`]; when it is less than a second ahead, with a delay of 1 s.
    ///
    /// The delay is computed once, by this host's clock; what is done to clocks later does not
    /// change it.
    ///
    /// # Errors
    ///
    /// As [`Publisher::send_after`].
    ///
    /// # Cancel safety
    ///
    /// As [`Publisher::send_after`].
    pub async fn send_at(&self, message: Outgoing, at: SystemTime) -> Result<(), PublishError> {
        match Delay::until(at, SystemTime::now())? {
            Some(delay) => self.send_after(message, delay.duration()).await,
            None => self.send(message).await,
        }
    }
}

impl Levels {
    /// The message as it is published to its first level.
    fn delayed(
        &self,
        message: Outgoing,
        delay: Delay,
        destination: &Destination,
    ) -> Result<Outgoing, PublishError> {
        Ok(Outgoing {
            exchange: delay.exchange(self.kind()),
            routing_key: delay.routing_key(destination),
            properties: delayed_properties(message.properties)?,
            // Without a level to wait in it would be lost, destination or not.
            mandatory: true,
            ..message
        })
    }
}
