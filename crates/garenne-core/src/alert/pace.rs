//! The pace of an alert.

use std::time::Duration;

use super::limit::CallLimit;
use crate::fault::Fault;

/// The pace of an alert: how often it is called, how long it gathers news, how long it keeps trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a pace does nothing until an alert is given it"]
#[non_exhaustive]
pub struct Pace {
    /// See [`Pace::limit`](fn@Pace::limit).
    pub limit: CallLimit,
    /// See [`Pace::gather`](fn@Pace::gather).
    pub gather: Duration,
    /// See [`Pace::every`](fn@Pace::every).
    pub every: Duration,
    /// See [`Pace::timeout`](fn@Pace::timeout).
    pub timeout: Duration,
    /// See [`Pace::keep`](fn@Pace::keep).
    pub keep: Duration,
    /// See [`Pace::subjects`](fn@Pace::subjects).
    pub subjects: usize,
}

impl Pace {
    /// At most `calls` calls in any stretch of `per`, failed calls included: 20 per minute by default; 1 to
    /// 10,000 calls. When more than one call is allowed, the last is reserved for critical news and the end
    /// of the service.
    ///
    /// When it is too high, the receiver refuses or mutes the alerts. When it is too low, news wait for a
    /// call. Each process counts for itself: divide by the number of replicas that share a receiver.
    pub const fn limit(mut self, calls: u32, per: Duration) -> Self {
        self.limit = CallLimit { calls, per };
        self
    }

    /// How long the first news about a subject wait for others: 2 s by default; 0 tells them at once.
    ///
    /// When it is too short, a burst begins with an alert about its first message. When it is too long,
    /// people learn of it late. Critical news never wait.
    pub const fn gather(self, gather: Duration) -> Self {
        Self { gather, ..self }
    }

    /// How long a told subject makes no further call: 5 min by default. News meanwhile are counted, and told
    /// after that time or with an earlier call.
    ///
    /// When it is too short, people stop reading. When it is too long, they do not see that the trouble goes
    /// on.
    pub const fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// How long a call may take before it counts as failed: 10 s by default; above zero.
    pub const fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How long overdue news are kept while calls fail: 1 h by default; above zero. Older news are dropped,
    /// and the next alert says how many.
    pub const fn keep(self, keep: Duration) -> Self {
        Self { keep, ..self }
    }

    /// How many subjects are told apart: 64 by default, 1 to 10,000. Further subjects are told together per
    /// queue and reason; all news are counted.
    ///
    /// It bounds the memory, to about 1 KiB per subject.
    pub const fn subjects(self, subjects: usize) -> Self {
        Self { subjects, ..self }
    }

    /// The faults of this pace.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !(1..=10_000).contains(&self.limit.calls) {
            faults.push(Fault::new("calls", self.limit.calls, "1 to 10,000"));
        }
        if !(1..=10_000).contains(&self.subjects) {
            faults.push(Fault::new("subjects", self.subjects, "1 to 10,000"));
        }
        for (what, value) in [
            ("time of the call limit", self.limit.per),
            ("timeout", self.timeout),
            ("keep", self.keep),
        ] {
            if value.is_zero() {
                faults.push(Fault::new(what, "0s", "a duration above zero"));
            }
        }
        faults
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            limit: CallLimit {
                calls: 20,
                per: Duration::from_secs(60),
            },
            gather: Duration::from_secs(2),
            every: Duration::from_secs(300),
            timeout: Duration::from_secs(10),
            keep: Duration::from_secs(3600),
            subjects: 64,
        }
    }
}
