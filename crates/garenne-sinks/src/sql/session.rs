//! One connection to a database, whichever it is.

use std::pin::Pin;
use std::time::SystemTime;

use garenne::core::{FailReason, FailedQuery};
use sqlx::Error;

use super::row::{ReadRow, Row, time};
use super::text::without_nul;

pub(super) type Sql<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// What is asked of a database. Nothing here has a deadline of its own.
pub(super) trait Session: Send {
    /// Runs statements that give nothing back.
    fn run<'a>(&'a mut self, sql: &'a str) -> Sql<'a, ()>;

    /// The first column of the first row, if there is one.
    fn number<'a>(&'a mut self, sql: &'a str) -> Sql<'a, Option<i64>>;

    /// Begins a transaction that no other migration overlaps with.
    fn begin_alone(&mut self) -> Sql<'_, ()>;

    /// Inserts all of them or none, but for those that are there already. Says how many are new.
    fn insert<'a>(&'a mut self, rows: &'a [Row]) -> Sql<'a, u64>;

    /// Ids and sizes of the bodies of so many rows, ids in order.
    fn sizes<'a>(&'a mut self, wanted: &'a Wanted) -> Sql<'a, Vec<(i64, i64)>>;

    /// The rows with these ids, in order.
    fn rows<'a>(&'a mut self, ids: &'a [i64]) -> Sql<'a, Vec<ReadRow>>;

    /// Deletes the rows with these ids.
    fn delete<'a>(&'a mut self, ids: &'a [i64]) -> Sql<'a, ()>;

    /// Says goodbye.
    fn close(self: Box<Self>) -> Sql<'static, ()>;
}

/// Which rows are read next.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) after: i64,
    pub(super) up_to: i64,
    pub(super) count: i64,
    pub(super) queue: Option<String>,
    pub(super) reasons: Vec<FailReason>,
    pub(super) ids: Vec<String>,
    pub(super) since: Option<SystemTime>,
}

impl Wanted {
    /// As much of a query as the database can answer; the rest is asked of every record.
    pub(super) fn of(query: &FailedQuery) -> Self {
        let plain = |text: &str| without_nul(text).into_owned();
        Self {
            queue: query.queue.as_deref().map(plain),
            reasons: query.reasons.to_vec(),
            ids: query.ids.iter().map(|id| plain(id)).collect(),
            since: query.since,
            ..Self::default()
        }
    }

    /// Writes the statement for [`Session::sizes`]. `time_type` is a cast for times.
    pub(super) fn build<'a, DB>(&'a self, time_type: &str) -> sqlx::QueryBuilder<'a, DB>
    where
        DB: sqlx::Database,
        i64: sqlx::Encode<'a, DB> + sqlx::Type<DB>,
        &'a str: sqlx::Encode<'a, DB> + sqlx::Type<DB>,
        String: sqlx::Encode<'a, DB> + sqlx::Type<DB>,
    {
        let mut sql =
            sqlx::QueryBuilder::new("SELECT id, length(body) FROM failed_messages WHERE id > ");
        sql.push_bind(self.after)
            .push(" AND id <= ")
            .push_bind(self.up_to);
        if let Some(queue) = &self.queue {
            sql.push(" AND queue = ").push_bind(queue.as_str());
        }
        if let Some(since) = self.since {
            sql.push(" AND last_failed_at >= ")
                .push_bind(time(since))
                .push(time_type);
        }
        one_of(&mut sql, "reason", self.reasons.iter().map(|r| r.as_str()));
        one_of(&mut sql, "message_id", self.ids.iter().map(String::as_str));
        sql.push(" ORDER BY id LIMIT ").push_bind(self.count);
        sql
    }
}

fn one_of<'a, DB>(
    sql: &mut sqlx::QueryBuilder<'a, DB>,
    column: &str,
    values: impl ExactSizeIterator<Item = &'a str>,
) where
    DB: sqlx::Database,
    &'a str: sqlx::Encode<'a, DB> + sqlx::Type<DB>,
{
    if values.len() > 0 {
        sql.push(format_args!(" AND {column} IN ("));
        let mut list = sql.separated(", ");
        for value in values {
            list.push_bind(value);
        }
        sql.push(")");
    }
}

/// Writes the statement for [`Session::insert`]; the casts are for times and JSON.
pub(super) fn insertion<'a, DB>(
    rows: &'a [Row],
    time_type: &'static str,
    json_type: &'static str,
) -> sqlx::QueryBuilder<'a, DB>
where
    DB: sqlx::Database,
    i64: sqlx::Encode<'a, DB> + sqlx::Type<DB>,
    &'a str: sqlx::Encode<'a, DB> + sqlx::Type<DB>,
    Option<&'a str>: sqlx::Encode<'a, DB> + sqlx::Type<DB>,
    &'a [u8]: sqlx::Encode<'a, DB> + sqlx::Type<DB>,
{
    let columns = super::row::COLUMNS;
    let mut sql = sqlx::QueryBuilder::new(format!("INSERT INTO failed_messages ({columns}) "));
    sql.push_values(rows, |mut values, row| {
        values.push_bind(row.record_key.as_slice());
        for text in [&row.message_id, &row.queue, &row.exchange, &row.routing_key] {
            values.push_bind(text.as_str());
        }
        values.push_bind(row.reason).push_bind(row.error.as_str());
        values
            .push_bind(row.error_chain.as_str())
            .push_unseparated(json_type);
        values.push_bind(row.attempts);
        for time in [&row.first_failed_at, &row.last_failed_at] {
            values.push_bind(time.as_str()).push_unseparated(time_type);
        }
        for text in [&row.host, &row.service, &row.version] {
            values.push_bind(text.as_str());
        }
        values.push_bind(row.trace_id.as_deref());
        for json in [&row.properties, &row.headers] {
            values.push_bind(json.as_str()).push_unseparated(json_type);
        }
        values.push_bind(&row.body[..]);
    });
    sql.push(" ON CONFLICT (record_key) DO NOTHING");
    sql
}
