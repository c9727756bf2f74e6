//! The tables: made, brought up to date, or only looked at.
//!
//! The library's own migrations are not used: their table of versions is the one of the user's
//! migrations too, and each would find the other's unknown.

use super::database::{Database, Kind, Migrate};
use super::error::{MIGRATE, SqlError, code};
use super::session::Session;

/// Each step is run once, in this order, and never changes once released.
const POSTGRES: [&str; 1] = [include_str!(
    "../../migrations/postgres/0001_failed_messages.sql"
)];
const SQLITE: [&str; 1] = [include_str!(
    "../../migrations/sqlite/0001_failed_messages.sql"
)];

const VERSION: &str =
    "SELECT CAST(version AS bigint) FROM garenne_schema WHERE part = 'failed_messages'";

const TABLE_OF_VERSIONS: &str = "CREATE TABLE IF NOT EXISTS garenne_schema \
                                 (part text PRIMARY KEY, version integer NOT NULL)";

fn steps(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Postgres => &POSTGRES,
        Kind::Sqlite => &SQLITE,
    }
}

/// Sees to it that the tables are as this program needs them, in the way that was chosen.
pub(super) async fn migrate(
    session: &mut dyn Session,
    database: &Database,
) -> Result<(), SqlError> {
    let steps = steps(database.kind());
    let wanted = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let found = match session.number(VERSION).await {
        Ok(version) => version.unwrap_or(0),
        Err(error) if is_missing(&error) => 0,
        Err(error) => return Err(database.error(&error)),
    };
    if found < wanted && database.migrate == Migrate::Apply {
        let applied = apply(session, steps).await;
        if let Err(error) = applied {
            // It may be the connection that is gone, and a lost transaction is rolled back anyway.
            let _ignored = session.run("ROLLBACK").await;
            return Err(database.error(&error));
        }
    } else if found < wanted {
        let name = &database.name;
        let why = format!("{name}: the schema has version {found}, {wanted} is needed; {MIGRATE}");
        return Err(SqlError::refused(why));
    }
    // A newer schema has these columns too, or else a newer program would not share it.
    let columns = super::row::COLUMNS;
    let look =
        format!("SELECT id FROM (SELECT id, {columns} FROM failed_messages) AS seen WHERE id < 0");
    match session.number(&look).await {
        Ok(_) => Ok(()),
        Err(error) => Err(database.error(&error)),
    }
}

/// Whether a table is not there: nobody has migrated yet.
fn is_missing(error: &sqlx::Error) -> bool {
    // `SQLite` has no other code for it than 1, "error".
    code(error).is_some_and(|code| matches!(&*code, "42P01" | "1"))
}

async fn apply(session: &mut dyn Session, steps: &[&str]) -> Result<(), sqlx::Error> {
    session.begin_alone().await?;
    session.run(TABLE_OF_VERSIONS).await?;
    // Somebody else may have been quicker.
    let found = session.number(VERSION).await?.unwrap_or(0);
    for step in &steps[usize::try_from(found).unwrap_or(0).min(steps.len())..] {
        session.run(step).await?;
    }
    session.run(&set_version(steps.len())).await?;
    session.run("COMMIT").await
}

fn set_version(version: usize) -> String {
    format!(
        "INSERT INTO garenne_schema (part, version) VALUES ('failed_messages', {version}) \
         ON CONFLICT (part) DO UPDATE SET version = excluded.version"
    )
}

/// Everything that [`apply`] does, for people.
pub(super) fn script(kind: Kind) -> String {
    let steps = steps(kind);
    let (steps, version) = (steps.join("\n"), set_version(steps.len()));
    format!("BEGIN;\n{TABLE_OF_VERSIONS};\n{steps}\n{version};\nCOMMIT;\n")
}
