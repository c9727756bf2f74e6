//! A place where failed messages lie.

use std::error::Error;
use std::fmt;
use std::pin::Pin;

use garenne_core::failed::Verdict;
use garenne_core::{FailedMessage, FailedQuery};

/// What the methods of stores return: a future that may move between threads.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A place where failed messages lie durably: the parking queues of a broker, a table of a database.
///
/// It is object-safe, so that a program can decide at run time which one it works on.
pub trait FailedStore: Send + Sync {
    /// What and where it is, for people; without credentials.
    fn describe(&self) -> String;

    /// Begins to read the failed messages that are meant, oldest first as far as the store knows
    /// an order. What is stored after this call need not be seen.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot be reached, refuses, or is not there.
    fn open<'a>(&'a self, query: &'a FailedQuery) -> StoreFuture<'a, Box<dyn FailedCursor>>;

    /// Stores records. When it returns, they are stored durably. A record that is there already may
    /// be left as it is, if the store can recognise it.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; then some of the records may be stored. Inserting them all again loses
    /// nothing.
    fn insert(&self, records: Vec<FailedMessage>) -> StoreFuture<'_, Inserted>;
}

/// Reads failed messages one after the other.
///
/// Whoever gets one says what happens to it: [`FailedCursor::remove`] or [`FailedCursor::keep`]. Many
/// may be unanswered at once; a store may hold a message as long as its answer is open, so
/// nobody else gets it meanwhile. What has no answer when the cursor is closed or dropped is kept.
pub trait FailedCursor: Send {
    /// The next message that is meant; `None` when there is none any more.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the cursor is then at its end.
    ///
    /// # Cancel safety
    ///
    /// A message that was under way when the future is dropped is kept, and may be skipped.
    fn next(&mut self) -> StoreFuture<'_, Option<StoredFailure>>;

    /// Removes a message from the store, for good. Returns when that is certain, or so far on its way
    /// that the worst that can happen is that the message is still there.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the message may then be still there.
    fn remove(&mut self, key: FailureKey) -> StoreFuture<'_, ()>;

    /// Leaves a message where it is.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the message is kept nevertheless.
    fn keep(&mut self, key: FailureKey) -> StoreFuture<'_, ()>;

    /// How many messages it has read so far and not handed out, although somebody should know of them. A
    /// store into which nobody else can write has none.
    fn passed_over(&self) -> PassedOver {
        PassedOver::default()
    }

    /// Lets go of everything that was not removed, and says whether all that was there when the
    /// cursor was opened has been seen.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; what was not removed is kept nevertheless. [`StoreErrorKind::NotStored`]: all was
    /// done, but the store could not keep a message in the way that it should; the error names it.
    fn close(self: Box<Self>) -> StoreFuture<'static, Seen>;
}

/// Names one stored message to the cursor that it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FailureKey(u64);

impl FailureKey {
    /// A key, as the store numbers its messages.
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

/// A failed message as it lies in its store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredFailure {
    /// Its name for the cursor.
    pub key: FailureKey,
    /// The record.
    pub record: FailedMessage,
}

/// Messages that a cursor has read and not handed out, and that people should be told of: what they say
/// about themselves may be made up, and so no filter should hide them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// Meant, but in [doubt](FailedMessage::doubt), and the query wants
    /// [nothing of that sort](FailedQuery::without_doubtful).
    pub withheld: u64,
    /// Not meant, but in doubt, or failed for a reason that nobody knows, or parked by the broker at a time
    /// [too early](FailedQuery::since) that a producer may have written.
    pub unclear: u64,
    /// Left in the parking queue and not read: they came after the look had begun, or somebody else held them
    /// meanwhile.
    pub unread: u64,
}

impl PassedOver {
    /// Counts a record that is not handed out because of this.
    pub fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Withheld => self.withheld += 1,
            Verdict::Unclear => self.unclear += 1,
            Verdict::Meant | Verdict::NotMeant => {}
        }
    }

    /// The larger numbers of two looks at one store.
    #[must_use]
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            withheld: self.withheld.max(other.withheld),
            unclear: self.unclear.max(other.unclear),
            unread: self.unread.max(other.unread),
        }
    }
}

/// What came of an [`FailedStore::insert`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// How many records are new in the store.
    pub new: u64,
    /// How many were there already.
    pub known: u64,
}

/// How much of a store a cursor has seen when it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Everything that was there when it was opened, or as much as its limit allows.
    All,
    /// A part, because it was closed early or could not hold messages any longer. Opening the store
    /// again goes on.
    Part,
}

/// Why a store could not do what it was asked for.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    context: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What sort of trouble a store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// It cannot be reached, or was lost: the same may work later.
    Unreachable,
    /// It refuses: credentials, rights, a name that is not there. Somebody must change something.
    Refused,
    /// There is no such parking queue or table.
    Missing,
    /// It does not take this record, or not now.
    NotStored,
    /// Anything else.
    Other,
}

impl StoreError {
    /// An error with what failed, on what, and what to do, in words that fit behind “failed to …”.
    pub fn new(kind: StoreErrorKind, context: impl fmt::Display) -> Self {
        Self {
            kind,
            context: context.to_string(),
            source: None,
        }
    }

    /// The same with what caused it. Its text must not be part of the context.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            ..self
        }
    }

    /// What sort of trouble it is.
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
