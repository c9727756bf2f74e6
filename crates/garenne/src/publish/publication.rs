//! A message that a handler publishes, with the settings that only apply there.

use std::time::Duration;

use super::Outgoing;

/// A message for [`Delivery::publish`](crate::Delivery::publish). An [`Outgoing`] converts into a publication
/// by itself, by [`Outgoing::after`] or by [`Outgoing::derived`].
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
    /// For [`Delivery::publish`](crate::Delivery::publish): the message arrives after this delay, counted
    /// from the send. See [`Publisher::send_after`](crate::Publisher::send_after) for the bounds, and for
    /// messages that no handler sends.
    pub fn after(self, delay: Duration) -> Publication {
        Publication::from(self).after(delay)
    }

    /// For [`Delivery::publish`](crate::Delivery::publish): the message id is derived from the delivery: from
    /// its queue, its message id, and the position of the message among the messages that this run of the
    /// handler sends. A consumer then recognises a message that it receives more than once, because its
    /// confirm was late or because the handler ran again.
    ///
    /// So each run must send the same messages in the same order. If the delivery has no id, the message
    /// keeps its own id.
    pub fn derived(self) -> Publication {
        Publication::from(self).derived()
    }
}
