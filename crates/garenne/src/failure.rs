//! What a handler returns when it did not succeed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use garenne_core::Wish;

/// An error whose sources never end must not end us.
const MOST_CAUSES: usize = 16;

/// What a handler returns: a boxed future of `Result<(), Failure>`.
///
/// It is the same type as actix's `ResponseFuture<Result<(), Failure>>`. garenne polls it itself,
/// so a panic in it costs this one message an attempt, and at the handler's deadline it is dropped.
pub type HandlerResult = Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

/// Why a handler did not succeed, and what should happen to the message next.
///
/// | made by | what happens |
/// |---|---|
/// | `?` on any [`std::error::Error`], [`Failure::transient`] | retry, as the queue's policy says; the fail sink when the attempts are used up |
/// | [`Failure::retry_after`] | the same, with a delay of its own |
/// | [`Failure::permanent`] | the fail sink now: no further attempt can succeed |
/// | [`Failure::discard`] | acked and counted: nobody needs this message |
///
/// It keeps the error's text and those of its sources, which go into the failure record. Do not put
/// secrets into errors.
///
/// Like `anyhow::Error` it does not implement [`std::error::Error`], so that `?` can take every
/// type that does.
pub struct Failure {
    wish: Wish,
    error: String,
    chain: Vec<String>,
}

impl Failure {
    /// A failure that may pass: retried as the queue's policy says.
    pub fn transient(why: impl fmt::Display) -> Self {
        Self::new(Wish::Retry, &why)
    }

    /// A failure that no further attempt can mend: the message goes to the fail sink now.
    pub fn permanent(why: impl fmt::Display) -> Self {
        Self::new(Wish::Permanent, &why)
    }

    /// A failure that says itself when to try again. It counts as an attempt.
    ///
    /// A delay that is one of the policy's own is taken exactly; any other is rounded up to the
    /// next step of a fixed ladder (1, 2, 5, 10, 15, 20, 30 s, 1, 2, 5 min …), because every delay
    /// needs a queue of its own and their number must stay bounded.
    pub fn retry_after(delay: Duration, why: impl fmt::Display) -> Self {
        Self::new(Wish::RetryAfter(delay), &why)
    }

    /// The message is not wanted: it is acked, counted as discarded, and kept nowhere.
    pub fn discard(why: impl fmt::Display) -> Self {
        Self::new(Wish::Discard, &why)
    }

    /// Makes a permanent failure out of an error, keeping the texts of its sources.
    #[must_use]
    pub fn permanent_error(error: &dyn std::error::Error) -> Self {
        Self {
            wish: Wish::Permanent,
            ..Self::from_error(error)
        }
    }

    /// The text of the failure.
    #[must_use]
    pub fn error(&self) -> &str {
        &self.error
    }

    /// The texts of the error's sources, outermost first.
    #[must_use]
    pub fn chain(&self) -> &[String] {
        &self.chain
    }

    /// What should happen to the message next.
    #[must_use]
    pub fn wish(&self) -> Wish {
        self.wish
    }

    fn new(wish: Wish, why: &dyn fmt::Display) -> Self {
        Self {
            wish,
            error: why.to_string(),
            chain: Vec::new(),
        }
    }

    fn from_error(error: &dyn std::error::Error) -> Self {
        let sources = std::iter::successors(error.source(), |e| e.source());
        Self {
            wish: Wish::Retry,
            error: error.to_string(),
            chain: sources.take(MOST_CAUSES).map(ToString::to_string).collect(),
        }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::from_error(&error)
    }
}

/// The text of an error with those of its sources, for whoever keeps one text only.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let sources = std::iter::successors(error.source(), |e| e.source());
    for cause in sources.take(MOST_CAUSES).map(ToString::to_string) {
        // Some errors repeat their sources' texts in their own.
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("wish", &self.wish)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_error_becomes_a_transient_failure_with_its_sources() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("no amount")
            }
        }
        impl std::error::Error for Outer {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        fn handler() -> Result<(), Failure> {
            "x".parse::<u8>().map_err(Outer)?;
            Ok(())
        }

        let both = with_causes(&"x".parse::<u8>().map_err(Outer).unwrap_err());
        assert_eq!(both, "no amount: invalid digit found in string");
        let failure = handler().unwrap_err();
        assert!(matches!(failure.wish(), Wish::Retry));
        assert_eq!(failure.error(), "no amount");
        assert_eq!(failure.chain(), ["invalid digit found in string"]);
    }
}
