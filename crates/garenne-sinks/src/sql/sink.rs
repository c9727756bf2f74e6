//! The fail sink, as a service names it.

use std::sync::Arc;
use std::time::Duration;

use garenne::actix::{self, Actor, ActorContext, Context, Handler, ResponseFuture};
use garenne::core::Fault;
use garenne::{FailSinkSetup, FailedMessage, SinkError};
use tokio::sync::{mpsc, oneshot};

use super::database::{Database, Migrate};
use super::row::Row;
use super::writer::{Job, Writer};

/// How many rows go into one statement, unless told otherwise.
const BATCH: usize = 100;
const BATCH_MAX: usize = 1000;

/// Stores failed messages in a table, `failed_messages`, of a PostgreSQL database or an `SQLite` file.
///
/// ```no_run
/// use garenne::prelude::*;
/// use garenne_sinks::SqlSink;
///
/// # async fn charge(_: Delivery<Text>) -> Result<(), Failure> { Ok(()) }
/// let database = std::env::var("DATABASE_URL").unwrap_or_default();
/// SystemBuilder::from_env()
///     .consume_fn(Queue::quorum("orders"), charge)
///     .fail_sink(SqlSink::new(database))
///     .fail_follower(LogSink::default)
///     .run();
/// ```
///
/// **When it is stored.** A message is acked after the transaction with its row is committed to
/// disk. What waits while a statement runs goes into the next one together.
///
/// **When it is not.** While the database cannot be reached, is too slow, or refuses, messages go to
/// the parking queue on the broker, without waiting for a database that is known to be down. The
/// service starts and consumes without it, and says within seconds what is wrong and what to do
/// (event `fail_store_down`). It tries again with back-off of 0.5 to 30 s. `garenne failed import`
/// moves into the database what was parked meanwhile.
///
/// **Once.** A row has a key: a fingerprint of the message (id, queue, where it was published,
/// properties, headers, body) and of the attempts that it failed. A redelivery of a message that is
/// stored already makes no second row; nor does importing its parked copy. A message that failed
/// again after it was sent again makes one, since it carries another `replay-id`, or another time of
/// its first failure. A message without an id is stored as often as it comes: nobody can tell.
///
/// **Exactly.** Body, properties and headers are kept so that the very same message can be sent
/// again; [`garenne::core::json`] says how AMQP's types are written. Headers nested deeper than
/// 100 levels are not taken; such a message is parked.
#[derive(Clone, Debug)]
#[must_use = "a sink does nothing until a system has it"]
pub struct SqlSink {
    database: Result<Database, Fault>,
    batch: usize,
}

impl SqlSink {
    /// A sink in the database with this URL: `postgres://user:password@host:5432/database` or
    /// `sqlite:///path/to/file`.
    ///
    /// What is wrong with the URL is reported by `SystemBuilder::build`, together with all other
    /// faults and without a word of it.
    ///
    /// - A password can be left out of the URL: PostgreSQL's is then taken from `PGPASSWORD`, or from the
    ///   file `~/.pgpass`. In a URL, `@`, `/`, `?`, `#`, `%` and commas are written as escapes.
    /// - With PostgreSQL, `?sslmode=verify-full&sslrootcert=/ca.pem` is TLS with a server that is known.
    ///   Without `sslmode` it is `prefer`: whatever the server offers, which may be plain text, and
    ///   nobody asks for its certificate.
    /// - `?options=-csearch_path%3Dops` names a schema other than `public`. Other parameters than
    ///   these and `sslcert`, `sslkey`, `host`, `port`, `dbname`, `user`, `application_name` are refused.
    /// - PostgreSQL's encoding must be UTF8. A pooler that shares a connection between transactions does
    ///   not work.
    /// - A new `SQLite` file can be read and written by this user only; one that is there stays as it is.
    pub fn new(url: impl AsRef<str>) -> Self {
        Self {
            database: Database::parse(url.as_ref()),
            batch: BATCH,
        }
    }

    /// Whether the tables are made if missing, or only looked at: made, by default.
    pub fn migrate(self, migrate: Migrate) -> Self {
        self.with(|database| Database {
            migrate,
            ..database
        })
    }

    /// How long connecting, or one statement, may take: 5 s by default, from 100 ms to 1 min.
    ///
    /// Keep it at half of `SystemBuilder::fail_sink_timeout` or less. Too short, and a database that
    /// is merely slow counts as down. Too long, and messages wait for one that hangs.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|database| Database {
            timeout,
            ..database
        })
    }

    /// How many rows go into one statement at most: 100 by default, from 1 to 1000, and not more than
    /// 16 MiB unless it is a single one. Too few, and a burst of failures is stored slowly; too
    /// many, and each waits for many.
    pub fn batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    fn with(self, change: impl FnOnce(Database) -> Database) -> Self {
        Self {
            database: self.database.map(change),
            ..self
        }
    }
}

impl From<SqlSink> for FailSinkSetup {
    fn from(sink: SqlSink) -> Self {
        let faults = sink.faults();
        Self::new(move || sink.actor()).with_faults(faults)
    }
}

impl SqlSink {
    fn faults(&self) -> Vec<Fault> {
        let database = match &self.database {
            Ok(database) => database.faults(),
            Err(fault) => Some(fault.clone()),
        };
        let batch = (!(1..=BATCH_MAX).contains(&self.batch)).then(|| {
            let accepted = format!("a whole number from 1 to {BATCH_MAX}");
            Fault::new("rows in one statement", self.batch, accepted)
        });
        database.into_iter().chain(batch).collect()
    }

    fn actor(&self) -> SinkActor {
        let (jobs, waiting) = mpsc::unbounded_channel();
        // With a faulty URL the builder lets no system start.
        let writer = self
            .database
            .clone()
            .map(|database| Writer::new(Arc::new(database), waiting, self.batch))
            .ok();
        SinkActor { jobs, writer }
    }
}

/// Hands records to its writer, and the answers back.
struct SinkActor {
    /// Unbounded, because what is in it is bounded by the prefetch of the workers that wait for it.
    jobs: mpsc::UnboundedSender<Job>,
    writer: Option<Writer>,
}

impl Actor for SinkActor {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        if let Some(writer) = self.writer.take() {
            actix::spawn(writer.run());
        }
    }
}

impl Handler<FailedMessage> for SinkActor {
    type Result = ResponseFuture<Result<(), SinkError>>;

    fn handle(&mut self, failed: FailedMessage, ctx: &mut Self::Context) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        let sent = match Row::of(&failed) {
            Ok(row) => self.jobs.send(Job { row, answer }),
            Err(why) => return Box::pin(async move { Err(SinkError::new(why)) }),
        };
        if sent.is_err() {
            // The writer is gone, which only a panic in it can cause: begin anew with another.
            ctx.stop();
        }
        Box::pin(async move {
            let lost = || Err(SinkError::new("the sink's writer was lost"));
            answered.await.unwrap_or_else(|_| lost())
        })
    }
}
