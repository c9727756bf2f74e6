//! The cases on an `SQLite` file.

use std::str::FromStr;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor, SqliteConnection};
use tempfile::TempDir;

use crate::cases;

/// A folder for a file that does not exist yet, and its URL.
pub(crate) fn fresh() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("failed.db").display());
    (folder, url)
}

/// Another program's connection; it makes the file if there is none.
pub(crate) async fn other_program(url: &str) -> SqliteConnection {
    let options = SqliteConnectOptions::from_str(url).unwrap();
    options.create_if_missing(true).connect().await.unwrap()
}

#[tokio::test]
async fn every_record_comes_back_from_a_file() {
    let (_folder, url) = fresh();
    cases::every_record_comes_back(&url).await;
}

#[tokio::test]
async fn a_large_record_comes_back_from_a_file() {
    let (_folder, url) = fresh();
    cases::a_large_record_comes_back(&url).await;
}

#[tokio::test]
async fn a_failure_is_stored_once_in_a_file_and_another_one_again() {
    let (_folder, url) = fresh();
    cases::a_failure_is_stored_once_and_another_one_again(&url).await;
}

#[tokio::test]
async fn queries_find_what_they_mean_in_a_file() {
    let (_folder, url) = fresh();
    cases::queries_find_what_they_mean(&url).await;
}

#[tokio::test]
async fn a_cursor_reads_what_was_in_a_file_and_removes_what_it_is_told() {
    let (_folder, url) = fresh();
    cases::a_cursor_reads_what_was_there_and_removes_what_it_is_told(&url).await;
}

#[tokio::test]
async fn a_files_schema_is_made_once_by_whoever_is_first() {
    let (_folder, url) = fresh();
    cases::a_schema_is_made_once_by_whoever_is_first(&url).await;
}

#[tokio::test]
async fn a_files_missing_schema_is_told_and_not_made() {
    let (_folder, url) = fresh();
    let mut program = other_program(&url).await;
    program.execute("PRAGMA user_version = 7").await.unwrap();
    let apply = async |sql: &str| {
        let mut program = other_program(&url).await;
        program.execute(sqlx::raw_sql(sql)).await.unwrap();
    };
    cases::a_missing_schema_is_told_and_not_made(&url, apply).await;
}

#[tokio::test]
async fn a_new_file_and_those_beside_it_are_for_this_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, url) = fresh();
    let store = cases::store(&url);
    cases::insert(&store, &[cases::record("m-1")]).await;
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["failed.db", "failed.db-shm", "failed.db-wal"]);
}

#[tokio::test]
async fn a_new_file_behind_a_link_is_for_this_user_only() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (folder, url) = fresh();
    let file = folder.path().join("elsewhere.db");
    symlink("link", folder.path().join("failed.db")).unwrap();
    symlink(&file, folder.path().join("link")).unwrap();
    let store = cases::store(&url);
    cases::insert(&store, &[cases::record("m-1")]).await;
    let mode = file.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[tokio::test]
async fn who_only_looks_makes_no_file() {
    let (folder, url) = fresh();
    let looking = garenne_sinks::SqlStore::new(format!("{url}?mode=rwc")).unwrap();
    let query = garenne::failed::FailedQuery::all();
    assert!(
        garenne::failed::FailedStore::open(&looking, &query)
            .await
            .is_err()
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
