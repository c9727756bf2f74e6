//! How long to pause between attempts to come back.

use std::time::Duration;

/// The shortest pause, unless told otherwise.
pub const DEFAULT_FLOOR: Duration = Duration::from_millis(500);

/// The longest pause, unless told otherwise.
pub const DEFAULT_CEILING: Duration = Duration::from_secs(30);

/// Pauses that grow, with decorrelated jitter: the next pause is a random one between the floor and
/// three times the last, at most the ceiling.
///
/// A thousand services that lost the same broker thereby come back spread over time. Too low a
/// floor hammers a broker that is starting; too high a ceiling leaves it idle after it is back. The
/// rule is the "decorrelated jitter" of Amazon's "Exponential Backoff And Jitter" (2015).
#[derive(Clone, Debug)]
pub struct Backoff {
    floor: Duration,
    ceiling: Duration,
    last: Duration,
}

impl Backoff {
    /// Pauses from `floor` to `ceiling`. A floor below 1 ms is taken as 1 ms, since nothing grows
    /// out of zero; a ceiling below the floor as the floor.
    #[must_use]
    pub fn new(floor: Duration, ceiling: Duration) -> Self {
        let floor = floor.max(Duration::from_millis(1));
        Self {
            floor,
            ceiling: ceiling.max(floor),
            last: floor,
        }
    }

    /// The next pause; `random` is uniform in [0, 1), and what lies outside counts as its end.
    pub fn next(&mut self, random: f64) -> Duration {
        let random = random.clamp(0.0, 1.0);
        let span = self.last.saturating_mul(3).saturating_sub(self.floor);
        let jitter = Duration::try_from_secs_f64(span.as_secs_f64() * random).unwrap_or(span);
        self.last = self.floor.saturating_add(jitter).min(self.ceiling);
        self.last
    }

    /// Starts again from the floor: the trouble is over.
    pub fn reset(&mut self) {
        self.last = self.floor;
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(DEFAULT_FLOOR, DEFAULT_CEILING)
    }
}
