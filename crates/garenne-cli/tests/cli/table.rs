//! A database of failed messages of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use garenne::core::FailedMessage;
use garenne::failed::{FailedQuery, FailedStore};
use garenne_sinks::{Migrate, SqlStore};
use garenne_testing::PostgresNode;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::support::{Ran, Stage};

/// The password of the server, which the command takes out of `PGPASSWORD`: on a command line everybody
/// could read it.
pub(crate) const PASSWORD: &str = "secret";

/// A database with the tables that a service makes: a file, or with `GARENNE_TEST_DATABASE=postgres` one
/// of a real PostgreSQL.
pub(crate) struct Table {
    /// As it stands on a command line.
    url: String,
    store: SqlStore,
    /// Where the file lies.
    _folder: Option<TempDir>,
}

impl Table {
    pub(crate) async fn new() -> Self {
        let (url, folder) = match std::env::var("GARENNE_TEST_DATABASE").as_deref() {
            Ok("postgres") => (in_postgres().await, None),
            Ok(other) => panic!("GARENNE_TEST_DATABASE is `{other}`; accepted: postgres"),
            Err(_) => {
                let folder = tempfile::tempdir().unwrap();
                let file = folder.path().join("failed.db");
                (format!("sqlite://{}", file.display()), Some(folder))
            }
        };
        let store = SqlStore::new(&url).unwrap().migrate(Migrate::Apply);
        let url = url.replace(&format!(":{PASSWORD}@"), "@");
        let table = Self {
            url,
            store,
            _folder: folder,
        };
        assert_eq!(table.records().await, []);
        table
    }

    /// The same with these messages in it, as an export has them.
    pub(crate) async fn with(stage: &Stage, lines: &str) -> Self {
        let table = Self::new().await;
        table.import(stage, lines).await.well();
        table
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn import(&self, stage: &Stage, lines: &str) -> Ran {
        let import = ["failed", "import", "--database", self.url()];
        stage.run_with(&import, lines, &[]).await
    }

    /// Runs `garenne failed`, this word and these arguments, on this database.
    pub(crate) async fn run(&self, stage: &Stage, word: &str, arguments: &[&str]) -> Ran {
        let begin = ["failed", word, "--database", self.url()];
        stage.run(&[&begin[..], arguments].concat()).await
    }

    pub(crate) async fn records(&self) -> Vec<FailedMessage> {
        let all = FailedQuery::all();
        let mut cursor = self.store.open(&all).await.unwrap();
        let mut records = Vec::new();
        while let Some(stored) = cursor.next().await.unwrap() {
            records.push(stored.record);
        }
        cursor.close().await.unwrap();
        records
    }

    pub(crate) async fn ids(&self) -> Vec<String> {
        let records = self.records().await;
        records.into_iter().map(|r| r.message_id).collect()
    }
}

/// An empty database on the server that all tests of this process share.
async fn in_postgres() -> String {
    static SERVER: OnceCell<PostgresNode> = OnceCell::const_new();
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let server = SERVER.get_or_init(PostgresNode::start).await;
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    server.create_database(&format!("table_{number}"))
}
