//! The task that owns the connection: it gathers what waits, and stores it.

use std::sync::Arc;
use std::time::Instant;

use garenne::SinkError;
use garenne::core::Backoff;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::database::Database;
use super::error::SqlError;
use super::insert::{BATCH_BYTES, store};
use super::row::Row;
use super::session::Session;

/// A row, and who waits for it to be stored.
pub(super) struct Job {
    pub(super) row: Row,
    pub(super) answer: oneshot::Sender<Result<(), SinkError>>,
}

impl Job {
    /// Whoever waited may have given up; the record is then in the parking queue.
    fn refuse(self, error: &SqlError) {
        let _gone = self.answer.send(Err(SinkError::new(error)));
    }
}

/// Owns the only connection of a sink. While there is none, it turns everything away at once, so that
/// no message waits for a database that is known to be down.
pub(super) struct Writer {
    database: Arc<Database>,
    jobs: mpsc::UnboundedReceiver<Job>,
    batch: usize,
    backoff: Backoff,
    trouble: Option<Trouble>,
}

/// Why there is no connection, and since when.
struct Trouble {
    error: SqlError,
    since: Instant,
    turned_away: u64,
}

/// Nobody can ask for anything any more.
struct Ended;

impl Writer {
    pub(super) fn new(
        database: Arc<Database>,
        jobs: mpsc::UnboundedReceiver<Job>,
        batch: usize,
    ) -> Self {
        Self {
            database,
            jobs,
            batch,
            backoff: Backoff::default(),
            trouble: None,
        }
    }

    /// Connects at once, so that trouble is told within seconds of the start and not by the first
    /// message that fails at night.
    pub(super) async fn run(mut self) {
        while let Ok(session) = self.connect().await {
            match self.serve(session).await {
                Ok(error) => self.note(error),
                Err(Ended) => return,
            }
            if self.pause().await.is_err() {
                return;
            }
        }
    }

    /// Tries until there is a connection.
    async fn connect(&mut self) -> Result<Box<dyn Session>, Ended> {
        loop {
            let database = Arc::clone(&self.database);
            // At the start nothing is known yet: who comes then waits for the first attempt.
            let attempt = match &self.trouble {
                None => database.connect().await,
                Some(_) => self.meanwhile(database.connect()).await?,
            };
            match attempt {
                Ok(session) => {
                    self.recovered();
                    return Ok(session);
                }
                Err(error) => self.note(error),
            }
            self.pause().await?;
        }
    }

    /// Stores what comes until that fails; says why it did.
    async fn serve(&mut self, mut session: Box<dyn Session>) -> Result<SqlError, Ended> {
        loop {
            let Some(first) = self.jobs.recv().await else {
                let _goodbye = self.database.in_time(session.close()).await;
                return Err(Ended);
            };
            let (rows, answers) = self.gather(first);
            let mut stored = store(&mut *session, &self.database, &rows).await;
            // The connection may have been dead for hours. The rows have keys, so trying twice
            // stores them once.
            if stored.as_ref().is_err_and(|error| error.is_cut) {
                stored = match self.database.connect().await {
                    Ok(new) => {
                        session = new;
                        store(&mut *session, &self.database, &rows).await
                    }
                    Err(error) => Err(error),
                };
            }
            match stored {
                Ok((results, new)) => {
                    debug!(
                        event = "fail_store_stored",
                        rows = rows.len(),
                        new,
                        "stored"
                    );
                    self.backoff.reset();
                    for (answer, result) in answers.into_iter().zip(results) {
                        let _gone = answer.send(result.map_err(SinkError::new));
                    }
                }
                Err(error) => {
                    for answer in answers {
                        let _gone = answer.send(Err(SinkError::new(&error)));
                    }
                    return Ok(error);
                }
            }
        }
    }

    /// What waits, up to a batch. What nobody waits for any more is parked already.
    fn gather(&mut self, first: Job) -> (Vec<Row>, Vec<oneshot::Sender<Result<(), SinkError>>>) {
        let mut bytes = first.row.size();
        let (mut rows, mut answers) = (vec![first.row], vec![first.answer]);
        while rows.len() < self.batch && bytes < BATCH_BYTES {
            let Ok(job) = self.jobs.try_recv() else {
                break;
            };
            if !job.answer.is_closed() {
                bytes += job.row.size();
                rows.push(job.row);
                answers.push(job.answer);
            }
        }
        (rows, answers)
    }

    async fn pause(&mut self) -> Result<(), Ended> {
        let pause = self.backoff.next(fastrand::f64());
        self.meanwhile(sleep(pause)).await
    }

    /// Does something, and turns away whoever comes meanwhile.
    async fn meanwhile<T>(&mut self, run: impl Future<Output = T>) -> Result<T, Ended> {
        tokio::pin!(run);
        loop {
            tokio::select! {
                biased;
                done = &mut run => return Ok(done),
                job = self.jobs.recv() => {
                    let job = job.ok_or(Ended)?;
                    if let Some(trouble) = &mut self.trouble {
                        trouble.turned_away += 1;
                        job.refuse(&trouble.error);
                    }
                }
            }
        }
    }

    /// Tells once what is wrong; and again when it is something else.
    fn note(&mut self, error: SqlError) {
        let known = self.trouble.as_ref().map(|t| t.error.to_string());
        if known.as_deref() == Some(error.to_string().as_str()) {
            debug!(event = "fail_store_down", %error, "still no database for failed messages");
        } else {
            warn!(event = "fail_store_down", %error, "no database for failed messages; they are parked on the broker meanwhile");
        }
        match &mut self.trouble {
            Some(trouble) => trouble.error = error,
            None => {
                self.trouble = Some(Trouble {
                    error,
                    since: Instant::now(),
                    turned_away: 0,
                });
            }
        }
    }

    fn recovered(&mut self) {
        let database = self.database.name.as_str();
        match self.trouble.take() {
            None => {
                info!(event = "fail_store_ready", %database, "failed messages go to the database");
            }
            Some(trouble) => info!(
                event = "fail_store_up",
                %database,
                down_ms = u64::try_from(trouble.since.elapsed().as_millis()).unwrap_or(u64::MAX),
                turned_away = trouble.turned_away,
                "the database is back; what was parked meanwhile can be moved into it with `garenne failed import`"
            ),
        }
    }
}
