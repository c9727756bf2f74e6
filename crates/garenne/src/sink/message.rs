//! The message that a fail sink receives, and its answer.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use actix::Message;
use garenne_core::FailedMessage as Record;

use crate::failure::with_causes;

/// A message that failed permanently, as a fail sink receives it: everything needed to understand it and to
/// send it again. It dereferences to the record; cloning it is cheap.
///
/// A fail sink is an actor that handles this message and answers `Ok` once the record is stored *durably*:
/// the original is acked right after. On an error, a panic, or no answer in time (10 s) the message is put
/// into the parking queue instead. Nothing is acked before the sink or the parking queue has the message. A
/// record may come more than once.
///
/// ```
/// use garenne::prelude::*;
///
/// struct Archive;
///
/// impl Actor for Archive {
///     type Context = Context<Self>;
/// }
///
/// impl Handler<FailedMessage> for Archive {
///     type Result = Result<(), SinkError>;
///
///     fn handle(&mut self, failed: FailedMessage, _: &mut Self::Context) -> Self::Result {
///         let path = std::env::temp_dir().join(&failed.message_id);
///         std::fs::write(path, &failed.body)?; // a real sink would also sync
///         Ok(())
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct FailedMessage(Arc<Record>);

/// For tests of a sink, and for code that hands on a record from a store.
impl From<Record> for FailedMessage {
    fn from(record: Record) -> Self {
        Self(Arc::new(record))
    }
}

impl Deref for FailedMessage {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.0
    }
}

impl Message for FailedMessage {
    type Result = Result<(), SinkError>;
}

/// Why a fail sink could not store a record. `?` turns any `std::error::Error` into a `SinkError`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkError(String);

impl SinkError {
    /// An error with this text.
    pub fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl<E: std::error::Error> From<E> for SinkError {
    fn from(error: E) -> Self {
        Self(with_causes(&error))
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
