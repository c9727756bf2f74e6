//! Text from outside in a line of the log.
//!
//! Errors' texts, message ids and names of queues may hold text from a producer or a broker. Every value of
//! every event and span passes here, so that no caller can forget it: a value ends no line, moves no
//! cursor, and turns no text.

use std::fmt::{self, Debug, Write};
use std::io;

use garenne_core::json;
use garenne_core::wire::readable;
use tracing::field::Field;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use super::stderr;

/// Fields of text lines: `name=value`, and the message as it is.
pub(super) fn text() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    debug_fn(field).delimited(" ")
}

fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    let name = field.name();
    if name != "message" {
        let name = name.strip_prefix("r#").unwrap_or(name);
        if writer.has_ansi_escapes() {
            write!(writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m")?;
        } else {
            write!(writer, "{name}=")?;
        }
    }
    // Only a value can fail here. Its line is worth more than an error that a caller would have to print.
    if write!(Safe(writer), "{value:?}").is_err() {
        writer.write_str("(cannot be shown)")?;
    }
    Ok(())
}

/// Writes no character that a terminal obeys.
struct Safe<'a, W>(&'a mut W);

impl<W: Write> Write for Safe<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The usual case: each delivery has a span with three values.
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return self.0.write_str(text);
        }
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                self.0.write_str("\\n")?;
            }
            self.0.write_str(&readable(line.as_bytes()))?;
        }
        Ok(())
    }
}

/// Lines on their way to standard error. Each is written by a single call.
#[derive(Clone, Copy)]
pub(super) enum Line {
    Text,
    /// In JSON, only strings can contain characters that a terminal obeys.
    Json,
}

impl io::Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Self::Text => stderr::push(line),
            Self::Json => {
                let text = String::from_utf8_lossy(line);
                let text = text.strip_suffix('\n').unwrap_or(&text);
                stderr::push(format!("{}\n", json::escape(text)).as_bytes());
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{info, info_span, subscriber::with_default};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// A line in which every value is this text.
    fn line(ansi: bool, hostile: &str) -> String {
        let kept = Kept::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(kept.clone())
            .fmt_fields(text())
            .with_ansi(ansi)
            .with_target(false)
            .without_time()
            .finish();
        with_default(subscriber, || {
            let _inside = info_span!("delivery", message_id = hostile, queue = %hostile).entered();
            info!(event = "x", error = %hostile, debug = ?hostile, some = Some(hostile), none = None::<u8>, r#type = 1, "said: {hostile}");
        });
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_plain_line_reads_as_it_always_did() {
        assert_eq!(
            line(false, "ü"),
            " INFO delivery{message_id=\"ü\" queue=ü}: said: ü event=\"x\" error=ü debug=\"ü\" some=\"ü\" type=1\n"
        );
    }

    #[test]
    fn no_value_ends_a_line_moves_a_cursor_or_turns_a_text() {
        for hostile in [
            "a\n2026-01-01T00:00:00Z ERROR event=\"gave_up\" forged",
            "a\r\u{1b}[2J\u{1b}]0;title\u{7}",
            "\u{9b}31m\u{202e}evil\u{2066}\u{200b}\u{feff}",
            "\u{2028}\u{85}\u{b}\u{c}\u{0}",
        ] {
            let line = line(false, hostile);
            let safe = line.strip_suffix('\n').unwrap();
            assert_eq!(safe, readable(safe.as_bytes()), "{hostile:?}");
        }
    }

    #[test]
    fn colours_are_ours_alone() {
        let line = line(true, "a\u{1b}[31mred\u{1b}[0m");
        assert!(line.contains("a\\u{1b}[31mred\\u{1b}[0m"), "{line:?}");
        assert!(!line.contains("\u{1b}[31m"), "{line:?}");
        assert!(
            line.contains("\u{1b}[3merror\u{1b}[0m\u{1b}[2m=\u{1b}[0m"),
            "{line:?}"
        );
    }

    #[test]
    fn a_value_that_cannot_be_shown_leaves_the_rest_of_its_line() {
        struct Broken;
        impl fmt::Display for Broken {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                Err(fmt::Error)
            }
        }
        let kept = Kept::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(kept.clone())
            .fmt_fields(text())
            .finish();
        with_default(
            subscriber,
            || info!(error = %Broken, queue = "orders", "failed"),
        );
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("orders"), "{text}");
    }
}
