//! `SQLite`.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{
    ConnectOptions, Connection, Executor, QueryBuilder, Row as _, Sqlite, SqliteConnection,
};
use tokio::time::sleep;

use super::database::Migrate;
use super::error::is_held;
use super::row::{ReadRow, Row};
use super::session::{Session, Sql, Wanted, insertion};

const READ: &str = "SELECT id, message_id, queue, exchange, routing_key, reason, error, error_chain, attempts, \
     first_failed_at, last_failed_at, host, service, version, properties, headers, body FROM failed_messages WHERE id IN (";

struct File(SqliteConnection);

/// How long to wait before a file that somebody holds is opened again.
const PAUSE: Duration = Duration::from_millis(10);

/// Opens the file. It is written so that a stored message survives a loss of power.
///
/// While another program writes to a file that has no log yet, `SQLite` refuses to give it one and does
/// not wait for its turn, whatever the timeout is (measured with 3.40 and 3.46): services that start
/// together on a new file would fail. It is tried again for as long as `SQLite` may wait otherwise.
pub(super) async fn open(
    options: SqliteConnectOptions,
    migrate: Migrate,
    busy_timeout: Duration,
) -> Result<impl Session, sqlx::Error> {
    let options = options
        .busy_timeout(busy_timeout)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    let options = match migrate {
        // Readers of a log ahead of the file do not keep the writer waiting, nor it them.
        Migrate::Apply => {
            make_private(options.get_filename());
            options
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
        }
        // Whatever the URL says: who only looks makes no file.
        Migrate::Verify => options.create_if_missing(false),
    };
    let began = Instant::now();
    loop {
        match SqliteConnection::connect_with(&options).await {
            Err(error) if is_held(&error) && began.elapsed() < busy_timeout => sleep(PAUSE).await,
            opened => return opened.map(File),
        }
    }
}

/// Makes the file, if there is none, so that nobody else can read it: bodies of messages will be in it.
/// `SQLite` would make it as the process's mask says. It gives the same rights to the files beside it
/// (`-wal`, `-shm`). Where the file cannot be made, `SQLite` says why.
fn make_private(file: &Path) {
    use std::os::unix::fs::OpenOptionsExt;
    let _ = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(target_of(file));
}

/// What a path leads to, over links to files that are not there: those `SQLite` follows and makes.
fn target_of(file: &Path) -> PathBuf {
    /// As many as Linux follows.
    const LINKS: usize = 40;
    let mut file = file.to_owned();
    for _ in 0..LINKS {
        let Ok(target) = file.read_link() else {
            break;
        };
        file = match file.parent() {
            Some(folder) => folder.join(target),
            None => target,
        };
    }
    file
}

impl Session for File {
    fn run<'a>(&'a mut self, sql: &'a str) -> Sql<'a, ()> {
        Box::pin(async move { self.0.execute(sqlx::raw_sql(sql)).await.map(|_| ()) })
    }

    fn number<'a>(&'a mut self, sql: &'a str) -> Sql<'a, Option<i64>> {
        Box::pin(sqlx::query_scalar(sql).fetch_optional(&mut self.0))
    }

    fn begin_alone(&mut self) -> Sql<'_, ()> {
        self.run("BEGIN IMMEDIATE")
    }

    fn insert<'a>(&'a mut self, rows: &'a [Row]) -> Sql<'a, u64> {
        Box::pin(async move {
            let mut sql = insertion(rows, "", "");
            let query = sql.build().persistent(rows.len() == 1);
            Ok(query.execute(&mut self.0).await?.rows_affected())
        })
    }

    fn sizes<'a>(&'a mut self, wanted: &'a Wanted) -> Sql<'a, Vec<(i64, i64)>> {
        Box::pin(async move {
            let mut sql = wanted.build::<Sqlite>("");
            let rows = sql.build().fetch_all(&mut self.0).await?;
            let pair = |row: &SqliteRow| Ok((row.try_get(0)?, row.try_get(1)?));
            rows.iter().map(pair).collect()
        })
    }

    fn rows<'a>(&'a mut self, ids: &'a [i64]) -> Sql<'a, Vec<ReadRow>> {
        Box::pin(async move {
            let mut sql = list(READ, ids);
            let rows = sql
                .push(" ORDER BY id")
                .build()
                .fetch_all(&mut self.0)
                .await?;
            rows.iter().map(ReadRow::read).collect()
        })
    }

    fn delete<'a>(&'a mut self, ids: &'a [i64]) -> Sql<'a, ()> {
        Box::pin(async move {
            let mut sql = list("DELETE FROM failed_messages WHERE id IN (", ids);
            sql.build().execute(&mut self.0).await.map(|_| ())
        })
    }

    fn close(self: Box<Self>) -> Sql<'static, ()> {
        Box::pin(self.0.close())
    }
}

/// A statement that ends with a list of ids.
fn list<'a>(begin: &str, ids: &[i64]) -> QueryBuilder<'a, Sqlite> {
    let mut sql = QueryBuilder::new(begin);
    let mut separated = sql.separated(", ");
    for id in ids {
        separated.push_bind(*id);
    }
    sql.push(")");
    sql
}
