//! The subjects of news: news with equal subjects are told together.

use std::fmt;

use super::words::cut;
use crate::outcome::FailReason;
use crate::wire::is_hidden;

/// How long the kind of an error may be, in bytes.
const MAX_KIND: usize = 120;

/// The subject of a piece of news. News about the same subject are counted and told together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// Messages of a queue that failed for good.
    Failures {
        /// The queue they failed in.
        queue: String,
        /// Why they failed for good.
        reason: FailReason,
        /// The common text of their errors, with every word that contains a digit as `#`. `None` when there
        /// are too many kinds to tell them apart.
        kind: Option<String>,
    },
    /// The fail sink did not store messages of a queue; they were parked instead.
    FailSink {
        /// The queue they failed in.
        queue: String,
    },
    /// A handler panicked or hung, and was created again.
    HandlerDied {
        /// The queue it handles.
        queue: String,
    },
    /// A worker died and was started again, which is a fault of garenne.
    WorkerDied {
        /// The queue it consumes.
        queue: String,
    },
    /// There has been no consumption for some time.
    Outage,
    /// The reported outage is over.
    OutageEnded,
    /// The outage outlasted its window: the system stops.
    GaveUp,
    /// The configuration cannot work: the system stops.
    Configuration,
    /// The system cannot go on, for example when a worker dies again and again: it stops.
    Internal,
}

/// The severity of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// A trouble is over.
    Info,
    /// A person should look at it.
    Warning,
    /// The service stops by itself. Critical news do not wait for others.
    Critical,
}

impl Subject {
    /// The subject of a message that failed for good with this error.
    #[must_use]
    pub fn failure(queue: impl Into<String>, reason: FailReason, error: &str) -> Self {
        Self::Failures {
            queue: queue.into(),
            reason,
            kind: Some(kind_of(error)),
        }
    }

    /// The severity of this subject.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::OutageEnded => Severity::Info,
            Self::GaveUp | Self::Configuration | Self::Internal => Severity::Critical,
            Self::Failures { .. }
            | Self::FailSink { .. }
            | Self::HandlerDied { .. }
            | Self::WorkerDied { .. }
            | Self::Outage => Severity::Warning,
        }
    }

    /// The queue of this subject, if it has a queue.
    #[must_use]
    pub fn queue(&self) -> Option<&str> {
        match self {
            Self::Failures { queue, .. }
            | Self::FailSink { queue }
            | Self::HandlerDied { queue }
            | Self::WorkerDied { queue } => Some(queue),
            _ => None,
        }
    }

    /// A stable name for programs: `failures`, `fail-sink`, `handler-died`, `worker-died`, `outage`,
    /// `outage-ended`, `gave-up`, `configuration`, `internal`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Failures { .. } => "failures",
            Self::FailSink { .. } => "fail-sink",
            Self::HandlerDied { .. } => "handler-died",
            Self::WorkerDied { .. } => "worker-died",
            Self::Outage => "outage",
            Self::OutageEnded => "outage-ended",
            Self::GaveUp => "gave-up",
            Self::Configuration => "configuration",
            Self::Internal => "internal",
        }
    }

    /// The subject that collects news without room for a subject of their own.
    pub(super) fn without_kind(&self) -> Self {
        match self {
            Self::Failures { queue, reason, .. } => Self::Failures {
                queue: queue.clone(),
                reason: *reason,
                kind: None,
            },
            other => other.clone(),
        }
    }
}

impl Severity {
    /// `info`, `warning`, `critical`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Numbers, times and ids do not make a kind: order 4711 and order 4712 fail in the same way.
fn kind_of(error: &str) -> String {
    let mut kind = String::new();
    for word in error.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !kind.is_empty() {
            kind.push(' ');
        }
        if word.contains(|c: char| c.is_numeric()) {
            kind.push('#');
        } else {
            kind.extend(word.chars().filter(|c| !is_hidden(*c)));
        }
        if kind.len() > MAX_KIND {
            break;
        }
    }
    cut(kind, MAX_KIND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(error: &str) -> Subject {
        Subject::failure("orders", FailReason::Exhausted, error)
    }

    #[test]
    fn errors_that_differ_in_numbers_and_ids_are_of_one_kind() {
        let same = [
            ("no order 4711", "no order 4712"),
            (
                "customer 0190a1b2-77aa-7000-8000-00000000abcd is blocked",
                "customer 0190a1b2-77aa-7000-8000-00000000ffff is blocked",
            ),
            ("timeout after 30s", "timeout  after\n31.5s"),
        ];
        for (one, other) in same {
            assert_eq!(failure(one), failure(other));
        }
        assert_ne!(failure("card declined"), failure("no such card"));
    }

    #[test]
    fn a_kind_is_short_however_long_the_error() {
        let Subject::Failures {
            kind: Some(kind), ..
        } = failure(&"ü".repeat(1_000_000))
        else {
            unreachable!("a failure is a failure");
        };
        assert!(kind.len() <= MAX_KIND && kind.ends_with('…'), "{kind}");
    }
}
