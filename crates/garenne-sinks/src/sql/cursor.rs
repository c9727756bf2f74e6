//! Reads the table from its oldest row to the one that was newest when it began.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use garenne::failed::{
    FailedCursor, FailedQuery, FailureKey, PassedOver, Seen, StoreError, StoreErrorKind,
    StoreFuture, StoredFailure, Verdict,
};

use super::database::Database;
use super::error::SqlError;
use super::row::ReadRow;
use super::session::{Session, Wanted};

/// How many ids are looked up at a time.
const LOOK_AHEAD: i64 = 500;
/// How many bytes of bodies are read at a time; a single one may be larger.
const READ_BYTES: i64 = 8 << 20;
/// How many rows are read at a time.
const READ_ROWS: usize = 100;
/// How many removals are written together.
const REMOVALS: usize = 100;
/// And how long they wait for each other: whoever removes slowly shall not lose much when killed.
const REMOVALS_WAIT: Duration = Duration::from_secs(1);

pub(super) struct Cursor {
    session: Box<dyn Session>,
    database: Database,
    query: FailedQuery,
    wanted: Wanted,
    /// Ids with the sizes of their bodies, not read yet.
    ahead: VecDeque<(i64, i64)>,
    read: VecDeque<ReadRow>,
    removed: Vec<i64>,
    /// When removals were last written.
    written: Instant,
    left: u64,
    is_at_end: bool,
    passed_over: PassedOver,
}

impl Cursor {
    pub(super) async fn open(
        mut session: Box<dyn Session>,
        database: Database,
        query: FailedQuery,
    ) -> Result<Self, SqlError> {
        let newest = "SELECT CAST(max(id) AS bigint) FROM (SELECT 0 AS id UNION ALL SELECT id FROM failed_messages) AS all_ids";
        let newest = database.in_time(session.number(newest)).await?;
        Ok(Self {
            wanted: Wanted {
                up_to: newest.unwrap_or(0),
                count: LOOK_AHEAD,
                ..Wanted::of(&query)
            },
            left: query.limit.unwrap_or(u64::MAX),
            session,
            database,
            query,
            ahead: VecDeque::new(),
            read: VecDeque::new(),
            removed: Vec::new(),
            written: Instant::now(),
            is_at_end: false,
            passed_over: PassedOver::default(),
        })
    }

    async fn next_meant(&mut self) -> Result<Option<StoredFailure>, StoreError> {
        while self.left > 0 {
            let Some(row) = self.next_row().await? else {
                break;
            };
            let unreadable = |why| StoreError::new(StoreErrorKind::Other, why);
            let failure = row.into_failure().map_err(unreadable)?;
            let verdict = self.query.judge(&failure.record);
            if verdict == Verdict::Meant {
                self.left -= 1;
                return Ok(Some(failure));
            }
            self.passed_over.count(verdict);
        }
        self.is_at_end = true;
        Ok(None)
    }

    async fn next_row(&mut self) -> Result<Option<ReadRow>, StoreError> {
        let reading = |e: SqlError| e.into_store_error("reading failed messages");
        loop {
            if let Some(row) = self.read.pop_front() {
                return Ok(Some(row));
            }
            if self.ahead.is_empty() {
                let sizes = self
                    .database
                    .in_time(self.session.sizes(&self.wanted))
                    .await;
                let sizes = sizes.map_err(reading)?;
                let Some((last, _)) = sizes.last() else {
                    return Ok(None);
                };
                self.wanted.after = *last;
                self.ahead = sizes.into();
            }
            let ids = self.next_ids();
            let rows = self.database.in_time(self.session.rows(&ids)).await;
            // Rows that somebody else has removed meanwhile are not there, and not meant.
            self.read = rows.map_err(reading)?.into();
        }
    }

    /// The next ids, of as many bodies as are read at a time.
    fn next_ids(&mut self) -> Vec<i64> {
        let (mut ids, mut bytes) = (Vec::new(), 0);
        while let Some(&(id, size)) = self.ahead.front() {
            bytes += size;
            if !ids.is_empty() && (bytes > READ_BYTES || ids.len() == READ_ROWS) {
                break;
            }
            ids.push(id);
            self.ahead.pop_front();
        }
        ids
    }

    async fn write_removals(&mut self) -> Result<(), StoreError> {
        if !self.removed.is_empty() {
            let deleted = self
                .database
                .in_time(self.session.delete(&self.removed))
                .await;
            deleted.map_err(|e| e.into_store_error("removing messages"))?;
            self.removed.clear();
            self.written = Instant::now();
        }
        Ok(())
    }
}

impl FailedCursor for Cursor {
    fn next(&mut self) -> StoreFuture<'_, Option<StoredFailure>> {
        Box::pin(self.next_meant())
    }

    fn remove(&mut self, key: FailureKey) -> StoreFuture<'_, ()> {
        self.removed.extend(i64::try_from(key.number()));
        Box::pin(async move {
            let waited = self.written.elapsed();
            if self.removed.len() >= REMOVALS || waited >= REMOVALS_WAIT {
                self.write_removals().await?;
            }
            Ok(())
        })
    }

    fn keep(&mut self, _: FailureKey) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn passed_over(&self) -> PassedOver {
        self.passed_over
    }

    fn close(mut self: Box<Self>) -> StoreFuture<'static, Seen> {
        Box::pin(async move {
            self.write_removals().await?;
            let is_at_end = self.is_at_end || self.left == 0;
            let _goodbye = self.database.in_time(self.session.close()).await;
            Ok(if is_at_end { Seen::All } else { Seen::Part })
        })
    }
}
