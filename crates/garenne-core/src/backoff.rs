//! How long to pause between attempts to reconnect.

use std::time::Duration;

/// The shortest pause, unless set otherwise.
pub const DEFAULT_FLOOR: Duration = Duration::from_millis(500);

/// The longest pause, unless set otherwise.
pub const DEFAULT_CEILING: Duration = Duration::from_secs(30);

/// Pauses at the beginning of an outage are at most this long, however long the back-off: a broker that
/// restarts is back within seconds, and a connection to a closed port costs nothing.
const MIN_CEILING: Duration = Duration::from_secs(2);

/// Pauses that grow, with decorrelated jitter: the next pause is random between the floor and three times the
/// last pause, and at most the ceiling.
///
/// Thereby a thousand services that lost the same broker reconnect at different times. When the floor is too
/// low, many attempts burden a broker that is starting. When the ceiling is too high, a broker that is back
/// stays idle. The rule is the "decorrelated jitter" of Amazon's "Exponential Backoff And Jitter" (2015).
#[derive(Clone, Debug)]
pub struct Backoff {
    floor: Duration,
    ceiling: Duration,
    last: Duration,
}

impl Backoff {
    /// Pauses from `floor` to `ceiling`. A floor below 1 ms counts as 1 ms, because zero cannot grow; a
    /// ceiling below the floor counts as the floor.
    #[must_use]
    pub fn new(floor: Duration, ceiling: Duration) -> Self {
        let floor = floor.max(Duration::from_millis(1));
        Self {
            floor,
            ceiling: ceiling.max(floor),
            last: floor,
        }
    }

    /// Pauses from [`DEFAULT_FLOOR`] to [`DEFAULT_CEILING`].
    #[must_use]
    pub const fn standard() -> Self {
        Self {
            floor: DEFAULT_FLOOR,
            ceiling: DEFAULT_CEILING,
            last: DEFAULT_FLOOR,
        }
    }

    /// The next pause; `random` is uniform in [0, 1), and a value outside counts as the nearer end.
    pub fn next(&mut self, random: f64) -> Duration {
        let random = random.clamp(0.0, 1.0);
        let span = self.last.saturating_mul(3).saturating_sub(self.floor);
        let jitter = Duration::try_from_secs_f64(span.as_secs_f64() * random).unwrap_or(span);
        self.last = self.floor.saturating_add(jitter).min(self.ceiling);
        self.last
    }

    /// The same, but at most a quarter of the time that the outage has lasted, or 2 s if that is more. So
    /// short outages end fast, and in long outages attempts are rare.
    pub fn next_within(&mut self, random: f64, lasting: Duration) -> Duration {
        self.next(random).min(MIN_CEILING.max(lasting / 4))
    }

    /// Starts again from the floor: the trouble is over.
    pub fn reset(&mut self) {
        self.last = self.floor;
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::standard()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::duration::DurationExt;

    #[test]
    fn the_first_pause_is_between_the_floor_and_three_times_it() {
        assert_eq!(Backoff::default().next(0.0), 500.millis());
        assert_eq!(Backoff::default().next(0.5), 1.secs());
        assert!(Backoff::default().next(1.0) <= 1500.millis());
    }

    #[test]
    fn pauses_grow_to_the_ceiling_and_begin_anew_after_a_reset() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..6).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(pauses, [1_500, 4_500, 13_500, 30_000, 30_000, 30_000]);
        backoff.reset();
        assert_eq!(backoff.next(1.0), 1500.millis());
    }

    #[test]
    fn while_an_outage_is_young_pauses_stay_short() {
        let mut backoff = Backoff::default();
        let ages = [0, 4, 8, 40, 400].map(Duration::from_secs);
        let pauses = ages.map(|age| backoff.next_within(1.0, age).as_millis());
        assert_eq!(pauses, [1_500, 2_000, 2_000, 10_000, 30_000]);
    }

    #[test]
    fn a_floor_of_zero_does_not_make_a_busy_loop() {
        let mut backoff = Backoff::new(Duration::ZERO, 1.secs());
        assert_eq!(backoff.next(0.0), 1.millis());
    }

    #[test]
    fn a_ceiling_below_the_floor_is_the_floor() {
        let mut backoff = Backoff::new(2.secs(), 1.secs());
        assert_eq!(backoff.next(0.9), 2.secs());
    }

    proptest! {
        #[test]
        fn every_pause_lies_between_floor_and_ceiling(
            floor in 1_u64..,
            span in any::<u64>(),
            randoms in prop::collection::vec(any::<f64>(), 1..50),
        ) {
            let floor = floor.millis();
            let ceiling = floor.saturating_add(span.secs());
            let mut backoff = Backoff::new(floor, ceiling);
            for random in randoms {
                let pause = backoff.next(random);
                prop_assert!((floor..=ceiling).contains(&pause), "{pause:?}");
            }
        }
    }
}
