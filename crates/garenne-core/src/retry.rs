//! When a failed message is tried again.

mod spelling;

use std::collections::BTreeSet;
use std::time::Duration;

pub use self::spelling::RetryError;

use crate::attempt::Attempt;
use crate::duration::{compact, round_up_to_millis};
use crate::fault::Fault;
use crate::lane::{MAX_DELAY, MIN_DELAY};

/// The most retries that a policy may ask for.
///
/// A message that has failed a thousand times needs a person, not another retry.
pub const MAX_TIMES: u32 = 1000;

const DEFAULT_TIMES: u32 = 3;
const DEFAULT_DELAY: Duration = Duration::from_secs(20);

/// When, and how many times, a failed message is tried again.
///
/// A message is run once and then retried at most [`Retry::times`] times. It waits in a lane on the broker,
/// so the messages behind it do not wait with it. Each distinct delay is a queue on the broker. The default
/// is every 20 s, three times.
///
/// A policy has a spelling for configuration, which [`FromStr`](std::str::FromStr) reads and `Display` writes:
///
/// | spelling | meaning |
/// |---|---|
/// | `20s*3` | every 20 s, three times |
/// | `1s,10s,1m` | after 1 s, then 10 s, then 1 min |
/// | `1s..1m*8` | after 1 s, doubling up to 1 min, eight times |
/// | `none` | never |
///
/// Delays are rounded up to whole milliseconds. A delay is 1 ms to 49 days, and a policy has at most 1000
/// retries; see [`Retry::faults`]. A delay that is too short meets the same trouble and uses the attempts up;
/// a delay that is too long keeps work waiting after the trouble has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry(Schedule);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Schedule {
    Every {
        delay: Duration,
        times: u32,
    },
    List(Vec<Duration>),
    Doubling {
        first: Duration,
        ceiling: Duration,
        times: u32,
    },
}

impl Retry {
    /// No retry: a failed message goes to the fail sink at once.
    #[must_use]
    pub const fn none() -> Self {
        Self(Schedule::List(Vec::new()))
    }

    /// Retries after the same delay each time; three times unless [`Retry::times`] says otherwise.
    #[must_use]
    pub fn every(delay: Duration) -> Self {
        Self(Schedule::Every {
            delay: round_up_to_millis(delay),
            times: DEFAULT_TIMES,
        })
    }

    /// Retries once per delay, in this order.
    #[must_use]
    pub fn delays(delays: impl IntoIterator<Item = Duration>) -> Self {
        Self(Schedule::List(
            delays.into_iter().map(round_up_to_millis).collect(),
        ))
    }

    /// Retries after `first`, then after twice as long each time, up to `ceiling`; three times
    /// unless [`Retry::times`] says otherwise.
    #[must_use]
    pub fn exponential(first: Duration, ceiling: Duration) -> Self {
        let (first, ceiling) = (round_up_to_millis(first), round_up_to_millis(ceiling));
        Self(Schedule::Doubling {
            first,
            ceiling,
            times: DEFAULT_TIMES,
        })
    }

    /// Retries at most `n` times. A list of delays is cut to this length, or its last delay is repeated.
    /// [`Retry::none`] stays none.
    #[must_use]
    pub fn times(mut self, n: u32) -> Self {
        match &mut self.0 {
            Schedule::Every { times, .. } | Schedule::Doubling { times, .. } => *times = n,
            Schedule::List(delays) => {
                if let Some(&last) = delays.last() {
                    // One past the bound is enough for `faults` to see it; more would only cost memory.
                    delays.resize(n.min(MAX_TIMES + 1) as usize, last);
                }
            }
        }
        self
    }

    /// How many retries follow the first run, 0 for none.
    #[must_use]
    pub fn retries(&self) -> u32 {
        match &self.0 {
            Schedule::Every { times, .. } | Schedule::Doubling { times, .. } => *times,
            Schedule::List(delays) => u32::try_from(delays.len()).unwrap_or(u32::MAX),
        }
    }

    /// How long to wait after this attempt has failed; `None` when it was the last.
    #[must_use]
    pub fn delay_after(&self, attempt: Attempt) -> Option<Duration> {
        let earlier = attempt.failed_before();
        if earlier >= self.retries() {
            return None;
        }
        match &self.0 {
            Schedule::Every { delay, .. } => Some(*delay),
            Schedule::List(delays) => delays.get(earlier as usize).copied(),
            Schedule::Doubling { first, ceiling, .. } => {
                // A factor that does not fit into 32 bits is past any ceiling that a lane can have.
                let doubled = 1_u32
                    .checked_shl(earlier)
                    .and_then(|n| first.checked_mul(n));
                Some(doubled.map_or(*ceiling, |delay| delay.min(*ceiling)))
            }
        }
    }

    /// The distinct delays of this policy, shortest first: the lanes it needs.
    #[must_use]
    pub fn lanes(&self) -> Vec<Duration> {
        let distinct: BTreeSet<_> = self.schedule().collect();
        distinct.into_iter().collect()
    }

    /// The faults of this policy; empty when it can be used.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.retries() > MAX_TIMES {
            let times = self.retries();
            faults.push(Fault::new(
                "retry times",
                times,
                "0 to 1000; a person should look sooner",
            ));
        }
        for delay in self.lanes() {
            if !(MIN_DELAY..=MAX_DELAY).contains(&delay) {
                let accepted = "1ms to 4294967295ms (49 days), what a queue's TTL can be";
                faults.push(Fault::new("retry delay", compact(delay), accepted));
            }
        }
        if let Schedule::Doubling { first, ceiling, .. } = &self.0
            && first > ceiling
        {
            let accepted = format!("at most its ceiling, {}", compact(*ceiling));
            faults.push(Fault::new("first retry delay", compact(*first), accepted));
        }
        faults
    }

    /// Every delay in order, up to the most retries that a policy may have.
    fn schedule(&self) -> impl Iterator<Item = Duration> + '_ {
        (0..MAX_TIMES).map_while(|failed| self.delay_after(Attempt::from_failed(failed)))
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self(Schedule::Every {
            delay: DEFAULT_DELAY,
            times: DEFAULT_TIMES,
        })
    }
}
