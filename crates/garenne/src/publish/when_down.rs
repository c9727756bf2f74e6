//! What becomes of a message while the broker cannot take it.

use std::time::{Duration, Instant};

/// What becomes of a message while the broker cannot take it: there is no link, or the broker blocks
/// publishers (`connection.blocked`, a memory or disk alarm).
///
/// Chosen for a publisher ([`Publisher::when_down`](crate::Publisher::when_down)) or for one message
/// ([`Outgoing::when_down`](crate::Outgoing::when_down)), which counts more. It says how long to
/// wait for the broker, not how long to wait for a confirm: that is the confirm timeout.
///
/// With `WaitUpTo` and `Buffer`, what was sent and not confirmed when a link was lost is sent again
/// over the next one, with the same message id. Such a message may then be stored twice;
/// [`PublisherStatus::possible_duplicates`](crate::status::PublisherStatus::possible_duplicates)
/// counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenDown {
    /// The send fails at once. Right where somebody waits for an answer, and what a request is. The
    /// default.
    #[default]
    FailFast,
    /// The send waits this long for the broker, from the call on. Messages beyond the publisher's
    /// window wait in their senders' hands. Zero is `FailFast` for new messages.
    ///
    /// Too short, and a restart of the broker (seconds) is an error; too long, and callers pile up.
    WaitUpTo(Duration),
    /// The send waits up to `max_age`, and the publisher keeps the messages meanwhile, up to a bound.
    /// What no longer fits fails at once. It is memory, not a disk: what is buffered when the process
    /// ends is lost, and its senders have had no `Ok` for it.
    Buffer {
        /// How many messages the publisher may hold, those in flight included. 0: always full.
        max_messages: usize,
        /// How many bytes of messages it may hold (bodies, properties, names).
        max_bytes: usize,
        /// How long a message may wait for the broker, from the call on.
        max_age: Duration,
    },
}

/// How long one message may wait for a broker that takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// A copy of garenne's own. That the link is down is told at once, since whoever holds the original
    /// tries again; an alarm is waited out, since it has nowhere else to go.
    Copy,
    /// See [`WhenDown::FailFast`].
    FailFast,
    /// See [`WhenDown::WaitUpTo`].
    Until(Instant),
    /// See [`WhenDown::Buffer`].
    Buffered {
        /// The end of its `max_age`.
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
    /// Until when a broker that is away is waited for; `None`: not at all.
    pub(super) fn until(self) -> Option<Instant> {
        match self {
            Self::Copy | Self::FailFast => None,
            Self::Until(until) | Self::Buffered { until, .. } => Some(until),
        }
    }
}

/// Some time after this moment; what no clock reaches is as good as never.
pub(super) fn after(now: Instant, wait: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    now.checked_add(wait).unwrap_or(now + YEAR)
}
