//! Panics in the log.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::time::Duration;

use tracing::error;

use super::stderr::{self, Patience};
use crate::panics::panic_text;

/// A panic may be the last event of the process, so it waits until it is in the log. If the log has no
/// reader, a single panic waits for a moment, and later panics not at all.
const AT_A_PANIC: Patience = Patience {
    whole: Duration::from_secs(1),
    stalled: Duration::from_millis(100),
};

/// Has every panic of the process logged.
pub(super) fn log() {
    std::panic::set_hook(Box::new(on_panic));
}

/// Logs a panic as a single event, so that it fits into the log in every format.
fn on_panic(panic: &PanicHookInfo<'_>) {
    let location = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    let thread = std::thread::current();
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    error!(
        event = "panic",
        thread = thread.name().unwrap_or_default(),
        location,
        backtrace,
        "{}",
        panic_text(panic.payload())
    );
    stderr::flush(AT_A_PANIC);
}
