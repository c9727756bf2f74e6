//! Failed messages in a real PostgreSQL.

#[path = "../../crates/garenne-sinks/tests/sql/cases/mod.rs"]
mod cases;

use std::time::{Duration, Instant};

use garenne::failed::{FailedQuery, FailedStore, StoreErrorKind};
use garenne_sinks::{Migrate, SqlStore};
use integration_tests::{FaultProxy, PostgresNode};
use tokio::sync::OnceCell;

/// A server for all tests that do not hurt it.
pub(crate) async fn server() -> &'static PostgresNode {
    static SERVER: OnceCell<PostgresNode> = OnceCell::const_new();
    SERVER.get_or_init(PostgresNode::start).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_comes_back_from_postgres() {
    let url = server().await.create_database("every_record");
    cases::every_record_comes_back(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_record_comes_back_from_postgres() {
    let url = server().await.create_database("large");
    cases::a_large_record_comes_back(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_stored_once_in_postgres_and_another_one_again() {
    let url = server().await.create_database("once");
    cases::a_failure_is_stored_once_and_another_one_again(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_find_what_they_mean_in_postgres() {
    let url = server().await.create_database("queries");
    cases::queries_find_what_they_mean(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_reads_what_was_in_postgres_and_removes_what_it_is_told() {
    let url = server().await.create_database("cursor");
    cases::a_cursor_reads_what_was_there_and_removes_what_it_is_told(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_of_postgres_is_made_once_by_whoever_is_first() {
    let url = server().await.create_database("made_once");
    cases::a_schema_is_made_once_by_whoever_is_first(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_schema_of_postgres_is_told_and_not_made() {
    let server = server().await;
    let url = server.create_database("by_hand");
    let apply = async |sql: &str| drop(server.sql(sql, "by_hand"));
    cases::a_missing_schema_is_told_and_not_made(&url, apply).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_can_search_the_table_by_hand() {
    let server = server().await;
    let store = cases::store(&server.create_database("by_eye"));
    cases::insert(&store, &[cases::record("m-1")]).await;
    let seen = server.sql(
        "SELECT message_id, queue, reason, error, error_chain->>0, attempts, last_failed_at AT TIME ZONE 'UTC', \
         headers->>'tenant', convert_from(body, 'UTF8')::jsonb->>'order_id' FROM failed_messages",
        "by_eye",
    );
    let expected =
        "m-1|orders|exhausted|card declined|gateway said no|4|2026-09-21 14:14:20.456|acme|7";
    assert_eq!(seen, expected);
}

/// What is wrong, as a store says it, and how soon.
async fn trouble(url: &str) -> (StoreErrorKind, String) {
    let store = SqlStore::new(url).unwrap().migrate(Migrate::Apply);
    let begun = Instant::now();
    let query = FailedQuery::all();
    let error = store
        .timeout(Duration::from_secs(2))
        .open(&query)
        .await
        .err();
    let error = error.expect("it cannot work");
    assert!(begun.elapsed() < Duration::from_secs(30), "told late");
    (error.kind(), error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_trouble_is_told_within_seconds_with_what_to_do_and_without_the_password() {
    use StoreErrorKind::{Refused, Unreachable};
    let server = server().await;
    for statement in [
        "CREATE USER nobody PASSWORD 'hunter2'",
        "CREATE DATABASE closed",
        "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0",
    ] {
        server.sql(statement, "postgres");
    }
    server.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC", "closed");
    let frozen = FaultProxy::before_port(server.port()).await;
    frozen.freeze();
    let gone = FaultProxy::before_port(server.port()).await;
    gone.refuse().await;
    let url = |password, port, database| server.url_for("nobody", password, port, database);
    let port_of = |proxy: &FaultProxy| {
        let url = proxy.url("/");
        let port = url
            .rsplit(':')
            .next()
            .and_then(|rest| rest.split('/').next());
        port.and_then(|port| port.parse::<u16>().ok()).unwrap()
    };
    let port = server.port();
    let cases = [
        (
            url("hunter3", port, "garenne"),
            Refused,
            "check user and password",
        ),
        (
            url("hunter2", port, "missing"),
            Refused,
            "create the database",
        ),
        (url("hunter2", port, "closed"), Refused, "grant the user"),
        (url("hunter2", port, "latin"), Refused, "must be UTF8"),
        (
            url("hunter2", port_of(&gone), "garenne"),
            Unreachable,
            "is the server running",
        ),
        (
            url("hunter2", port_of(&frozen), "garenne"),
            Unreachable,
            "no answer within 2s",
        ),
    ];
    for (url, kind, advice) in cases {
        let (found, text) = trouble(&url).await;
        println!("{text}");
        assert!(text.contains(advice), "{text}");
        assert_eq!(found, kind, "{text}");
        assert!(!text.contains("hunter"), "{text}");
    }
}
