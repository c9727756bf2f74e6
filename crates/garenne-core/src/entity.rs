//! The entities to declare on the broker, as data.

use std::fmt;
use std::str::FromStr;

use crate::secret::quoted;
use crate::value::Headers;

/// The kind of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueKind {
    /// Replicated, and with a delivery limit that stops a message which keeps killing its process.
    Quorum,
    /// On a single node, and without a delivery limit.
    Classic,
}

impl QueueKind {
    /// The name of the kind: `quorum` or `classic`, the value of `x-queue-type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Classic => "classic",
        }
    }
}

impl fmt::Display for QueueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for QueueKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        match text.trim() {
            "quorum" => Ok(Self::Quorum),
            "classic" => Ok(Self::Classic),
            _ => Err(UnknownKind(quoted(text))),
        }
    }
}

/// A text that is not a [`QueueKind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind(String);

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is not a kind of queue; accepted: `quorum`, `classic`",
            self.0
        )
    }
}

impl std::error::Error for UnknownKind {}

/// The part of a message by which an exchange routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExchangeKind {
    /// The routing key, which must be equal.
    Direct,
    /// No part: every queue bound to it gets a copy.
    Fanout,
    /// The routing key, which must match a pattern.
    Topic,
    /// The headers.
    Headers,
}

impl ExchangeKind {
    /// The name of the kind, as it is declared.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
            Self::Headers => "headers",
        }
    }
}

impl fmt::Display for ExchangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How entities on the broker are declared before consuming.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Declare {
    /// Create the missing entities. Needs the right to configure.
    #[default]
    Create,
    /// Adopt the queue: it must exist, and is used as it is. Protection that it lacks is reported. Missing
    /// lanes and a missing parking queue are created; where the rights do not allow that, they must exist.
    Verify,
    /// Check no entity. A missing lane or parking queue is created when a message needs it.
    Off,
}

/// A single entity to declare. All entities are durable.
#[derive(Clone, Debug, PartialEq)]
pub enum Entity {
    /// A queue.
    Queue(QueueEntity),
    /// An exchange.
    Exchange(ExchangeEntity),
    /// A binding from an exchange to a queue.
    Binding(BindingEntity),
    /// A binding from an exchange to another exchange.
    ExchangeBinding(ExchangeBindingEntity),
}

/// A queue to declare.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueEntity {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: QueueKind,
    /// All its arguments, `x-queue-type` included: a virtual host may have another default type, so that a
    /// declaration without this argument fails (406). The argument is absent only for a queue that another
    /// program declares without it.
    pub args: Headers,
}

/// An exchange to declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeEntity {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: ExchangeKind,
}

/// A binding to declare, after its queue and its exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingEntity {
    /// The queue that gets the messages.
    pub queue: String,
    /// The exchange that the messages come from.
    pub exchange: String,
    /// The routing key, or the pattern for it.
    pub routing_key: String,
}

/// A binding between exchanges, to declare after both of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeBindingEntity {
    /// The exchange that the messages come from.
    pub source: String,
    /// The exchange that gets the messages.
    pub destination: String,
    /// The routing key, or the pattern for it.
    pub routing_key: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_queues_are_read_as_they_are_written() {
        for kind in [QueueKind::Quorum, QueueKind::Classic] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        let error = "stream".parse::<QueueKind>().unwrap_err();
        assert!(error.to_string().contains("`quorum`"), "{error}");
    }

    #[test]
    fn exchanges_are_spelt_as_amqp_spells_them() {
        let kinds = [
            ExchangeKind::Direct,
            ExchangeKind::Fanout,
            ExchangeKind::Topic,
            ExchangeKind::Headers,
        ];
        assert_eq!(
            kinds.map(ExchangeKind::as_str),
            ["direct", "fanout", "topic", "headers"]
        );
    }
}
