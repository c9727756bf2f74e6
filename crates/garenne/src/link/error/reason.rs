//! The meaning of the broker's text when it closes a channel or a connection.
//!
//! AMQP has a code for each close, but RabbitMQ uses one code for several causes: 406 has five meanings, 530
//! has four. Only the texts tell them apart: those of RabbitMQ 3.10 to 4.0. Only this module reads them.

use super::Kind;
use crate::link::difference::Refusal;

/// The broker's meaning, where its code alone does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The meaning of the code, or no code was given.
    #[default]
    Plain,
    /// The link has ended; this error does not say why.
    Gone,
    /// An entity does not exist. A queue whose node is down is not missing.
    Missing,
    /// Another consumer has the queue exclusively.
    ExclusiveUse,
    /// A queue with a single active consumer refuses `basic.get`.
    SingleActive,
    /// An entity exists with other arguments; the difference, if it can be read.
    Unlike(Option<Refusal>),
    /// A queue refuses an argument of its own or of a consumer. The broker may name the type of the queue.
    InvalidArgument(Option<QueueType>),
    /// A delivery was not settled in time.
    DeliveryTimeout,
    /// A settled delivery does not exist.
    UnknownDelivery,
    /// A limit is reached.
    Limit(Limit),
    /// The virtual host exists, but does not work.
    VhostDown,
    /// The virtual host does not exist.
    VhostMissing,
    /// The user or the virtual host was deleted.
    Deleted,
}

/// The limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The connections of a node.
    NodeConnections,
    /// The connections of a user.
    UserConnections,
    /// The queues of a virtual host, or of the cluster.
    Queues,
    /// Another limit: connections of a virtual host, channels of a user.
    Other,
}

/// The type of a queue, as RabbitMQ names it internally.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueType {
    Classic,
    Quorum,
    Stream,
}

impl Reason {
    /// Reads the broker's text. It contains names that users chose, between apostrophes. So most patterns are
    /// searched only at the beginning, or after the last name.
    pub(in crate::link) fn of(code: u16, text: &str) -> Self {
        let words = text.split_once(" - ").map_or(text, |(_, words)| words);
        let tail = text.rsplit('\'').next().unwrap_or(text);
        match code {
            320 if tail.ends_with("deleted") => Self::Deleted,
            403 if tail.ends_with("in exclusive use") => Self::ExclusiveUse,
            404 if words.starts_with("no ") => Self::Missing,
            405 if tail.contains("single active consumer") => Self::SingleActive,
            406 if words.starts_with("inequivalent arg") => Self::Unlike(Refusal::read(words)),
            406 if words.starts_with("invalid arg") => {
                Self::InvalidArgument(QueueType::named(tail))
            }
            406 if words.starts_with("unknown delivery tag") => Self::UnknownDelivery,
            530 if tail.ends_with("not found") => Self::VhostMissing,
            530 | 541 if tail.ends_with("is down") => Self::VhostDown,
            406 | 506 | 530 if tail.contains("reached") && words.contains("limit") => {
                Self::Limit(Limit::named(words))
            }
            406 if tail.contains("timed out") => Self::DeliveryTimeout,
            _ => Self::Plain,
        }
    }

    /// Whether a later attempt can succeed after a refusal with this code, without any change of the
    /// configuration.
    pub(super) const fn kind(&self, code: u16) -> Kind {
        let is_configuration = match code {
            // The consumer that has the queue may be the one that this consumer replaces.
            403 => !matches!(self, Self::ExclusiveUse),
            406 => matches!(self, Self::Unlike(_) | Self::InvalidArgument(_)),
            530 => !matches!(self, Self::VhostDown | Self::Limit(_)),
            540 => true,
            _ => false,
        };
        if is_configuration {
            Kind::Configuration
        } else {
            Kind::Transient
        }
    }
}

impl Limit {
    fn named(words: &str) -> Self {
        if words.contains("node connection limit") {
            Self::NodeConnections
        } else if words.contains("user connection limit") {
            Self::UserConnections
        } else if words.contains("queue limit") {
            Self::Queues
        } else {
            Self::Other
        }
    }
}

impl QueueType {
    fn named(tail: &str) -> Option<Self> {
        let all = [
            ("rabbit_classic_queue", Self::Classic),
            ("rabbit_quorum_queue", Self::Quorum),
            ("rabbit_stream_queue", Self::Stream),
        ];
        let named = all.into_iter().find(|(name, _)| tail.contains(name))?;
        Some(named.1)
    }
}

#[cfg(test)]
mod tests {
    use Kind::{Configuration, Transient};

    use super::*;

    #[track_caller]
    fn means(code: u16, text: &str, reason: &Reason, kind: Kind) {
        let read = Reason::of(code, text);
        assert_eq!(read, *reason, "{code} {text}");
        assert_eq!(read.kind(code), kind, "{code} {text}");
    }

    #[test]
    fn a_log_in_that_is_refused_says_what_must_change_or_be_waited_for() {
        let refused = "access to vhost 'x' refused for user 'app'";
        for (code, text, reason, kind) in [
            (
                403,
                "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN",
                Reason::Plain,
                Configuration,
            ),
            (
                530,
                "NOT_ALLOWED - vhost nope not found",
                Reason::VhostMissing,
                Configuration,
            ),
            (530, refused, Reason::Plain, Configuration),
            (
                530,
                &format!("NOT_ALLOWED - {refused}: connection limit (5) is reached"),
                Reason::Limit(Limit::Other),
                Transient,
            ),
            (
                530,
                "NOT_ALLOWED - connection refused for user 'app': user connection limit (5) is reached",
                Reason::Limit(Limit::UserConnections),
                Transient,
            ),
            (
                530,
                "NOT_ALLOWED - connection refused: node connection limit (5) is reached",
                Reason::Limit(Limit::NodeConnections),
                Transient,
            ),
            (
                530,
                "NOT_ALLOWED - number of channels opened for user 'app' has reached the maximum allowed limit of (1)",
                Reason::Limit(Limit::Other),
                Transient,
            ),
            (
                530,
                "NOT_ALLOWED - vhost 'x' is down",
                Reason::VhostDown,
                Transient,
            ),
            (
                541,
                "INTERNAL_ERROR - access to vhost 'v' refused for user 'app': vhost 'v' is down",
                Reason::VhostDown,
                Transient,
            ),
        ] {
            means(code, text, &reason, kind);
        }
    }

    #[test]
    fn one_code_with_several_meanings_is_told_apart_by_the_words() {
        for (code, text, reason, kind) in [
            (
                404,
                "NOT_FOUND - no queue 'q' in vhost '/'",
                Reason::Missing,
                Transient,
            ),
            (
                404,
                "NOT_FOUND - home node 'rabbit@a' of durable queue 'q' in vhost '/' is down or inaccessible",
                Reason::Plain,
                Transient,
            ),
            (
                403,
                "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use",
                Reason::ExclusiveUse,
                Transient,
            ),
            (
                405,
                "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'",
                Reason::Plain,
                Transient,
            ),
            (
                405,
                "RESOURCE_LOCKED - cannot obtain access to locked queue 'q' in vhost '/'. basic.get operations are not \
                 supported by quorum queues with single active consumer",
                Reason::SingleActive,
                Transient,
            ),
            (
                320,
                "CONNECTION_FORCED - user 'app' is deleted",
                Reason::Deleted,
                Transient,
            ),
            (
                320,
                "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
                Reason::Plain,
                Transient,
            ),
            (
                540,
                "NOT_IMPLEMENTED - queue type",
                Reason::Plain,
                Configuration,
            ),
            (541, "INTERNAL_ERROR", Reason::Plain, Transient),
        ] {
            means(code, text, &reason, kind);
        }
    }

    #[test]
    fn a_precondition_that_failed_is_told_apart_by_the_words() {
        for (text, reason, kind) in [
            (
                "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'e' in vhost '/': cut off here",
                Reason::Unlike(None),
                Configuration,
            ),
            (
                "PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'o'hara' in vhost '/' of queue type rabbit_stream_queue",
                Reason::InvalidArgument(Some(QueueType::Stream)),
                Configuration,
            ),
            (
                "PRECONDITION_FAILED - invalid arg 'x-max-length' for queue 'q' in vhost '/': {value_negative,-1}",
                Reason::InvalidArgument(None),
                Configuration,
            ),
            (
                "PRECONDITION_FAILED - unknown delivery tag 7",
                Reason::UnknownDelivery,
                Transient,
            ),
            (
                "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 3000 ms",
                Reason::DeliveryTimeout,
                Transient,
            ),
            (
                "PRECONDITION_FAILED - cannot declare queue 'q': queue limit in vhost '/' (3) is reached",
                Reason::Limit(Limit::Queues),
                Transient,
            ),
        ] {
            means(406, text, &reason, kind);
        }
    }

    /// Queue names can contain any text.
    #[test]
    fn a_name_is_not_taken_for_the_words_of_the_broker() {
        for (code, text) in [
            (
                403,
                "ACCESS_REFUSED - access to queue 'in exclusive use' in vhost '/' refused for user 'app'",
            ),
            (
                404,
                "NOT_FOUND - home node 'rabbit@a' of durable queue 'no queue' in vhost '/' is down or inaccessible",
            ),
            (
                405,
                "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'single active consumer' in vhost '/'",
            ),
            (
                530,
                "NOT_ALLOWED - access to vhost 'limit reached' refused for user 'is down'",
            ),
        ] {
            assert_eq!(Reason::of(code, text), Reason::Plain, "{code} {text}");
        }
    }
}
