//! Standard output and standard error: colours only on a terminal, the width of the terminal, errors instead
//! of panics, and nothing of what others wrote that a terminal would obey.
//!
//! Whoever writes a text of several lines or columns cleans each; see [`clean`](super::clean). What
//! nobody has cleaned is escaped here.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use garenne::core::json::to_line;
use garenne::core::wire::is_hidden;
use serde_json::Value;
use terminal_size::terminal_size_of;

use super::clean_lines;

/// Below this many columns a table is not laid out any narrower.
const NARROWEST: usize = 40;

/// Standard output.
pub(crate) struct Screen {
    out: AutoStream<io::Stdout>,
    width: Option<usize>,
}

/// The headings of tables and the names of fields.
pub(crate) const STRONG: Style = Style::new().bold();
/// What is less important.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// What is as it should be.
pub(crate) const GOOD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
/// What cannot go on.
pub(crate) const FAULT: Style = BAD.bold();
/// What is not.
pub(crate) const BAD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));

impl Screen {
    /// Colours are shown on a terminal, unless `NO_COLOR` is set.
    pub(crate) fn new() -> Self {
        let stdout = io::stdout();
        let width = terminal_size_of(&stdout)
            .filter(|_| stdout.is_terminal())
            .map(|(width, _)| usize::from(width.0).max(NARROWEST));
        Self {
            out: AutoStream::auto(stdout),
            width,
        }
    }

    /// How many columns there are; without a terminal, any number.
    pub(crate) fn width(&self) -> Option<usize> {
        self.width
    }

    /// One line. Of what a terminal obeys it has nothing but our own styles.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", safe(text))
    }

    /// A text of several lines.
    pub(crate) fn lines(&mut self, text: &str) -> io::Result<()> {
        text.split('\n').try_for_each(|line| self.line(line))
    }

    /// One JSON value on a line, in which nothing steers a terminal.
    pub(crate) fn json(&mut self, value: &Value) -> io::Result<()> {
        writeln!(self.out, "{}", to_line(value))
    }

    /// Bytes as they are, for whatever reads them; a person at a terminal gets what can be read of them.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = self.out.as_inner().lock();
        let shown = stdout
            .is_terminal()
            .then(|| clean_lines(&String::from_utf8_lossy(bytes)));
        let bytes = shown.as_deref().map_or(bytes, str::as_bytes);
        stdout.write_all(bytes)?;
        stdout.flush()
    }
}

/// One line on standard error. Nobody is left to be told that nobody is left.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}", safe(text));
}

/// Standard error without the end of a line, for a question.
pub(crate) fn ask(question: &str) -> io::Result<()> {
    let mut stderr = anstream::stderr();
    write!(stderr, "{}", safe(question))?;
    stderr.flush()
}

/// The text, with all that a terminal obeys escaped, but for tabs and the styles of this command.
fn safe(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| is_hidden(c) && c != '\t') {
        return Cow::Borrowed(text);
    }
    let styles = [STRONG, FAINT, GOOD, BAD, FAULT].map(|style| style.render().to_string());
    let reset = STRONG.render_reset().to_string();
    let ours = |rest: &str| {
        let mut known = styles.iter().chain([&reset]);
        known
            .find(|style| rest.starts_with(*style))
            .map(String::len)
    };
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = match ours(rest) {
            Some(style) => {
                safe.push_str(&rest[..style]);
                style
            }
            None => {
                if is_hidden(c) && c != '\t' {
                    safe.extend(c.escape_default());
                } else {
                    safe.push(c);
                }
                c.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    Cow::Owned(safe)
}

/// The text in this style.
pub(crate) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_our_styles_and_nothing_else_that_a_terminal_obeys() {
        let ours = format!("{}\t{} x", styled(STRONG, "id"), styled(BAD, "bad"));
        assert_eq!(safe(&ours), ours);
        let theirs = "a\u{1b}[8mhidden\u{1b}]0;title\u{7}\u{9b}2J\u{202e}\nb\r";
        let safe = safe(theirs);
        assert!(!safe.contains(is_hidden), "{safe}");
        assert!(safe.starts_with("a\\u{1b}[8mhidden"), "{safe}");
    }
}
