//! Durations as people write them: parsed, spelt, and built from literals.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::secret::quoted;

/// Parses a duration as people write it: `20s`, `1500ms`, `2m`, `1h 30m`.
///
/// # Errors
///
/// [`DurationError`], which names the value and the accepted forms. A number without a unit is refused,
/// because it could mean seconds or milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    humantime::parse_duration(text.trim()).map_err(|source| DurationError {
        value: quoted(text),
        source,
    })
}

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq)]
pub struct DurationError {
    value: String,
    source: humantime::DurationError,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, .. } = self;
        write!(
            f,
            "{value} is not a duration; write numbers with units: `20s`, `1500ms`, `2m`, `1h 30m`"
        )
    }
}

impl Error for DurationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// Spells a duration as it appears in the name of a lane: `20s`, `3600s`, `1500ms`.
///
/// There is one spelling per duration, so that a delay always names the same queue. A fraction of a
/// millisecond is rounded up, because a broker's TTL counts whole milliseconds.
#[must_use]
pub fn compact(duration: Duration) -> String {
    let millis = ceil_millis(duration);
    if millis.is_multiple_of(1000) {
        format!("{}s", millis / 1000)
    } else {
        format!("{millis}ms")
    }
}

/// Spells a duration for people, to the millisecond: `2m 3s 40ms`.
pub(crate) fn readable(duration: Duration) -> impl fmt::Display {
    let fine = Duration::from_nanos(u64::from(duration.subsec_nanos() % 1_000_000));
    humantime::format_duration(duration.saturating_sub(fine))
}

/// The duration in whole milliseconds, rounded up.
pub(crate) fn ceil_millis(duration: Duration) -> u128 {
    u128::from(duration.as_secs()) * 1000 + u128::from(duration.subsec_nanos().div_ceil(1_000_000))
}

/// The same duration in whole milliseconds, rounded up.
pub(crate) fn round_up_to_millis(duration: Duration) -> Duration {
    u64::try_from(ceil_millis(duration)).map_or(Duration::MAX, Duration::from_millis)
}

/// Durations from literals: `20.secs()`.
///
/// It is implemented for a single integer type, so that a bare literal needs no suffix.
pub trait DurationExt {
    /// This many milliseconds.
    fn millis(self) -> Duration;
    /// This many seconds.
    fn secs(self) -> Duration;
    /// This many minutes, at most 2^64 seconds.
    fn minutes(self) -> Duration;
    /// This many hours, at most 2^64 seconds.
    fn hours(self) -> Duration;
}

impl DurationExt for u64 {
    fn millis(self) -> Duration {
        Duration::from_millis(self)
    }

    fn secs(self) -> Duration {
        Duration::from_secs(self)
    }

    fn minutes(self) -> Duration {
        Duration::from_secs(self.saturating_mul(60))
    }

    fn hours(self) -> Duration {
        Duration::from_secs(self.saturating_mul(3600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let cases = [
            ("20s", 20.secs()),
            ("1500ms", 1500.millis()),
            (" 2m ", 2.minutes()),
            ("1h 30m", 90.minutes()),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_duration(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_refusal_names_the_value_and_what_is_accepted() {
        for wrong in ["20", "", "soon", "-1s", "1 year 1 light"] {
            let error = parse_duration(wrong).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("`{wrong}` is not a duration")),
                "{error}"
            );
            assert!(error.to_string().contains("`1500ms`"), "{error}");
            assert!(error.source().is_some());
        }
    }

    #[test]
    fn equal_delays_are_spelt_alike() {
        let cases = [
            (20.secs(), "20s"),
            (1.hours(), "3600s"),
            (1500.millis(), "1500ms"),
            (2000.millis(), "2s"),
            (Duration::ZERO, "0s"),
            (Duration::from_nanos(1), "1ms"),
            (Duration::from_micros(999_001), "1s"),
        ];
        for (duration, expected) in cases {
            assert_eq!(compact(duration), expected, "{duration:?}");
        }
    }

    #[test]
    fn absurd_durations_do_not_overflow() {
        assert_eq!(u64::MAX.hours(), Duration::from_secs(u64::MAX));
        assert_eq!(u64::MAX.minutes(), Duration::from_secs(u64::MAX));
        assert_eq!(round_up_to_millis(Duration::MAX), Duration::MAX);
        assert!(compact(Duration::MAX).ends_with('s'));
    }

    #[test]
    fn people_are_spared_nanoseconds() {
        assert_eq!(
            readable(Duration::new(123, 40_999_999)).to_string(),
            "2m 3s 40ms"
        );
    }
}
