//! The message that an alert receives, and its answer.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix::Message;
use garenne_core::alert::Digest;

use crate::failure::with_causes;

/// The news for people, as an alert receives it: everything since the last call. It dereferences to the
/// [`Digest`]; cloning it is cheap.
///
/// An alert is an actor that handles this message and answers `Ok` once the news is out. It has a thread of
/// its own. Only its own task calls it, and waits for the answer before the next call. On an error, a
/// panic, or no answer within the timeout of its [`Pace`](garenne_core::alert::Pace), the same news is told
/// again later, together with any news since; so news may be told twice.
///
/// ```
/// use garenne::prelude::*;
///
/// struct Mail;
///
/// impl Actor for Mail {
///     type Context = Context<Self>;
/// }
///
/// impl Handler<Alert> for Mail {
///     type Result = Result<(), AlertError>;
///
///     fn handle(&mut self, alert: Alert, _: &mut Self::Context) -> Self::Result {
///         println!("mail to ops: {alert}"); // a real one would send it
///         Ok(())
///     }
/// }
///
/// # async fn charge(_: Delivery<Text>) -> Result<(), Failure> { Ok(()) }
/// let builder = SystemBuilder::from_env()
///     .consume_fn(Queue::quorum("orders"), charge)
///     .alert(|| Mail);
/// ```
#[derive(Clone, Debug)]
pub struct Alert(Arc<Digest>);

impl Alert {
    /// An alert with this content: for tests of alerts.
    #[must_use]
    pub fn new(digest: Digest) -> Self {
        Self(Arc::new(digest))
    }

    pub(super) fn downgrade(&self) -> Weak<Digest> {
        Arc::downgrade(&self.0)
    }
}

impl Deref for Alert {
    type Target = Digest;

    fn deref(&self) -> &Digest {
        &self.0
    }
}

/// The text for people.
impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Message for Alert {
    type Result = Result<(), AlertError>;
}

/// Why an alert could not be told. `?` turns any `std::error::Error` into an `AlertError`.
///
/// Its text goes to the log and the status: keep credentials out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertError {
    text: String,
    retry_after: Option<Duration>,
}

impl AlertError {
    /// An error with this text.
    pub fn new(why: impl fmt::Display) -> Self {
        Self {
            text: why.to_string(),
            retry_after: None,
        }
    }

    /// No call is made before this much time has passed, because the other side said so. Without it, failed
    /// calls are repeated with back-off from 1 s to 5 min.
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..self
        }
    }

    /// How long the other side asked to wait.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl<E: std::error::Error> From<E> for AlertError {
    fn from(error: E) -> Self {
        Self::new(with_causes(&error))
    }
}

impl fmt::Display for AlertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
