//! A message to be published, and its state.

use std::time::Duration;

use crate::time::Moment;

/// A hash of message id, exchange and routing key, made by the driver of [`Publishing`](super::Publishing).
///
/// A `basic.return` has no number, so it is matched by this key. Two messages with the same key are never in
/// flight together. So a collision costs only time, and never gives a wrong answer.
pub type MessageKey = u64;

/// How often a message is handed to channels that break without naming the message at fault.
pub const MAX_TRIES: u32 = 3;

/// The parts of a message that [`Publishing`](super::Publishing) reads.
pub trait Publishable {
    /// Whether the sender still waits for the answer. A message without a waiting sender is not published.
    fn is_wanted(&self) -> bool;

    /// The texts that the broker may quote when it closes a channel because of this message.
    fn names(&self) -> Names<'_>;
}

/// The texts that the broker may quote when it closes a channel because of a message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names<'a> {
    /// The exchange; empty for the default exchange.
    pub exchange: &'a str,
    /// The routing key.
    pub routing_key: &'a str,
    /// The length of the body in bytes.
    pub body_len: usize,
    /// The property `user_id`.
    pub user_id: Option<&'a str>,
    /// The property `expiration`.
    pub expiration: Option<&'a str>,
}

/// How long a message waits while the broker takes no messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageWait {
    /// A copy of garenne's own. When the link is down, the answer comes at once, because the holder of the
    /// original tries again. When the broker blocks publishers, the copy waits, because it has nowhere else
    /// to go.
    Copy,
    /// Not at all.
    FailFast,
    /// Until this moment.
    Until(Moment),
}

impl OutageWait {
    /// Whether the message still waits when the link is down.
    #[must_use]
    pub fn lasts(self, now: Moment) -> bool {
        match self {
            Self::Copy | Self::FailFast => false,
            Self::Until(until) => now < until,
        }
    }
}

/// The conditions under which a message is sent.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// The key of the message.
    pub key: MessageKey,
    /// How long it waits while the broker takes no messages.
    pub wait: OutageWait,
    /// When its send began.
    pub since: Moment,
}

/// A message with its state.
#[derive(Debug)]
pub(super) struct Tracked<M> {
    pub(super) message: M,
    pub(super) conditions: Conditions,
    /// How often it was handed to a channel. A try does not count if the channel broke because of another
    /// message, broke with its link, or was left.
    pub(super) tries: u32,
    /// Whether it was ever handed to a channel: it may be stored.
    pub(super) sent: bool,
    /// Whether the sender was told that there is no confirm yet. The message stays in flight all the same,
    /// because its confirm may still come.
    pub(super) is_answered: bool,
    /// How long it has been on earlier channels without a confirm. Time in which the broker blocks does not
    /// count.
    pub(super) unconfirmed: Duration,
    /// The [open time](super::open_time::OpenTime) at which it came to its present place: the backlog of this
    /// channel, or its messages in flight.
    pub(super) here_since: Duration,
}

impl<M> Tracked<M> {
    pub(super) fn new(message: M, conditions: Conditions) -> Self {
        Self {
            message,
            conditions,
            tries: 0,
            sent: false,
            is_answered: false,
            unconfirmed: Duration::ZERO,
            here_since: Duration::ZERO,
        }
    }

    pub(super) fn key(&self) -> MessageKey {
        self.conditions.key
    }

    /// Whether this is the last try. It is made alone: if the channel breaks once more, this message is the
    /// cause.
    pub(super) fn is_last_try(&self) -> bool {
        self.tries >= MAX_TRIES
    }

    pub(super) fn is_next_try_the_last(&self) -> bool {
        self.tries + 1 >= MAX_TRIES
    }

    /// The channel did not break because of this message.
    pub(super) fn take_the_try_back(&mut self) {
        self.tries = self.tries.saturating_sub(1);
    }
}

/// A message whose turn it is. The driver publishes it and calls
/// [`Publishing::published`](super::Publishing::published), or calls
/// [`Publishing::is_shut`](super::Publishing::is_shut) if the channel took nothing. A message that no channel
/// could take is answered and dropped.
#[must_use = "the message is lost when this is dropped"]
#[derive(Debug)]
pub struct Ready<M>(pub(super) Tracked<M>);

impl<M> Ready<M> {
    /// The message.
    pub fn message(&self) -> &M {
        &self.0.message
    }

    /// The message, so that the driver can change its own parts of it.
    pub fn message_mut(&mut self) -> &mut M {
        &mut self.0.message
    }

    /// Whether it was handed to a channel before: then it may be stored twice.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.0.sent
    }

    /// The message, which leaves [`Publishing`](super::Publishing).
    #[must_use]
    pub fn into_message(self) -> M {
        self.0.message
    }
}
