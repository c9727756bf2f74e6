//! An inbox in SQLite.

use std::time::Duration;

use sqlx::SqliteConnection;

use super::InboxConnection;
use super::sealed::Statements;

impl InboxConnection for SqliteConnection {}

impl Statements for SqliteConnection {
    async fn create(&mut self, table: &str) -> Result<(), sqlx::Error> {
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {table} (queue TEXT NOT NULL, message_id TEXT NOT NULL, \
             handled_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), \
             PRIMARY KEY (queue, message_id)) WITHOUT ROWID"
        );
        sqlx::query(&create).execute(self).await.map(drop)
    }

    async fn add(&mut self, table: &str, queue: &str, id: &str) -> Result<u64, sqlx::Error> {
        let add = format!(
            "INSERT INTO {table} (queue, message_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
        );
        let added = sqlx::query(&add).bind(queue).bind(id).execute(self).await?;
        Ok(added.rows_affected())
    }

    async fn forget(&mut self, table: &str, age: Duration) -> Result<u64, sqlx::Error> {
        let forget = format!(
            "DELETE FROM {table} WHERE julianday(handled_at) < julianday('now') - $1 / 86400.0"
        );
        let forgotten = sqlx::query(&forget)
            .bind(age.as_secs_f64())
            .execute(self)
            .await?;
        Ok(forgotten.rows_affected())
    }
}
