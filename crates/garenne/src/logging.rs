//! Logs on standard error: text for people, JSON for collectors.

mod fields;
mod filter;
mod panics;
mod stderr;

use std::env::var_os;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::time::Duration;

use garenne_core::json;
use garenne_core::wire::readable;
use tracing::warn;

use fields::Line;
use filter::filter;
use stderr::Patience;
pub(crate) use stderr::lost;

/// How long the end of the process waits for the reader of standard error.
const AT_THE_END: Patience = Patience {
    whole: Duration::from_secs(1),
    stalled: Duration::from_millis(500),
};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

impl Format {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Sets up logging on standard error as `GARENNE_LOG` (`text`, the default, or `json`) and `RUST_LOG`
/// (`info` by default) say, panics included. Does nothing when the program has set up its own logging.
///
/// - Text is coloured on a terminal, unless `NO_COLOR` is set.
/// - Every value is escaped: no value ends a line or steers a terminal.
/// - **Only a panic waits for the log**: for 1 s at most, and 0.1 s while standard error takes nothing. A
///   line that standard error cannot take at once goes into a queue of 4 MiB, which a thread of its own
///   empties. When the queue is full, lines are lost;
///   [`Status::log_lines_lost`](crate::status::Status::log_lines_lost) counts them, and the event
///   `log_lines_lost` reports them when lines go through again.
/// - A system that ends waits for its last lines, for 1 s at most. A program that ends without a system
///   calls [`flush_logging`].
/// - The client library is silenced unless `RUST_LOG` names it: it reports every loss once more, and writes
///   returned messages with their bodies into the log.
/// - A faulty `RUST_LOG` is reported (`log_filter`), and counts as not set.
pub fn init() {
    let (filter, fault) = filter(var_os("RUST_LOG"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .log_internal_errors(false);
    let installed = match format() {
        Format::Text => lines
            .with_writer(|| Line::Text)
            .fmt_fields(fields::text())
            .with_ansi(is_colourful(
                std::io::stderr().is_terminal(),
                var_os("NO_COLOR"),
                var_os("TERM"),
            ))
            .with_target(false)
            .try_init(),
        Format::Json => lines
            .with_writer(|| Line::Json)
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .try_init(),
    };
    // An error means that there is a subscriber already.
    if installed.is_err() {
        return;
    }
    panics::log();
    if let Some(fault) = fault {
        warn!(
            event = "log_filter",
            "{fault}; logging as with `RUST_LOG=info`"
        );
    }
}

/// Waits until standard error has taken all earlier lines, for 1 s at most, and at most 0.5 s while it
/// takes nothing. For programs that end without a system, or do more after their system has stopped.
///
/// It blocks the thread.
pub fn flush_logging() {
    stderr::flush(AT_THE_END);
}

/// How log lines look in this process.
fn format() -> Format {
    let wanted = std::env::var("GARENNE_LOG").ok();
    wanted
        .and_then(|text| Format::parse(&text))
        .unwrap_or(Format::Text)
}

/// Whether to colour: a person reads a terminal and has not asked for plain text: <https://no-color.org>.
fn is_colourful(is_terminal: bool, no_color: Option<OsString>, term: Option<OsString>) -> bool {
    let is_plain =
        no_color.is_some_and(|set| !set.is_empty()) || term.is_some_and(|name| name == "dumb");
    is_terminal && !is_plain
}

/// Prints the last words of a process, even when logs are off.
pub(crate) fn last_words(text: &str, exit_code: u8) {
    let line = match format() {
        Format::Text => format!("garenne: {}\n", readable(text.as_bytes())),
        Format::Json => {
            let words =
                serde_json::json!({ "event": "exit", "exit_code": exit_code, "message": text });
            format!("{}\n", json::to_line(&words))
        }
    };
    stderr::push(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_and_no_color_is_obeyed() {
        let set = |value: &str| Some(OsString::from(value));
        for (terminal, no_color, term, colourful) in [
            (true, None, None, true),
            (true, set(""), set("xterm-256color"), true),
            (true, set("1"), None, false),
            (true, set("0"), set("xterm"), false),
            (true, None, set("dumb"), false),
            (false, None, set("xterm"), false),
        ] {
            let named = format!("{terminal} {no_color:?} {term:?}");
            assert_eq!(is_colourful(terminal, no_color, term), colourful, "{named}");
        }
    }
}
