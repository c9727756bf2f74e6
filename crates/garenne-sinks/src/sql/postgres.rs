//! PostgreSQL.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, Row as _};

use super::row::{ReadRow, Row};
use super::session::{Session, Sql, Wanted, insertion};

/// Any number will do that nobody else locks with: "garenne" in ASCII.
const LOCK: i64 = 0x0067_6172_656e_6e65;

/// What a stored message must be: on the disk when the server says so. A server that was told to be
/// quick instead is told otherwise, for these connections only.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
                       WHERE current_setting('synchronous_commit') = 'off'";

const READ: &str = "SELECT id, message_id, queue, exchange, routing_key, reason, error, error_chain::text, attempts, \
     to_char(first_failed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), \
     to_char(last_failed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), \
     host, service, version, properties::text, headers::text, body FROM failed_messages WHERE id = ANY($1) ORDER BY id";

struct Postgres(PgConnection);

/// Connects. The server itself gives up on a statement after `timeout`.
pub(super) async fn open(
    options: &PgConnectOptions,
    timeout: Duration,
) -> Result<impl Session + use<>, sqlx::Error> {
    let mut connection =
        PgConnection::connect_with(&options.clone().disable_statement_logging()).await?;
    let encoding: String = sqlx::query_scalar("SHOW server_encoding")
        .fetch_one(&mut connection)
        .await?;
    if encoding != "UTF8" {
        let why =
            format!("the database's encoding is {encoding}; it must be UTF8 to hold every text");
        return Err(sqlx::Error::Configuration(why.into()));
    }
    let limit = format!("SET statement_timeout = {}; {DURABLE}", timeout.as_millis());
    connection.execute(sqlx::raw_sql(&limit)).await?;
    Ok(Postgres(connection))
}

impl Session for Postgres {
    fn run<'a>(&'a mut self, sql: &'a str) -> Sql<'a, ()> {
        Box::pin(async move { self.0.execute(sqlx::raw_sql(sql)).await.map(|_| ()) })
    }

    fn number<'a>(&'a mut self, sql: &'a str) -> Sql<'a, Option<i64>> {
        Box::pin(sqlx::query_scalar(sql).fetch_optional(&mut self.0))
    }

    fn begin_alone(&mut self) -> Sql<'_, ()> {
        Box::pin(async move {
            let sql = format!("BEGIN; SELECT pg_advisory_xact_lock({LOCK})");
            self.run(&sql).await
        })
    }

    fn insert<'a>(&'a mut self, rows: &'a [Row]) -> Sql<'a, u64> {
        Box::pin(async move {
            let mut sql = insertion(rows, "::timestamptz", "::jsonb");
            // The statement is another one for each number of rows.
            let query = sql.build().persistent(rows.len() == 1);
            Ok(query.execute(&mut self.0).await?.rows_affected())
        })
    }

    fn sizes<'a>(&'a mut self, wanted: &'a Wanted) -> Sql<'a, Vec<(i64, i64)>> {
        Box::pin(async move {
            let mut sql = wanted.build::<sqlx::Postgres>("::timestamptz");
            let rows = sql.build().fetch_all(&mut self.0).await?;
            let pair = |row: &PgRow| Ok((row.try_get(0)?, row.try_get::<i32, _>(1)?.into()));
            rows.iter().map(pair).collect()
        })
    }

    fn rows<'a>(&'a mut self, ids: &'a [i64]) -> Sql<'a, Vec<ReadRow>> {
        Box::pin(async move {
            let rows = sqlx::query(READ).bind(ids).fetch_all(&mut self.0).await?;
            rows.iter().map(ReadRow::read).collect()
        })
    }

    fn delete<'a>(&'a mut self, ids: &'a [i64]) -> Sql<'a, ()> {
        let sql = "DELETE FROM failed_messages WHERE id = ANY($1)";
        Box::pin(async move {
            sqlx::query(sql)
                .bind(ids)
                .execute(&mut self.0)
                .await
                .map(|_| ())
        })
    }

    fn close(self: Box<Self>) -> Sql<'static, ()> {
        Box::pin(self.0.close())
    }
}
