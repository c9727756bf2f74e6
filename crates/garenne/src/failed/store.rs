//! A store of failed messages.

use std::error::Error;
use std::fmt;
use std::pin::Pin;

use garenne_core::failed::Verdict;
use garenne_core::{FailedMessage, FailedQuery};

/// The result type of store methods: a future that may move between threads.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A durable store of failed messages: the parking queues of a broker, or a table of a database.
///
/// The trait is object-safe, so a program can choose its store at run time.
pub trait FailedStore: Send + Sync {
    /// The kind and location of the store, for people; without credentials.
    fn describe(&self) -> String;

    /// Begins to read the failed messages that the query selects, oldest first as far as the store knows an
    /// order. The cursor may miss messages that are stored after this call.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot be reached, refuses, or does not exist.
    fn open<'a>(&'a self, query: &'a FailedQuery) -> StoreFuture<'a, Box<dyn FailedCursor>>;

    /// Stores records durably before it returns. A store that recognises a record that it already has may
    /// leave that record as it is.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; then some of the records may be stored. Inserting all of them again loses nothing.
    fn insert(&self, records: Vec<FailedMessage>) -> StoreFuture<'_, Inserted>;
}

/// Reads failed messages one at a time.
///
/// The caller answers for each message that it gets: [`FailedCursor::remove`] or [`FailedCursor::keep`]. Many
/// messages may be unanswered at once. A store may hold a message until its answer, so that no other reader
/// gets it meanwhile. A message without an answer is kept when the cursor is closed or dropped.
pub trait FailedCursor: Send {
    /// The next selected message; `None` when no more are left.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the cursor is then at its end.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while a message is being read, that message is kept, and may be skipped.
    fn next(&mut self) -> StoreFuture<'_, Option<StoredFailure>>;

    /// Removes a message from the store for good. Returns when the removal is certain, or when the worst that
    /// can still happen is that the message stays in the store.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the message may then still be in the store.
    fn remove(&mut self, key: FailureKey) -> StoreFuture<'_, ()>;

    /// Leaves a message in the store.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the message is kept nevertheless.
    fn keep(&mut self, key: FailureKey) -> StoreFuture<'_, ()>;

    /// How many messages the cursor has read so far and not handed out, although an operator should know of
    /// them. A store that only garenne writes to has none.
    fn passed_over(&self) -> PassedOver {
        PassedOver::default()
    }

    /// Releases every message that was not removed, and says whether the cursor has seen all messages that
    /// were in the store when it was opened.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the messages that were not removed are kept nevertheless.
    /// [`StoreErrorKind::NotStored`]: the close is complete, but the store could not keep a message as it
    /// should; the error names the message.
    fn close(self: Box<Self>) -> StoreFuture<'static, Seen>;
}

/// Identifies a stored message to the cursor that read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FailureKey(u64);

impl FailureKey {
    /// A key with the number that the store gives to the message.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The store's number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// A failed message in its store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredFailure {
    /// The key of the message for its cursor.
    pub key: FailureKey,
    /// The record.
    pub record: FailedMessage,
}

/// Counts of messages that a cursor has read and not handed out, but that an operator should know of: their
/// own statements may be forged, so no filter should hide them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// Selected, but in [doubt](FailedMessage::doubt), and the query [excludes
    /// doubt](FailedQuery::without_doubtful).
    pub withheld: u64,
    /// Not selected, but in doubt, or failed for an unknown reason, or parked by the broker at a time that is
    /// [too early](FailedQuery::since) and that a producer may have written.
    pub unclear: u64,
    /// Left in the parking queue and not read: they came after the look had begun, or somebody else held them
    /// meanwhile.
    pub unread: u64,
}

impl PassedOver {
    /// Counts a record that is not handed out because of this verdict.
    pub fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Withheld => self.withheld += 1,
            Verdict::Unclear => self.unclear += 1,
            Verdict::Meant | Verdict::NotMeant => {}
        }
    }

    /// The larger of each count of two readings of a store.
    #[must_use]
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            withheld: self.withheld.max(other.withheld),
            unclear: self.unclear.max(other.unclear),
            unread: self.unread.max(other.unread),
        }
    }
}

/// The result of an [`FailedStore::insert`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// How many records are new in the store.
    pub new: u64,
    /// How many records the store already had.
    pub known: u64,
}

/// How much of a store a cursor has seen when it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// All messages that were in the store when the cursor was opened, or as many as its limit allows.
    All,
    /// Only a part, because the cursor was closed early or could not hold messages any longer. Open the store
    /// again to read the rest.
    Part,
}

/// Why a store could not do its task.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    context: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of a store error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store cannot be reached, or the connection to it was lost; the same call may work later.
    Unreachable,
    /// The store refuses: credentials, rights, an unknown name. Somebody must change something.
    Refused,
    /// The parking queue or table does not exist.
    Missing,
    /// The store does not take this record, or not now.
    NotStored,
    /// Any other error.
    Other,
}

impl StoreError {
    /// An error whose text says which action failed, on what object, and how to mend it, in words that fit
    /// after “failed to …”.
    pub fn new(kind: StoreErrorKind, context: impl fmt::Display) -> Self {
        Self {
            kind,
            context: context.to_string(),
            source: None,
        }
    }

    /// The same error with its cause. The context must not repeat the cause's text.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            ..self
        }
    }

    /// The kind of the error.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| -> &(dyn Error + 'static) { source })
    }
}
