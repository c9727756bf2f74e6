//! A message that a handler publishes: what is said about it that only makes sense there.

use std::time::Duration;

use super::Outgoing;

/// A message for [`Delivery::publish`](crate::Delivery::publish): an [`Outgoing`] becomes one by itself,
/// by [`Outgoing::after`] or by [`Outgoing::derived`].
#[derive(Clone, Debug)]
#[must_use = "a message is published by `Delivery::publish`"]
pub struct Publication {
    pub(crate) message: Outgoing,
    pub(crate) delay: Option<Duration>,
    pub(crate) is_derived: bool,
}

impl Publication {
    /// See [`Outgoing::after`].
    pub fn after(self, delay: Duration) -> Self {
        Self {
            delay: Some(delay),
            ..self
        }
    }

    /// See [`Outgoing::derived`].
    pub fn derived(self) -> Self {
        Self {
            is_derived: true,
            ..self
        }
    }
}

impl From<Outgoing> for Publication {
    fn from(message: Outgoing) -> Self {
        Self {
            message,
            delay: None,
            is_derived: false,
        }
    }
}

impl Outgoing {
    /// For [`Delivery::publish`](crate::Delivery::publish): the message arrives after this delay, which
    /// counts from when it is sent. See [`Publisher::send_after`](crate::Publisher::send_after) for the
    /// bounds, and for messages that no handler sends.
    pub fn after(self, delay: Duration) -> Publication {
        Publication::from(self).after(delay)
    }

    /// For [`Delivery::publish`](crate::Delivery::publish): the message id is derived from the delivery,
    /// that is from its queue, its message id and the position of the message among those that this run
    /// of the handler sends. The message is then recognised wherever it is received more than once,
    /// because it was confirmed late, or because the handler ran again.
    ///
    /// So each run must send the same messages in the same order. If the delivery has no id, the message
    /// keeps the id that it has.
    pub fn derived(self) -> Publication {
        Publication::from(self).derived()
    }
}
