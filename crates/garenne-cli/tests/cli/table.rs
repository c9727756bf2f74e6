//! A database of failed messages in a file of its own.

use garenne::core::FailedMessage;
use garenne::failed::{FailedQuery, FailedStore};
use garenne_sinks::{Migrate, SqlStore};
use tempfile::TempDir;

use crate::support::{Ran, Stage};

/// A file with the tables that a service makes.
pub(crate) struct Table {
    folder: TempDir,
    store: SqlStore,
}

impl Table {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqlStore::new(url_in(&folder)).unwrap();
        let table = Self {
            store: store.migrate(Migrate::Apply),
            folder,
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

    pub(crate) fn url(&self) -> String {
        url_in(&self.folder)
    }

    pub(crate) async fn import(&self, stage: &Stage, lines: &str) -> Ran {
        let import = ["failed", "import", "--database", &self.url()];
        stage.run_with(&import, lines, &[]).await
    }

    /// Runs `garenne failed`, this word and these arguments, on this database.
    pub(crate) async fn run(&self, stage: &Stage, word: &str, arguments: &[&str]) -> Ran {
        let url = self.url();
        let begin = ["failed", word, "--database", &url];
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

fn url_in(folder: &TempDir) -> String {
    format!("sqlite://{}", folder.path().join("failed.db").display())
}
