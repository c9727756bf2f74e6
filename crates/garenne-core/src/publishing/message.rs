//! One message that is to be published, and what is known of it.

use std::time::Duration;

use crate::time::Moment;

/// A hash of message id, exchange and routing key, made by whoever drives the machine.
///
/// A `basic.return` names no number, so it is matched by this. Two messages with one key are never in
/// flight together. So a collision costs a moment, and never gives a wrong answer.
pub type MessageKey = u64;

/// How often a message is handed to a channel that breaks without saying over which message.
pub const MAX_TRIES: u32 = 3;

/// What [`Publishing`](super::Publishing) asks about a message. It reads nothing else of it.
pub trait Publishable {
    /// Whether somebody still waits for the answer. What nobody waits for is not published.
    fn is_wanted(&self) -> bool;

    /// What the broker may name when it closes a channel over this message.
    fn names(&self) -> Names<'_>;
}

/// What the broker may name when it closes a channel over a message.
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

/// How long a message waits for a broker that takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageWait {
    /// A copy of garenne's own. A link that is down is told at once, because whoever holds the original
    /// tries again. An alarm is waited out, because the copy has nowhere else to go.
    Copy,
    /// Not at all.
    FailFast,
    /// Until this moment.
    Until(Moment),
}

impl OutageWait {
    /// Whether a link that is down is still waited for.
    #[must_use]
    pub fn lasts(self, now: Moment) -> bool {
        match self {
            Self::Copy | Self::FailFast => false,
            Self::Until(until) => now < until,
        }
    }
}

/// What a message comes with.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// What tells it from others.
    pub key: MessageKey,
    /// How long it waits for a broker that takes nothing.
    pub wait: OutageWait,
    /// When its send began.
    pub since: Moment,
}

/// A message, and what has happened to it so far.
#[derive(Debug)]
pub(super) struct Tracked<M> {
    pub(super) message: M,
    pub(super) conditions: Conditions,
    /// How often it was handed to a channel, without the times when the channel broke over another
    /// message, or with its link, or was left.
    pub(super) tries: u32,
    /// Whether it was ever handed to a channel: it may be stored.
    pub(super) sent: bool,
    /// Whether whoever waits was told that there is no confirm yet. The message stays in flight all the
    /// same, because its confirm may still come.
    pub(super) is_answered: bool,
    /// How long it has been on earlier channels without a confirm. Time while the broker blocked is not
    /// counted.
    pub(super) unconfirmed: Duration,
    /// When it came to where it is (the backlog of this channel, or its messages in flight), in
    /// [open time](super::open_time::OpenTime).
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

    /// Whether this is the last time that it is handed to a channel. That try is made alone: if the
    /// channel breaks once more, it was over this message and no other.
    pub(super) fn is_last_try(&self) -> bool {
        self.tries >= MAX_TRIES
    }

    pub(super) fn is_next_try_the_last(&self) -> bool {
        self.tries + 1 >= MAX_TRIES
    }

    /// The channel did not break over it.
    pub(super) fn take_the_try_back(&mut self) {
        self.tries = self.tries.saturating_sub(1);
    }
}

/// A message whose turn it is. Whoever drives the machine publishes it, and says so with
/// [`Publishing::published`](super::Publishing::published), or that the channel took nothing with
/// [`Publishing::is_shut`](super::Publishing::is_shut). A message that no channel could take is answered
/// and dropped.
#[must_use = "the message is lost when this is dropped"]
#[derive(Debug)]
pub struct Ready<M>(pub(super) Tracked<M>);

impl<M> Ready<M> {
    /// The message.
    pub fn message(&self) -> &M {
        &self.0.message
    }

    /// The message, to change in it what belongs to whoever drives the machine.
    pub fn message_mut(&mut self) -> &mut M {
        &mut self.0.message
    }

    /// Whether it was handed to a channel before: it may then be stored twice.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.0.sent
    }

    /// The message, which leaves the machine.
    #[must_use]
    pub fn into_message(self) -> M {
        self.0.message
    }
}
