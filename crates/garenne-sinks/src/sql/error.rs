//! What went wrong with a database, for whoever has to mend it.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use garenne::failed::{StoreError, StoreErrorKind};
use sqlx::Error;

use super::database::Kind;

/// Whose fault it is, which decides what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The connection, the server, its load: try again.
    Unreachable,
    /// Rights, names, a full disk, the schema: somebody must change something, then it works.
    Refused,
    /// This very record. Others may be stored.
    Record,
}

/// A failure of the database: what, on which, and what to do about it.
#[derive(Clone, Debug)]
pub(super) struct SqlError {
    pub(super) blame: Blame,
    /// The connection was cut, perhaps long ago: a new one may work at once.
    pub(super) is_cut: bool,
    text: String,
}

impl SqlError {
    pub(super) fn refused(text: impl Into<String>) -> Self {
        Self::new(Blame::Refused, text)
    }

    fn new(blame: Blame, text: impl Into<String>) -> Self {
        Self {
            blame,
            is_cut: false,
            text: text.into(),
        }
    }

    pub(super) fn timeout(name: &str, timeout: Duration) -> Self {
        let timeout = humantime::format_duration(timeout);
        Self::new(
            Blame::Unreachable,
            format!(
                "{name}: no answer within {timeout}; is it overloaded, is the table locked, is the network up?"
            ),
        )
    }

    /// What the client library says, told apart.
    pub(super) fn of(kind: Kind, name: &str, error: &Error) -> Self {
        let Error::Database(refusal) = error else {
            return Self::of_client(name, error);
        };
        let code = refusal.code().unwrap_or_default();
        let (blame, advice) = match kind {
            Kind::Postgres => postgres(&code),
            Kind::Sqlite => sqlite(&code),
        };
        let message = refusal.message();
        let advice = if advice.is_empty() {
            String::new()
        } else {
            format!("; {advice}")
        };
        Self {
            // An administrator's or a crash's farewell (57P01, 57P02): the next connection may work.
            is_cut: code.starts_with("57P0") && code != "57P03",
            ..Self::new(blame, format!("{name}: {message} (code {code}){advice}"))
        }
    }

    /// What went wrong before the database could say anything.
    fn of_client(name: &str, error: &Error) -> Self {
        let (blame, advice) = match error {
            Error::Configuration(_) => (Blame::Refused, ""),
            Error::Tls(_) => (
                Blame::Refused,
                "; check sslmode and sslrootcert in the URL, and the server's certificate",
            ),
            _ => (
                Blame::Unreachable,
                "; is the server running, and are host and port right?",
            ),
        };
        let is_cut = matches!(
            error,
            Error::Io(_) | Error::WorkerCrashed | Error::Protocol(_)
        );
        Self {
            is_cut,
            ..Self::new(blame, format!("{name}: {error}{advice}"))
        }
    }

    pub(super) fn into_store_error(self, doing: &str) -> StoreError {
        let kind = match self.blame {
            Blame::Unreachable => StoreErrorKind::Unreachable,
            Blame::Refused => StoreErrorKind::Refused,
            Blame::Record => StoreErrorKind::NotStored,
        };
        StoreError::new(kind, format_args!("{doing}: {}", self.text))
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// PostgreSQL's codes are of five characters, of which the first two are the class.
fn postgres(code: &str) -> (Blame, &'static str) {
    match code {
        "28P01" | "28000" => (
            Blame::Refused,
            "check user and password in the URL, and the server's pg_hba.conf",
        ),
        "3D000" => (
            Blame::Refused,
            "create the database, or correct its name in the URL",
        ),
        "42P01" | "42703" | "3F000" => (Blame::Refused, MIGRATE),
        "42501" => (
            Blame::Refused,
            "grant the user SELECT, INSERT and DELETE on failed_messages and SELECT on garenne_schema; CREATE on the \
             schema too if this service is to make them",
        ),
        "25006" => (
            Blame::Refused,
            "the server is a standby or read-only; name the primary in the URL",
        ),
        "57014" | "55P03" => (
            Blame::Unreachable,
            "it took too long; is the table locked or the server overloaded?",
        ),
        "53300" => (
            Blame::Unreachable,
            "raise the server's max_connections, or run fewer clients",
        ),
        "53100" => (Blame::Refused, "free space on the server's disk"),
        _ => match code.get(..2).unwrap_or_default() {
            // Data, constraint, limit of the program: a matter of what is stored.
            "22" | "23" | "54" => (Blame::Record, ""),
            "08" | "40" | "53" | "55" | "57" | "58" | "XX" => (Blame::Unreachable, ""),
            _ => (Blame::Refused, ""),
        },
    }
}

/// The database's own code for an error, if it is the database that has said so.
pub(super) fn code(error: &Error) -> Option<Cow<'_, str>> {
    error.as_database_error().and_then(|error| error.code())
}

/// Whether another program holds the `SQLite` file.
#[cfg(feature = "sqlite")]
pub(super) fn is_held(error: &Error) -> bool {
    code(error).is_some_and(|code| sqlite_sort(&code) == SQLITE_BUSY)
}

const SQLITE_BUSY: u32 = 5;

/// `SQLite`'s codes are numbers, of which the lowest byte says the sort.
fn sqlite_sort(code: &str) -> u32 {
    code.parse::<u32>().map_or(0, |code| code & 0xff)
}

fn sqlite(code: &str) -> (Blame, &'static str) {
    match sqlite_sort(code) {
        SQLITE_BUSY | 6 => (
            Blame::Unreachable,
            "another program holds the file; does it keep a transaction open?",
        ),
        8 => (
            Blame::Refused,
            "the file or its folder is read-only for this user",
        ),
        10 => (Blame::Unreachable, "look at the disk"),
        11 | 26 => (
            Blame::Refused,
            "this is no intact SQLite file; name another one, or mend it",
        ),
        13 => (Blame::Refused, "free space on the disk"),
        14 => (
            Blame::Refused,
            "is the path right, and may this user write there? Only a service makes a file that is not there, and \
             nobody its folder",
        ),
        1 => (Blame::Refused, MIGRATE),
        18 | 19 | 20 | 25 => (Blame::Record, ""),
        _ => (Blame::Unreachable, ""),
    }
}

/// What to do about a schema that is not there, or not as it must be.
pub(super) const MIGRATE: &str = "the tables are missing or older than this program: let one service apply them \
                                  (`Migrate::Apply`, the default), or apply the SQL of `SqlStore::schema` by hand";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_fault_it_is_decides_what_happens_next() {
        let cases = [
            (postgres("28P01"), Blame::Refused),
            (postgres("22021"), Blame::Record),
            (postgres("54000"), Blame::Record),
            (postgres("08006"), Blame::Unreachable),
            (postgres("57P03"), Blame::Unreachable),
            (postgres("42P01"), Blame::Refused),
            (postgres(""), Blame::Refused),
            (sqlite("5"), Blame::Unreachable),
            (sqlite("517"), Blame::Unreachable),
            (sqlite("8"), Blame::Refused),
            (sqlite("1032"), Blame::Refused),
            (sqlite("13"), Blame::Refused),
            (sqlite("18"), Blame::Record),
        ];
        for (n, ((blame, _), expected)) in cases.into_iter().enumerate() {
            assert_eq!(blame, expected, "case {n}");
        }
    }
}
