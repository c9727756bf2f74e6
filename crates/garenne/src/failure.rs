//! The value that a handler returns when it did not succeed.

mod error;
mod or_fail;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use garenne_core::Wish;

use error::Marker;

pub use error::FailureError;
pub use or_fail::OrFail;

/// The most causes of an error that are kept: an error's sources may never end.
const MOST_CAUSES: usize = 16;

/// At most this many sources of an error are searched for a [`FailureError`].
const MOST_SOURCES: usize = 64;

/// The boxed future of `Result<(), Failure>` that a handler actor returns.
///
/// It is the same type as actix's `ResponseFuture<Result<(), Failure>>`. garenne polls it itself: so its
/// panic costs only this message an attempt, and it is dropped at the handler's deadline.
pub type HandlerFuture = Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

/// Why a handler did not succeed, and what should happen to the message next.
///
/// | made by | what happens |
/// |---|---|
/// | `?` on any error, [`Failure::transient`] | retry, as the queue's policy says; the fail sink when the attempts are used up |
/// | [`Failure::retry_after`], [`OrFail::or_retry_after`] | the same, with a delay of its own |
/// | [`Failure::permanent`], [`OrFail::or_permanent`] | the fail sink now: no further attempt can succeed |
/// | [`Failure::discard`], [`OrFail::or_discard`] | acked and counted: the message is not needed |
///
/// A failure keeps the text of its error and the texts of the error's sources. Both go into the failure
/// record, so do not put secrets into errors.
///
/// ```
/// use garenne::prelude::*;
///
/// async fn charge(order: Delivery<Text>) -> Result<(), Failure> {
///     let tariff = std::fs::read_to_string("/etc/tariff")?; // retried
///     let order_id: u64 = order.trim().parse().or_permanent()?; // not retried; its causes are kept
///     if !tariff.contains(&order_id.to_string()) {
///         return Err(Failure::discard("this order is free"));
///     }
///     Ok(())
/// }
/// ```
///
/// # Which errors become a `Failure`
///
/// `?` takes every [`std::error::Error`] that is `Send`, `Sync` and `'static`. It also takes
/// `anyhow::Error`, `eyre::Report`, `Box<dyn Error + Send + Sync>` and texts. A handler may also return
/// each of these errors directly: `Result<(), anyhow::Error>`, for example.
///
/// # Errors that decide what happens
///
/// For an error type of your own that does not implement [`std::error::Error`], write the conversion:
///
/// ```
/// use garenne::prelude::*;
///
/// enum ChargeError {
///     NoSuchOrder(u64),
///     Gateway(std::io::Error),
/// }
///
/// impl From<ChargeError> for Failure {
///     fn from(error: ChargeError) -> Self {
///         match error {
///             ChargeError::NoSuchOrder(id) => Failure::permanent(format!("there is no order {id}")),
///             ChargeError::Gateway(error) => error.into(), // retried; its causes are kept
///         }
///     }
/// }
///
/// async fn charge(order: Delivery<Text>) -> Result<(), ChargeError> {
///     Err(ChargeError::NoSuchOrder(order.len() as u64))
/// }
///
/// SystemBuilder::from_env().consume_fn(Queue::quorum("orders"), charge);
/// ```
///
/// If the type implements [`std::error::Error`], the compiler refuses that conversion (E0119), because
/// garenne converts such an error already. Then make a [`FailureError`] a source of the error. garenne
/// finds it at any depth among the sources, also below the context that `anyhow` or `eyre` adds.
///
/// ```
/// use std::error::Error;
/// use std::fmt;
///
/// use garenne::prelude::*;
///
/// #[derive(Debug)]
/// struct NoSuchOrder {
///     id: u64,
///     why: FailureError, // with `thiserror`: `#[source]`
/// }
///
/// impl fmt::Display for NoSuchOrder {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         write!(f, "order {} cannot be charged", self.id)
///     }
/// }
///
/// impl Error for NoSuchOrder {
///     fn source(&self) -> Option<&(dyn Error + 'static)> {
///         Some(&self.why)
///     }
/// }
///
/// let why = Failure::permanent("it was never placed").into();
/// let failure = Failure::from(NoSuchOrder { id: 7, why });
/// assert_eq!(failure.wish(), garenne::Wish::Permanent);
/// assert_eq!(failure.error(), "order 7 cannot be charged");
/// assert_eq!(failure.chain(), ["it was never placed"]);
/// ```
///
/// # A `Failure` is not an error
///
/// `Failure` does not implement [`std::error::Error`], so that `?` can take every type that does. It does
/// not implement [`Display`](fmt::Display) either: as a text it would lose its causes and its wish for the
/// message. [`Failure::error`] has the text. [`FailureError`] is the same value as an error. With the
/// features `anyhow` and `eyre`, `?` and `bail!` turn a `Failure` into an error of those crates; the
/// `Failure` comes out of that error unchanged.
pub struct Failure {
    wish: Wish,
    error: String,
    chain: Vec<String>,
}

impl Failure {
    /// A failure that may pass: the message is retried as the queue's policy says.
    pub fn transient(why: impl fmt::Display) -> Self {
        Self::new(Wish::Retry, &why)
    }

    /// A failure that no further attempt can mend: the message goes to the fail sink now.
    ///
    /// It keeps only the text of an error; [`OrFail::or_permanent`] keeps the causes, too.
    pub fn permanent(why: impl fmt::Display) -> Self {
        Self::new(Wish::Permanent, &why)
    }

    /// A failure that sets the delay until the next attempt. It counts as an attempt.
    ///
    /// A delay of the queue's policy is taken exactly. Any other delay is rounded up to the next step of a
    /// fixed ladder (1, 2, 5, 10, 15, 20, 30 s, 1, 2, 5 min …), because every delay needs a queue of its
    /// own and the number of queues must stay bounded.
    pub fn retry_after(delay: Duration, why: impl fmt::Display) -> Self {
        Self::new(Wish::RetryAfter(delay), &why)
    }

    /// The message is not wanted: it is acked, counted as discarded, and kept nowhere.
    pub fn discard(why: impl fmt::Display) -> Self {
        Self::new(Wish::Discard, &why)
    }

    /// Makes a permanent failure out of an error and keeps the texts of its sources. For a `Result`, use
    /// [`OrFail::or_permanent`].
    #[must_use]
    pub fn permanent_error(error: &dyn Error) -> Self {
        Self::from_error(error).wishing(Wish::Permanent)
    }

    /// The same failure, with another wish for the message.
    #[must_use]
    pub fn wishing(self, wish: Wish) -> Self {
        Self { wish, ..self }
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

    /// The handler's wish for the message.
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

    /// The outermost source that carries a wish decides.
    fn from_error(error: &dyn Error) -> Self {
        let mut wish = None;
        let mut chain = Vec::new();
        for source in sources(error).take(MOST_SOURCES) {
            if let Some(marker) = source.downcast_ref::<Marker>() {
                wish = wish.or(Some(marker.wish));
            } else if chain.len() < MOST_CAUSES {
                chain.push(source.to_string());
            }
        }
        Self {
            wish: wish.unwrap_or(Wish::Retry),
            error: error.to_string(),
            chain,
        }
    }
}

fn sources(error: &dyn Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |error| (*error).source())
}

/// The errors that `?` turns into a [`Failure`]. It is implemented for all of them.
///
/// They are all types that a `Box<dyn Error + Send + Sync>` can be made of: every [`std::error::Error`]
/// that is `Send`, `Sync` and `'static`, `anyhow::Error`, `eyre::Report`, that box itself, and texts.
///
/// The compiler refuses a conversion of your own for these types (E0119): [`Failure`] shows another way.
pub trait AnyError: Into<Box<dyn Error + Send + Sync>> {}

impl<E: Into<Box<dyn Error + Send + Sync>>> AnyError for E {}

impl<E: AnyError> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        Self::from_error(&*error)
    }
}

/// The error of a handler's `Result<(), E>`: every type that becomes a [`Failure`]. It is implemented for
/// all of these types.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a handler",
    label = "no `Failure` can be made of this error",
    note = "a handler returns `Result<(), E>`, where `E` is `Failure`, `anyhow::Error`, `eyre::Report`, \
            `Box<dyn Error + Send + Sync>`, or any `std::error::Error` that is `Send + Sync + 'static`",
    note = "for an error type of your own, write `impl From<{Self}> for Failure`, or let it implement \
            `std::error::Error`; then it is retried"
)]
pub trait IntoFailure {
    /// The failure that the error becomes.
    fn into_failure(self) -> Failure;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Failure>> IntoFailure for E {
    fn into_failure(self) -> Failure {
        self.into()
    }
}

/// The text of an error with the texts of its sources, for a caller that keeps a single text.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    for cause in sources(error).take(MOST_CAUSES).map(ToString::to_string) {
        // Some errors repeat the texts of their sources.
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
            .field("chain", &self.chain)
            .finish()
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
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
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
