//! Standard output: colours only on a terminal, the width of the terminal, errors instead of panics.

use std::io::{self, IsTerminal, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use garenne::core::json::to_line;
use serde_json::Value;
use terminal_size::terminal_size_of;

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

    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// One JSON value on a line, in which nothing steers a terminal.
    pub(crate) fn json(&mut self, value: &Value) -> io::Result<()> {
        writeln!(self.out, "{}", to_line(value))
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = self.out.as_inner().lock();
        stdout.write_all(bytes)?;
        stdout.flush()
    }
}

/// The text in this style.
pub(crate) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
