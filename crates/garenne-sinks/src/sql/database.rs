//! Which database, and how to talk to it.

use std::fmt;
use std::time::Duration;

use garenne::core::Fault;
#[cfg(feature = "postgres")]
use sqlx::postgres::PgConnectOptions;
#[cfg(feature = "sqlite")]
use sqlx::sqlite::SqliteConnectOptions;
use tokio::time::timeout;

use super::address;
use super::error::SqlError;
use super::session::Session;

/// How long connecting or one statement may take, unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
const TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// What is done about the tables when a connection is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Migrate {
    /// Make them, or bring them up to date; the default. Only what is missing is done, in one
    /// transaction, and any number of services may start at once. It takes the right to create
    /// tables only where something is missing. An `SQLite` file that does not exist is made.
    #[default]
    Apply,
    /// Only look whether they are as they must be, and say so if not: for a service that may not
    /// create tables. The SQL to apply by hand is [`SqlStore::schema`](crate::SqlStore::schema).
    Verify,
}

/// What sort of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Postgres,
    Sqlite,
}

#[derive(Clone)]
pub(super) enum Address {
    #[cfg(feature = "postgres")]
    Postgres(Box<PgConnectOptions>),
    #[cfg(feature = "sqlite")]
    Sqlite(Box<SqliteConnectOptions>),
}

/// A database and how to talk to it. Its `Debug` names it and leaves credentials out.
#[derive(Clone)]
pub(super) struct Database {
    pub(super) address: Address,
    pub(super) name: String,
    pub(super) timeout: Duration,
    pub(super) migrate: Migrate,
}

impl Database {
    /// Reads a URL. What is wrong with it is told without quoting it: it holds a password.
    pub(super) fn parse(url: &str) -> Result<Self, Fault> {
        let (address, name) = address::parse(url).map_err(|why| {
            Fault::hidden(
                "database URL",
                format!(
                    "`postgres://user:password@host:5432/database` or `sqlite:///path/to/file` ({why})"
                ),
            )
        })?;
        Ok(Self {
            address,
            name,
            timeout: TIMEOUT,
            migrate: Migrate::default(),
        })
    }

    pub(super) fn faults(&self) -> Option<Fault> {
        let is_in_bounds = (TIMEOUT_MIN..=TIMEOUT_MAX).contains(&self.timeout);
        (!is_in_bounds).then(|| {
            Fault::new(
                "database timeout",
                humantime::format_duration(self.timeout),
                "from 100ms to 1m",
            )
        })
    }

    pub(super) fn kind(&self) -> Kind {
        match self.address {
            #[cfg(feature = "postgres")]
            Address::Postgres(_) => Kind::Postgres,
            #[cfg(feature = "sqlite")]
            Address::Sqlite(_) => Kind::Sqlite,
        }
    }

    /// Connects and sees to the tables, in time.
    pub(super) async fn connect(&self) -> Result<Box<dyn Session>, SqlError> {
        let connected = timeout(self.timeout, self.connect_in_peace()).await;
        connected.unwrap_or_else(|_| Err(SqlError::timeout(&self.name, self.timeout)))
    }

    async fn connect_in_peace(&self) -> Result<Box<dyn Session>, SqlError> {
        let mut session = self.open().await.map_err(|e| self.error(&e))?;
        super::migrate::migrate(&mut *session, self).await?;
        Ok(session)
    }

    async fn open(&self) -> Result<Box<dyn Session>, sqlx::Error> {
        match &self.address {
            #[cfg(feature = "postgres")]
            Address::Postgres(options) => Ok(Box::new(
                super::postgres::open(options, self.server_timeout()).await?,
            )),
            #[cfg(feature = "sqlite")]
            Address::Sqlite(options) => {
                let options = options.as_ref().clone();
                Ok(Box::new(
                    super::sqlite::open(options, self.migrate, self.server_timeout()).await?,
                ))
            }
        }
    }

    /// The database gives up before we do: then it is certain that nothing was stored.
    fn server_timeout(&self) -> Duration {
        self.timeout * 4 / 5
    }

    pub(super) fn error(&self, error: &sqlx::Error) -> SqlError {
        SqlError::of(self.kind(), &self.name, error)
    }

    /// What `run` gives, in time.
    pub(super) async fn in_time<T>(
        &self,
        run: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, SqlError> {
        match timeout(self.timeout, run).await {
            Ok(result) => result.map_err(|e| self.error(&e)),
            Err(_) => Err(SqlError::timeout(&self.name, self.timeout)),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .field("migrate", &self.migrate)
            .finish_non_exhaustive()
    }
}
