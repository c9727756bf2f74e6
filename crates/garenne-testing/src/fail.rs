//! How a test fails.

use std::panic::Location;

/// Fails the test, at the place that called the assertion.
#[expect(clippy::panic, reason = "this is how a test fails")]
#[track_caller]
pub(crate) fn fail(text: impl AsRef<str>) -> ! {
    panic!("{}", text.as_ref())
}

/// Fails the test from within a future, where the panic's own location says nothing.
#[expect(clippy::panic, reason = "this is how a test fails")]
pub(crate) fn fail_at(place: &Location<'_>, text: impl AsRef<str>) -> ! {
    panic!("{} (asked for at {place})", text.as_ref())
}
