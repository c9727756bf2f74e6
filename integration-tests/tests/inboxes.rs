//! An inbox in a real PostgreSQL.

#[path = "../../crates/garenne-sinks/tests/sql/inbox/cases.rs"]
mod cases;

use sqlx::PgPool;

use super::databases::server;

async fn pool(database: &str) -> PgPool {
    let url = server().await.create_database(database);
    PgPool::connect(&url).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_the_first_in_postgres_until_its_transaction_commits() {
    let pool = pool("inbox_first").await;
    cases::a_message_is_the_first_until_its_transaction_commits(&pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_copies_at_once_one_is_the_first_in_postgres() {
    cases::of_copies_at_once_one_is_the_first(&pool("inbox_copies").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_forgotten_in_postgres_and_nothing_else() {
    cases::what_is_old_is_forgotten_and_nothing_else(&pool("inbox_old").await).await;
}
