//! Messages that arrive later, through the levels of [`garenne_core::delay`].

use std::time::{Duration, SystemTime};

use garenne_core::delay::delayed_properties;
use garenne_core::{Declare, Delay, Destination, QueueKind};
use tracing::warn;

use super::levels::Levels;
use super::{Outgoing, PublishError, Publisher};

/// The levels in which delayed messages wait, and whether a publisher may declare them.
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
    /// Quorum queues, the default: they are replicated, and keep a message until the next queue has it.
    #[must_use]
    pub const fn quorum() -> Self {
        Self::new(QueueKind::Quorum)
    }

    /// Classic queues: they are cheaper, but live on a single node. A message is lost if its destination is
    /// missing or full when its delay is over.
    ///
    /// They have their own names (`garenne.delay.classic.00` to `27`), so services with classic levels do not
    /// disturb services with quorum levels.
    #[must_use]
    pub const fn classic() -> Self {
        Self::new(QueueKind::Classic)
    }

    const fn new(kind: QueueKind) -> Self {
        let declare = Declare::Create;
        Self { kind, declare }
    }

    /// What to do about the levels and a destination's binding before the first delayed message. The default
    /// is [`Declare::Create`], which needs the right to configure, write and read `garenne.delay.*` and to
    /// write to the destination.
    ///
    /// With any other value, somebody else declares the levels and binds each destination to the exchange
    /// `garenne.delay.due`, as [`levels`](garenne_core::delay::levels) and [`Destination::binding`] describe.
    /// AMQP has no way to verify a binding.
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
    /// Sets the levels for delayed messages of this clone. The default is that of
    /// [`SystemBuilder::delays`](crate::SystemBuilder::delays), else [`Delays::quorum`].
    #[must_use]
    pub fn delays(mut self, delays: Delays) -> Self {
        self.levels = Levels::new();
        self.levels.set(delays);
        self
    }

    /// Sets the system's levels for all clones that were handed out before.
    pub(crate) fn set_delays(&self, delays: Delays) {
        self.levels.set(delays);
    }

    /// Publishes a message that its queue gets after a delay: from 1 s to 8.5 years, in whole seconds,
    /// rounded up. The call returns when the broker has stored the message in its first level. From then on
    /// this program is no longer needed, and the broker may restart meanwhile.
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
    /// The message keeps its properties and headers, except those that would break the delay: see
    /// [`delayed_properties`]. `expires_after` has no effect: it does not cut the delay short, and the
    /// message does not expire afterwards; the header `delayed-expiration` holds its value. The message is
    /// always mandatory. A handler sees the message as sent to its queue.
    ///
    /// # When it arrives
    ///
    /// A message never arrives early. It arrives late by the time through one queue for each digit 1 of the
    /// delay in binary (15 s: 4 queues; 16 s: 1 queue). Each queue took 40 to 250 ms on two busy cores,
    /// classic queues less than quorum queues. An outage of the broker adds to this. A message never waits
    /// behind a message with a longer delay.
    ///
    /// Levels of quorum queues lose nothing: if the destination is missing or full when the delay is over,
    /// the message stays in the last level, and the broker tries again every three minutes. A send checks
    /// that the queue exists, once a minute for each queue.
    ///
    /// # What it costs
    ///
    /// Each queue on the way stores the message again and adds about 250 bytes to its headers (`x-death`).
    /// The first delayed message of an epoch also declares the 28 levels and its destination's binding. The
    /// name of the queue may have 199 bytes. For delays under a second, wait in the program and use
    /// [`Publisher::send`]: a queue for so short a time costs more than the wait.
    ///
    /// # Errors
    ///
    /// [`PublishError::Delay`] when the delay or the destination is not possible;
    /// [`PublishError::Unroutable`] when the queue is missing; otherwise as for [`Publisher::send`]. The call
    /// takes at most 30 s for declarations, and then the bounds of `send`; it repeats both once if somebody
    /// has deleted the levels.
    ///
    /// # Cancel safety
    ///
    /// As for [`Publisher::send`]. Entities that were declared stay.
    pub async fn send_after(&self, message: Outgoing, delay: Duration) -> Result<(), PublishError> {
        let delay = Delay::after(delay)?;
        let destination = Destination::of(&message.exchange, &message.routing_key)?;
        let levels = &self.levels;
        let message = levels.delayed(message, delay, &destination)?;
        levels
            .ready(&*self.link(&message).await?, &message, delay, &destination)
            .await?;
        match self.send(message.clone()).await {
            // Somebody deleted a level: declare it again, once, and publish again.
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

    /// Publishes a message that its queue gets at a given time, like [`Publisher::send_after`] with the
    /// delay until then. If the time has come already, the message is sent at once, like [`Publisher::send`];
    /// if it is less than a second ahead, the delay is 1 s.
    ///
    /// The delay is computed once, by this host's clock; later changes of clocks do not affect it.
    ///
    /// # Errors
    ///
    /// As for [`Publisher::send_after`].
    ///
    /// # Cancel safety
    ///
    /// As for [`Publisher::send_after`].
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
            // Without its first level the message would be lost, even if the destination exists.
            mandatory: true,
            ..message
        })
    }
}
