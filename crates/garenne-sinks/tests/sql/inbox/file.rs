//! An inbox in an `SQLite` file.

use std::str::FromStr;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use tempfile::TempDir;

use super::cases;
use crate::file::fresh;

async fn pool() -> (TempDir, SqlitePool) {
    let (folder, url) = fresh();
    let options = SqliteConnectOptions::from_str(&url).unwrap();
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    (folder, SqlitePool::connect_with(options).await.unwrap())
}

#[tokio::test]
async fn a_message_is_the_first_in_a_file_until_its_transaction_commits() {
    let (_folder, pool) = pool().await;
    cases::a_message_is_the_first_until_its_transaction_commits(&pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_copies_at_once_one_is_the_first_in_a_file() {
    let (_folder, pool) = pool().await;
    cases::of_copies_at_once_one_is_the_first(&pool).await;
}

#[tokio::test]
async fn what_is_old_is_forgotten_in_a_file_and_nothing_else() {
    let (_folder, pool) = pool().await;
    cases::what_is_old_is_forgotten_and_nothing_else(&pool).await;
}
