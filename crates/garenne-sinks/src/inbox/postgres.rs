//! An inbox in PostgreSQL.

use std::time::Duration;

use sqlx::{Acquire, PgConnection};

use super::InboxConnection;
use super::sealed::Statements;

impl InboxConnection for PgConnection {}

impl Statements for PgConnection {
    async fn create(&mut self, table: &str) -> Result<(), sqlx::Error> {
        let mut transaction = self.begin().await?;
        // Two that create a table at once fail over PostgreSQL's own catalogue, `IF NOT EXISTS` or not.
        let lock = "SELECT pg_advisory_xact_lock(hashtext('garenne_inbox'))";
        sqlx::query(lock).execute(&mut *transaction).await?;
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {table} (queue text NOT NULL, message_id text NOT NULL, \
             handled_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (queue, message_id))"
        );
        sqlx::query(&create).execute(&mut *transaction).await?;
        transaction.commit().await
    }

    async fn add(&mut self, table: &str, queue: &str, id: &str) -> Result<u64, sqlx::Error> {
        let add = format!(
            "INSERT INTO {table} (queue, message_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
        );
        let added = sqlx::query(&add).bind(queue).bind(id).execute(self).await?;
        Ok(added.rows_affected())
    }

    async fn forget(&mut self, table: &str, age: Duration) -> Result<u64, sqlx::Error> {
        let forget =
            format!("DELETE FROM {table} WHERE handled_at < now() - make_interval(secs => $1)");
        let forgotten = sqlx::query(&forget)
            .bind(age.as_secs_f64())
            .execute(self)
            .await?;
        Ok(forgotten.rows_affected())
    }
}
