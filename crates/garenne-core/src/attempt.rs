//! The number of a handler's run on a message, and its form on the wire.

use std::fmt;

use crate::value::Value;
use crate::wire::RawValue;

/// The header that carries how many attempts at a message have failed already.
///
/// The name is part of the wire contract; it is written as a 32-bit signed integer. Absent means 0.
pub const RETRY_NUMS: &str = "retry_nums";

/// The most failed attempts that [`RETRY_NUMS`] can hold.
const MOST_FAILED: u32 = i32::MAX.unsigned_abs();

/// A run of a handler on a message, counted from 1.
///
/// A redelivery by the broker (a lost link, a shutdown) is the same attempt again; only a failure leads to
/// the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(u32);

impl Attempt {
    /// The first run on a message.
    pub const FIRST: Self = Self(1);

    /// The attempt that follows `failed` failed attempts. It stops at 2^31 − 1 failed attempts, the most that
    /// the header can hold.
    #[must_use]
    pub const fn from_failed(failed: u32) -> Self {
        Self(
            if failed < MOST_FAILED {
                failed
            } else {
                MOST_FAILED
            } + 1,
        )
    }

    /// How many attempts failed before this one: 0 for the first.
    #[must_use]
    pub const fn failed_before(self) -> u32 {
        self.0 - 1
    }

    /// The number of this attempt, from 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The attempt that follows the failure of this attempt.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::from_failed(self.0)
    }

    /// The value of [`RETRY_NUMS`] for this attempt.
    #[must_use]
    pub fn header(self) -> Value {
        Value::I32(i32::try_from(self.failed_before()).unwrap_or(i32::MAX))
    }
}

impl Default for Attempt {
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads the value of [`RETRY_NUMS`].
///
/// Other programs write this header too, so every form of a whole number is taken: integers of any width,
/// floats without a fraction, texts of digits. A negative number counts as 0, and a number past the largest
/// counts as the largest. Any other value reads as the first attempt. That cannot loop for ever, because the
/// next copy carries a number of garenne's own.
#[must_use]
pub fn read_attempt(header: Option<&Value>) -> Attempt {
    attempt_after(header.and_then(whole_number))
}

/// [`read_attempt`] for an undecoded value, which stays undecoded.
pub(crate) fn read_raw_attempt(header: Option<RawValue<'_>>) -> Attempt {
    let failed = header.and_then(|raw| match raw.as_text() {
        Some(text) => text.trim().parse().ok(),
        None => whole_number(&raw.number()?),
    });
    attempt_after(failed)
}

fn attempt_after(failed: Option<i128>) -> Attempt {
    let failed = failed.unwrap_or(0).clamp(0, MOST_FAILED.into());
    Attempt::from_failed(u32::try_from(failed).unwrap_or(MOST_FAILED))
}

fn whole_number(value: &Value) -> Option<i128> {
    match value {
        Value::F32(v) => whole_float((*v).into()),
        Value::F64(v) => whole_float(*v),
        Value::Text(text) => text.trim().parse().ok(),
        other => other.as_integer(),
    }
}

// A float-to-integer `as` saturates, as it should here.
#[expect(clippy::cast_possible_truncation)]
fn whole_float(value: f64) -> Option<i128> {
    (value.fract() == 0.0).then_some(value as i128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_header_is_the_first_attempt() {
        assert_eq!(read_attempt(None), Attempt::FIRST);
        assert_eq!(Attempt::FIRST.to_string(), "1");
    }

    #[test]
    fn a_header_of_any_integer_type_is_read() {
        let threes = [
            Value::I8(3),
            Value::U8(3),
            Value::I16(3),
            Value::U16(3),
            Value::I32(3),
            Value::U32(3),
            Value::I64(3),
        ];
        for value in threes {
            assert_eq!(read_attempt(Some(&value)).number(), 4, "{value:?}");
        }
    }

    #[test]
    fn floats_and_texts_that_hold_a_whole_number_are_read() {
        for value in [Value::F32(3.0), Value::F64(3.0), "3".into(), " 3 ".into()] {
            assert_eq!(read_attempt(Some(&value)).number(), 4, "{value:?}");
        }
    }

    #[test]
    fn what_holds_no_whole_number_is_the_first_attempt() {
        let odd = [
            "three".into(),
            "".into(),
            Value::F64(2.5),
            Value::F64(f64::NAN),
            Value::Void,
        ];
        for value in odd {
            assert_eq!(read_attempt(Some(&value)), Attempt::FIRST, "{value:?}");
        }
    }

    #[test]
    fn numbers_out_of_range_go_to_the_nearest_end() {
        for value in [Value::I64(-1), Value::I64(i64::MIN), "-7".into()] {
            assert_eq!(read_attempt(Some(&value)), Attempt::FIRST, "{value:?}");
        }
        for value in [
            Value::I64(i64::MAX),
            Value::U32(u32::MAX),
            Value::F64(1e300),
        ] {
            let attempt = read_attempt(Some(&value));
            assert_eq!(attempt.header(), Value::I32(i32::MAX), "{value:?}");
            assert_eq!(attempt.next(), attempt, "{value:?}");
        }
    }

    #[test]
    fn the_header_of_an_attempt_is_read_back_as_that_attempt() {
        let mut attempt = Attempt::FIRST;
        for _ in 0..5 {
            assert_eq!(read_attempt(Some(&attempt.header())), attempt);
            attempt = attempt.next();
        }
    }
}
