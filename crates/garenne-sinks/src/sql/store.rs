//! The table as a place where failed messages lie, for whoever lists them and sends them again.

use std::fmt;
use std::time::Duration;

use garenne::core::FailedMessage;
use garenne::failed::{
    FailedCursor, FailedQuery, FailedStore, Inserted, StoreError, StoreErrorKind, StoreFuture,
};
use tokio::sync::Mutex;

use super::cursor::Cursor;
use super::database::{Database, Migrate};
use super::insert::{BATCH_BYTES, store};
use super::row::Row;
use super::session::Session;

/// The most rows in one statement.
const BATCH: usize = 100;

/// The table of an [`SqlSink`](crate::SqlSink), to list what is in it, to send it again, to remove it,
/// and to put into it what was parked.
///
/// A message that a cursor has handed out is not held: another reader at the same time gets it too.
/// Removals are written a hundred at a time, or with the first that comes a second after the last were
/// written, and when the cursor is closed. A program that is killed before has removed fewer than it
/// could have, and none too many.
pub struct SqlStore {
    database: Database,
    writing: Mutex<Option<Box<dyn Session>>>,
}

impl SqlStore {
    /// The store in the database with this URL, as [`SqlSink::new`](crate::SqlSink::new) takes it. It
    /// connects when it is first used, and by itself makes no tables ([`Migrate::Verify`]).
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Refused`] when the URL names no database that this program was built for. The
    /// text says what is accepted, and does not quote the URL.
    pub fn new(url: impl AsRef<str>) -> Result<Self, StoreError> {
        let refused = |fault| StoreError::new(StoreErrorKind::Refused, fault);
        let database = Database::parse(url.as_ref()).map_err(refused)?;
        Ok(Self {
            database: Database {
                migrate: Migrate::Verify,
                ..database
            },
            writing: Mutex::new(None),
        })
    }

    /// Whether the tables are made if missing, or only looked at: only looked at, by default.
    #[must_use]
    pub fn migrate(mut self, migrate: Migrate) -> Self {
        self.database.migrate = migrate;
        self
    }

    /// How long connecting, or one statement, may take: 5 s by default. See
    /// [`SqlSink::timeout`](crate::SqlSink::timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.database.timeout = timeout;
        self
    }

    /// The SQL that [`Migrate::Apply`] runs, to apply it by hand in the database that this store is
    /// in: every step, oldest first, and the note that they are done.
    #[must_use]
    pub fn schema(&self) -> String {
        super::migrate::script(self.database.kind())
    }

    /// Keeps its session for the next call; an error leaves none behind.
    async fn insert_all(&self, records: Vec<FailedMessage>) -> Result<Inserted, StoreError> {
        let mut rows = Vec::with_capacity(records.len());
        for record in &records {
            let row = Row::of(record);
            rows.push(row.map_err(|why| StoreError::new(StoreErrorKind::NotStored, why))?);
        }
        let mut writing = self.writing.lock().await;
        let mut session = match writing.take() {
            Some(session) => session,
            None => self.connect().await?,
        };
        let mut inserted = Inserted::default();
        for batch in batches(&rows) {
            let stored = store(&mut *session, &self.database, batch).await;
            let (results, new) = stored.map_err(|e| e.into_store_error("storing records"))?;
            for result in results {
                result.map_err(|e| e.into_store_error("storing a record"))?;
            }
            inserted.new += new;
            inserted.known += (batch.len() as u64).saturating_sub(new);
        }
        *writing = Some(session);
        Ok(inserted)
    }

    async fn connect(&self) -> Result<Box<dyn Session>, StoreError> {
        let connected = self.database.connect().await;
        connected.map_err(|e| e.into_store_error("connecting"))
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqlStore").field(&self.database).finish()
    }
}

impl FailedStore for SqlStore {
    fn describe(&self) -> String {
        self.database.name.clone()
    }

    fn open<'a>(&'a self, query: &'a FailedQuery) -> StoreFuture<'a, Box<dyn FailedCursor>> {
        Box::pin(async move {
            let session = self.connect().await?;
            let cursor = Cursor::open(session, self.database.clone(), query.clone()).await;
            let cursor = cursor.map_err(|e| e.into_store_error("reading failed messages"))?;
            Ok(Box::new(cursor) as Box<dyn FailedCursor>)
        })
    }

    fn insert(&self, records: Vec<FailedMessage>) -> StoreFuture<'_, Inserted> {
        Box::pin(self.insert_all(records))
    }
}

/// Rows in batches of a bounded number and, but for a single row, of a bounded size.
fn batches(rows: &[Row]) -> Vec<&[Row]> {
    let (mut batches, mut rest) = (Vec::new(), rows);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take(BATCH).take_while(|row| {
            bytes += row.size();
            bytes <= BATCH_BYTES
        });
        let count = fitting.count().max(1);
        let (batch, others) = rest.split_at(count);
        batches.push(batch);
        rest = others;
    }
    batches
}
