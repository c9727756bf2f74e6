//! Time as an argument.

use std::ops::Add;
use std::time::Duration;

/// A moment of monotonic time, measured from an origin that the caller chose.
///
/// This crate reads no clock. Its caller chooses an origin once (the start of the process, the start of a
/// test) and passes the time since then. Moments with different origins must not be mixed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// The moment this long after the origin.
    #[must_use]
    pub const fn from_origin(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// The time from `earlier` to this moment; zero when this moment is not later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Saturates: with a window of ten thousand years the moment never comes, but the addition does not overflow.
impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_past_the_end_of_time_is_the_end_of_time() {
        let late = Moment::from_origin(Duration::MAX) + Duration::from_secs(1);
        assert_eq!(late, Moment::from_origin(Duration::MAX));
    }

    #[test]
    fn nothing_has_passed_since_a_later_moment() {
        let earlier = Moment::default();
        let later = earlier + Duration::from_secs(3);
        assert_eq!(later.saturating_since(earlier), Duration::from_secs(3));
        assert_eq!(earlier.saturating_since(later), Duration::ZERO);
    }
}
