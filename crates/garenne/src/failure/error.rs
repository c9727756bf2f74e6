//! A failure as a standard error, which other errors can have as their source.

use std::error::Error;
use std::fmt;

use garenne_core::Wish;

use super::Failure;

/// A [`Failure`] as a [`std::error::Error`]: it carries a wish for the message, wherever it stands among
/// the sources of the error that a handler returns.
///
/// Make it by `Failure::permanent("…").into()`. A type of your own has it as its source: see [`Failure`].
/// Code that returns other errors can return it, too:
///
/// ```
/// use std::error::Error;
///
/// use garenne::prelude::*;
///
/// fn amount(text: &str) -> Result<u64, Box<dyn Error + Send + Sync>> {
///     if text.is_empty() {
///         return Err(FailureError::from(Failure::permanent("no amount")).into());
///     }
///     Ok(text.parse()?)
/// }
///
/// async fn charge(order: Delivery<Text>) -> Result<(), Failure> {
///     amount(&order)?; // not retried if there is none, retried if it cannot be read
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct FailureError {
    text: String,
    marker: Marker,
}

/// Stands between a [`FailureError`] and its causes, and has the wish. `anyhow` and `eyre` wrap an error in
/// a type that cannot be named; the marker is still a source of that error.
#[derive(Debug)]
pub(super) struct Marker {
    pub(super) wish: Wish,
    cause: Option<Box<Cause>>,
}

/// The text of a source that is gone.
#[derive(Debug)]
struct Cause {
    text: String,
    cause: Option<Box<Cause>>,
}

impl From<Failure> for FailureError {
    fn from(failure: Failure) -> Self {
        let causes = failure.chain.into_iter().rev();
        let cause = causes.fold(None, |cause, text| Some(Box::new(Cause { text, cause })));
        let wish = failure.wish;
        Self {
            text: failure.error,
            marker: Marker { wish, cause },
        }
    }
}

impl fmt::Display for FailureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for FailureError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.marker)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wish {
            Wish::Retry => f.write_str("to be tried again"),
            Wish::RetryAfter(delay) => {
                let delay = humantime::format_duration(delay);
                write!(f, "to be tried again after {delay}")
            }
            Wish::Permanent => f.write_str("not to be tried again"),
            Wish::Discard => f.write_str("to be discarded"),
        }
    }
}

impl Error for Marker {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        source(self.cause.as_deref())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        source(self.cause.as_deref())
    }
}

fn source(cause: Option<&Cause>) -> Option<&(dyn Error + 'static)> {
    cause.map(|cause| cause as &(dyn Error + 'static))
}

/// The wish of the failure is kept.
#[cfg(feature = "anyhow")]
impl From<Failure> for anyhow::Error {
    fn from(failure: Failure) -> Self {
        Self::new(FailureError::from(failure))
    }
}

/// The wish of the failure is kept.
#[cfg(feature = "eyre")]
impl From<Failure> for eyre::Report {
    fn from(failure: Failure) -> Self {
        Self::new(FailureError::from(failure))
    }
}
