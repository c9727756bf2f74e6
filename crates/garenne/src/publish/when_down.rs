//! What happens to a message while the broker cannot take it.

use std::time::{Duration, Instant};

/// What happens to a message while the broker cannot take it: there is no link, or the broker blocks
/// publishers (`connection.blocked`, a memory or disk alarm).
///
/// It is set for a publisher ([`Publisher::when_down`](crate::Publisher::when_down)) or for a message
/// ([`Outgoing::when_down`](crate::Outgoing::when_down)); the message's setting comes first. It bounds the
/// wait for the broker, not the wait for a confirm, which has the confirm timeout.
///
/// With `WaitUpTo` and `Buffer`, a message that was sent but not confirmed when a link was lost is sent again
/// over the next link, with the same message id. It may then be stored twice;
/// [`PublisherStatus::possible_duplicates`](crate::status::PublisherStatus::possible_duplicates) counts such
/// messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenDown {
    /// The send fails at once. Use it where a caller waits for an answer. It is the default, also for
    /// requests.
    #[default]
    FailFast,
    /// The send waits this long for the broker, from the call on. Messages beyond the publisher's window wait
    /// with their senders. Zero is `FailFast` for new messages.
    ///
    /// If it is too short, a restart of the broker (seconds) is an error; if it is too long, callers pile up.
    WaitUpTo(Duration),
    /// The send waits up to `max_age`, and the publisher keeps the messages meanwhile, up to a bound. A
    /// message that does not fit fails at once. The buffer is in memory, not on disk: when the process ends,
    /// its messages are lost; their senders got no `Ok` for them.
    Buffer {
        /// How many messages the publisher may hold, including those in flight. 0: always full.
        max_messages: usize,
        /// How many bytes of messages the publisher may hold (bodies, properties, names).
        max_bytes: usize,
        /// How long a message may wait for the broker, from the call on.
        max_age: Duration,
    },
}

/// How long a message may wait for a broker that takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// A copy that garenne itself sends. If the link is down it fails at once, because the holder of the
    /// original tries again. During an alarm it waits, because no other place can take it.
    Copy,
    /// See [`WhenDown::FailFast`].
    FailFast,
    /// See [`WhenDown::WaitUpTo`].
    Until(Instant),
    /// See [`WhenDown::Buffer`].
    Buffered {
        /// The end of the message's `max_age`.
        until: Instant,
        max_age: Duration,
    },
}

impl WhenDown {
    /// The patience of a message that is sent now.
    pub(super) fn patience(self, now: Instant) -> Patience {
        match self {
            Self::FailFast => Patience::FailFast,
            Self::WaitUpTo(wait) => Patience::Until(after(now, wait)),
            Self::Buffer { max_age, .. } => Patience::Buffered {
                until: after(now, max_age),
                max_age,
            },
        }
    }
}

impl Patience {
    /// Until when the message waits while the broker is down; `None`: not at all.
    pub(super) fn until(self) -> Option<Instant> {
        match self {
            Self::Copy | Self::FailFast => None,
            Self::Until(until) | Self::Buffered { until, .. } => Some(until),
        }
    }
}

/// The moment after `wait`; a time that the clock cannot represent becomes a year.
pub(super) fn after(now: Instant, wait: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    now.checked_add(wait).unwrap_or(now + YEAR)
}
