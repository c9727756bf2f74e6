//! How long an outage may last.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::duration::{DurationError, parse_duration};

/// How long an outage may last before the system gives up.
///
/// It covers the start as well: a broker that is down when the service starts is the same case. The default
/// is 2 minutes. When it is too short, a routine restart of the broker (5–30 s) ends the service. When it is
/// too long, the service stands still unnoticed.
///
/// Its spelling in configuration is a duration (`2m`, `90s`), `never`, or `fail-fast`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageWindow {
    /// Give up when an outage has lasted this long; more than zero.
    For(Duration),
    /// Never give up.
    Never,
    /// Give up at the first failure or loss.
    FailFast,
}

impl Default for OutageWindow {
    fn default() -> Self {
        Self::For(Duration::from_secs(120))
    }
}

impl fmt::Display for OutageWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(duration) => humantime::format_duration(*duration).fmt(f),
            Self::Never => f.write_str("never"),
            Self::FailFast => f.write_str("fail-fast"),
        }
    }
}

impl FromStr for OutageWindow {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        match text.trim() {
            "never" => Ok(Self::Never),
            "fail-fast" => Ok(Self::FailFast),
            other => match parse_duration(other) {
                Ok(Duration::ZERO) => Err(WindowError::Zero),
                Ok(duration) => Ok(Self::For(duration)),
                Err(error) => Err(WindowError::Unreadable(error)),
            },
        }
    }
}

/// A text that is not an [`OutageWindow`].
#[derive(Clone, Debug, PartialEq)]
pub enum WindowError {
    /// A window of zero length.
    Zero,
    /// Neither a duration nor one of the two words.
    Unreadable(DurationError),
}

impl fmt::Display for WindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str("an outage window of zero gives up before it has tried; ")?,
            Self::Unreadable(error) => write!(f, "{error}; ")?,
        }
        f.write_str(
            "an outage window may also be `fail-fast` (give up at the first loss) or `never`",
        )
    }
}

impl std::error::Error for WindowError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Zero => None,
            // The text of the inner error is already part of this error's text.
            Self::Unreadable(error) => error.source(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::DurationExt;

    #[test]
    fn a_window_is_read_as_it_is_written() {
        let windows = [
            ("2m", OutageWindow::default()),
            ("1h 30m", OutageWindow::For(90.minutes())),
            ("1s 500ms", OutageWindow::For(1500.millis())),
            ("never", OutageWindow::Never),
            ("fail-fast", OutageWindow::FailFast),
        ];
        for (text, window) in windows {
            assert_eq!(text.parse(), Ok(window));
            assert_eq!(window.to_string(), text);
        }
    }

    #[test]
    fn a_window_of_zero_is_refused_with_a_hint() {
        let error = "0s".parse::<OutageWindow>().unwrap_err();
        assert_eq!(error, WindowError::Zero);
        assert!(error.to_string().contains("`fail-fast`"), "{error}");
    }

    #[test]
    fn a_refusal_names_the_value_and_all_that_is_accepted() {
        let error = "two minutes"
            .parse::<OutageWindow>()
            .unwrap_err()
            .to_string();
        for part in ["`two minutes`", "`2m`", "`never`", "`fail-fast`"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
