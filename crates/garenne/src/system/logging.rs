//! Logs on standard error: text for people, JSON for collectors.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing::error;
use tracing_subscriber::EnvFilter;

use crate::consumer::panic_text;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
}

impl Format {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Sets up logging on standard error as `GARENNE_LOG` (`text`, the default, or `json`) and `RUST_LOG`
/// (`info` by default) say, panics included. Does nothing when the program has set up its own.
///
/// The client library is silenced unless `RUST_LOG` names it: it reports every loss once more, and
/// writes returned messages with their bodies into the log.
pub fn init() {
    let filter = EnvFilter::new(directives(std::env::var("RUST_LOG").ok()));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let installed = match format() {
        Format::Text => lines
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .try_init(),
        Format::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .try_init(),
    };
    // An error means that there is a subscriber already.
    if installed.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// How log lines look in this process.
pub(super) fn format() -> Format {
    let wanted = std::env::var("GARENNE_LOG").ok();
    wanted
        .and_then(|text| Format::parse(&text))
        .unwrap_or(Format::Text)
}

/// A panic as one event, so that it fits into the log whatever its format.
fn log_panic(panic: &PanicHookInfo<'_>) {
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
}

fn directives(wanted: Option<String>) -> String {
    let wanted = wanted
        .filter(|text| !text.trim().is_empty())
        .unwrap_or_else(|| "info".to_owned());
    if wanted.contains("lapin") {
        wanted
    } else {
        format!("{wanted},lapin=off")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_library_is_silent_unless_asked_for() {
        assert_eq!(directives(None), "info,lapin=off");
        assert_eq!(directives(Some("debug".to_owned())), "debug,lapin=off");
        assert_eq!(
            directives(Some("info,lapin=trace".to_owned())),
            "info,lapin=trace"
        );
    }
}
