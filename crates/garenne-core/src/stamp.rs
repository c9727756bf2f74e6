//! Calendar times in headers: RFC 3339, UTC, milliseconds. People read them in the management UI, and
//! programs parse them back exactly.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::value::Value;

/// The last millisecond of the year 9999, the last year with four digits.
const LAST: Duration = Duration::from_millis(253_402_300_799_999);

/// The nearest time with a year of four digits, from 1970 to 9999: RFC 3339 has no others. Brokers, producers
/// and clocks may give other times, and to format such a time would panic.
#[must_use]
pub fn within_years_of_four_digits(time: SystemTime) -> SystemTime {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + since_epoch.min(LAST)
}

/// The last time that can be written.
pub(crate) fn last() -> SystemTime {
    UNIX_EPOCH + LAST
}

/// The header value for a time. A time that cannot be written becomes the nearest that can: a host with a
/// wrong clock must still be able to park a message.
pub(crate) fn stamp(time: SystemTime) -> Value {
    let time = within_years_of_four_digits(time);
    let mut text = String::with_capacity("1970-01-01T00:00:00.000Z".len());
    // Writing to a string does not fail.
    let _ = write!(text, "{}", humantime::format_rfc3339_millis(time));
    text.into()
}

/// The time in a header value, if it holds a time.
pub(crate) fn read_stamp(value: &Value) -> Option<SystemTime> {
    humantime::parse_rfc3339(value.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_back_to_the_millisecond() {
        let time = UNIX_EPOCH + Duration::from_millis(1_790_000_000_123);
        assert_eq!(stamp(time), "2026-09-21T14:13:20.123Z".into());
        assert_eq!(read_stamp(&stamp(time)), Some(time));
    }

    #[test]
    fn a_clock_that_is_absurdly_wrong_still_gives_a_stamp() {
        let before = UNIX_EPOCH - Duration::from_secs(1);
        let after = UNIX_EPOCH + LAST + Duration::from_secs(1);
        assert_eq!(stamp(before), "1970-01-01T00:00:00.000Z".into());
        assert_eq!(stamp(after), "9999-12-31T23:59:59.999Z".into());
    }

    #[test]
    fn what_is_not_a_time_is_not_read() {
        for value in ["yesterday".into(), Value::I64(0)] {
            assert_eq!(read_stamp(&value), None);
        }
    }
}
