//! Any delay from a second to 8.5 years, with a constant number of queues and no plugin.
//!
//! A delay of whole seconds is a number of [`LEVELS`] binary digits. There is a level for each digit: a topic
//! exchange, and a queue whose TTL is the value of the digit, 2^n seconds. A message goes from level to
//! level, highest first. Where its digit is 1, it waits in the level's queue, which dead-letters to the next
//! lower level; where its digit is 0, it is routed on at once. Below level 0 is a single exchange, [`DUE`],
//! to which destinations are bound.
//!
//! ```text
//!  3 s to `orders`: routing key 0.0. … .0.1.1.orders, published to the exchange of its highest 1
//!
//!   exchange 01 ──1──▶ queue 01 (2 s) ──expired──┐
//!        └────────0──────────────────────────────┴▶ exchange 00 ──1──▶ queue 00 (1 s) ──expired──┐
//!                                                        └────────0──────────────────────────────┤
//!                                       `orders` ◀── *.*. … .*.*.orders ── exchange due ◀────────┘
//! ```
//!
//! All messages in a queue have the same TTL, so no message waits behind a longer delay. No message comes to
//! a queue twice, so the broker does not take its path for a cycle.

mod destination;
mod error;
mod properties;
mod topology;

use std::time::{Duration, SystemTime};

pub use destination::{Destination, arrived};
pub use error::DelayError;
pub use properties::delayed_properties;
pub use topology::levels;

use crate::entity::QueueKind;

/// How many levels there are: a level for each binary digit of a delay.
pub const LEVELS: u32 = 28;

/// The shortest delay, and the step of all others.
pub const MIN: Duration = Duration::from_secs(1);

/// The longest delay, 8.5 years: 2^28 - 1 s.
pub const MAX: Duration = Duration::from_secs((1 << LEVELS) - 1);

/// The exchange that messages come to when their delay is over.
pub const DUE: &str = "garenne.delay.due";

/// The prefix of the names of all these exchanges.
const PREFIX: &str = "garenne.delay.";

/// A delay that the levels can make: whole seconds, from [`MIN`] to [`MAX`].
///
/// ```
/// # use garenne_core::{Delay, DurationExt, QueueKind};
/// let delay = Delay::after(90_500.millis()).unwrap();
/// assert_eq!(delay.duration(), 91.secs());
/// assert_eq!(delay.exchange(QueueKind::Quorum), "garenne.delay.06");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delay(u32);

impl Delay {
    /// A delay of at least this duration: a fraction of a second is rounded up, so that no message comes
    /// early.
    ///
    /// # Errors
    ///
    /// [`DelayError::TooShort`] under [`MIN`], [`DelayError::TooLong`] over [`MAX`].
    pub fn after(wanted: Duration) -> Result<Self, DelayError> {
        if wanted < MIN {
            return Err(DelayError::TooShort { wanted });
        }
        if wanted > MAX {
            return Err(DelayError::TooLong { wanted });
        }
        let rounded_up = wanted.as_secs() + u64::from(wanted.subsec_nanos() > 0);
        u32::try_from(rounded_up)
            .map(Self)
            .map_err(|_| DelayError::TooLong { wanted })
    }

    /// The delay from `now` to a time; `None` when that time has come. A time less than a second ahead counts
    /// as a second.
    ///
    /// # Errors
    ///
    /// [`DelayError::TooLong`] when the time is more than [`MAX`] ahead.
    pub fn until(at: SystemTime, now: SystemTime) -> Result<Option<Self>, DelayError> {
        match at.duration_since(now) {
            Ok(wanted) if !wanted.is_zero() => Self::after(wanted.max(MIN)).map(Some),
            _ => Ok(None),
        }
    }

    /// The length of the delay.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }

    /// How many queues a message waits in, in turn: the number of digits that are 1.
    #[must_use]
    pub const fn hops(self) -> u32 {
        self.0.count_ones()
    }

    /// The exchange that a message with this delay is published to: the exchange of its highest 1.
    #[must_use]
    pub fn exchange(self, kind: QueueKind) -> String {
        level_name(kind, self.0.ilog2())
    }

    /// The routing key for a message with this delay: the digits, then the destination.
    #[must_use]
    pub fn routing_key(self, destination: &Destination) -> String {
        let mut key = String::with_capacity(destination::DIGITS_LEN + destination.name().len());
        for level in (0..LEVELS).rev() {
            key.push(if self.0 >> level & 1 == 1 { '1' } else { '0' });
            key.push('.');
        }
        key.push_str(destination.name());
        key
    }

    /// The levels at which the message waits, highest first.
    fn levels(self) -> impl Iterator<Item = u32> {
        (0..LEVELS)
            .rev()
            .filter(move |level| self.0 >> level & 1 == 1)
    }
}

/// The name of a level: of its exchange and of its queue. The kind of queue is part of the name, so levels of
/// both kinds can exist side by side, and services with different kinds do not conflict.
fn level_name(kind: QueueKind, level: u32) -> String {
    match kind {
        QueueKind::Quorum => format!("garenne.delay.{level:02}"),
        QueueKind::Classic => format!("garenne.delay.classic.{level:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::DurationExt;

    #[test]
    fn what_is_finer_than_a_second_is_rounded_up() {
        for (wanted, secs) in [(1000, 1), (1001, 2), (1999, 2), (2000, 2)] {
            assert_eq!(
                Delay::after(wanted.millis()).unwrap().duration(),
                secs.secs()
            );
        }
        assert_eq!(Delay::after(MAX).unwrap().duration(), MAX);
    }

    #[test]
    fn delays_that_levels_cannot_make_are_refused() {
        for short in [Duration::ZERO, 999.millis(), MIN - Duration::from_nanos(1)] {
            assert_eq!(
                Delay::after(short),
                Err(DelayError::TooShort { wanted: short })
            );
        }
        for long in [MAX + Duration::from_nanos(1), Duration::MAX] {
            assert_eq!(
                Delay::after(long),
                Err(DelayError::TooLong { wanted: long })
            );
        }
    }

    #[test]
    fn a_time_that_has_come_needs_no_delay_and_one_ahead_is_never_early() {
        let now = SystemTime::UNIX_EPOCH + 1_000_000.hours();
        for past in [now, now - 1.hours()] {
            assert_eq!(Delay::until(past, now), Ok(None));
        }
        for (ahead, secs) in [(1, 1), (1000, 1), (1001, 2), (90_000, 90)] {
            let delay = Delay::until(now + ahead.millis(), now).unwrap().unwrap();
            assert_eq!(delay.duration(), secs.secs());
        }
        assert!(Delay::until(now + MAX + 1.secs(), now).is_err());
    }

    #[test]
    fn the_digits_are_those_of_the_number() {
        let orders = Destination::queue("orders").unwrap();
        let key = Delay::after(5.secs()).unwrap().routing_key(&orders);
        assert_eq!(
            key,
            "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.1.orders"
        );
        assert_eq!(
            Delay::after(5.secs()).unwrap().exchange(QueueKind::Quorum),
            "garenne.delay.02"
        );
        assert_eq!(
            Delay::after(MAX).unwrap().exchange(QueueKind::Classic),
            "garenne.delay.classic.27"
        );
    }
}
