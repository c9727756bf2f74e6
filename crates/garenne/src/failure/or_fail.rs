//! `?` with a wish for the message; the causes of the error are kept.

use std::time::Duration;

use garenne_core::Wish;

use super::{Failure, IntoFailure};

/// Turns a result's error into a failure with a wish for the message, and keeps the error's causes.
///
/// ```
/// use garenne::prelude::*;
///
/// async fn charge(order: Delivery<Text>) -> Result<(), Failure> {
///     let order_id: u64 = order.trim().parse().or_permanent()?;
///     println!("charged {order_id}");
///     Ok(())
/// }
/// ```
///
/// It is implemented for every result whose error becomes a [`Failure`]. The wish of the error itself is
/// replaced.
pub trait OrFail<T>: Sized {
    /// The message goes to the fail sink now: see [`Failure::permanent`].
    ///
    /// # Errors
    ///
    /// The result's error, as a failure.
    fn or_permanent(self) -> Result<T, Failure> {
        self.or_fail(Wish::Permanent)
    }

    /// The message is tried again after this delay, which counts as an attempt: see
    /// [`Failure::retry_after`].
    ///
    /// # Errors
    ///
    /// The result's error, as a failure.
    fn or_retry_after(self, delay: Duration) -> Result<T, Failure> {
        self.or_fail(Wish::RetryAfter(delay))
    }

    /// The message is acked, counted, and kept nowhere: see [`Failure::discard`].
    ///
    /// # Errors
    ///
    /// The result's error, as a failure.
    fn or_discard(self) -> Result<T, Failure> {
        self.or_fail(Wish::Discard)
    }

    /// The given wish, for code that computes it.
    ///
    /// # Errors
    ///
    /// The result's error, as a failure.
    fn or_fail(self, wish: Wish) -> Result<T, Failure>;
}

impl<T, E: IntoFailure> OrFail<T> for Result<T, E> {
    fn or_fail(self, wish: Wish) -> Result<T, Failure> {
        self.map_err(|error| error.into_failure().wishing(wish))
    }
}
