//! The URL of a database.
//!
//! The client library takes what it does not know for a warning, and puts the value into it; it takes a
//! part of a password for a database's name. So a URL is read here first, and strictly. Whatever is wrong
//! with it is told without a word of it.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use std::str::FromStr;

#[cfg(feature = "postgres")]
use garenne::core::url::UrlParts;
#[cfg(feature = "postgres")]
use sqlx::postgres::{PgConnectOptions, PgSslMode};
#[cfg(feature = "sqlite")]
use sqlx::sqlite::SqliteConnectOptions;

use super::database::Address;

/// Reads a URL. Gives the database's name too, which may be shown.
pub(super) fn parse(url: &str) -> Result<(Address, String), String> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme);
    match scheme {
        #[cfg(feature = "postgres")]
        Some("postgres" | "postgresql") => postgres(url),
        #[cfg(feature = "sqlite")]
        Some("sqlite") => sqlite(url),
        _ => Err("it begins as no database that this program was built for".to_owned()),
    }
}

#[cfg(feature = "postgres")]
fn postgres(url: &str) -> Result<(Address, String), String> {
    let parts = UrlParts::parse(url).map_err(|why| why.to_string())?;
    for (number, (name, value)) in (1..).zip(&parts.query) {
        if !is_known(name) {
            return Err(format!(
                "parameter {number} of its query is not known; known are `sslmode`, `sslrootcert`, `sslcert`, `sslkey`, \
                 `host`, `hostaddr`, `port`, `dbname`, `user`, `password`, `application_name`, `options` and \
                 `statement-cache-capacity`"
            ));
        }
        if matches!(name.as_str(), "sslmode" | "ssl-mode") && PgSslMode::from_str(value).is_err() {
            return Err(
                "`sslmode` is `disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full`"
                    .to_owned(),
            );
        }
    }
    // What the library says of a value that it cannot read repeats the value.
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| "a part of it, or of its query, cannot be read".to_owned())?;
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("garenne"),
    };
    let place = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let database = options.get_database().unwrap_or(options.get_username());
    let name = format!("PostgreSQL database `{database}` at {place}");
    Ok((Address::Postgres(Box::new(options)), name))
}

/// Whether the client library takes this parameter. It only warns of others.
#[cfg(feature = "postgres")]
fn is_known(parameter: &str) -> bool {
    const KNOWN: [&str; 18] = [
        "sslmode",
        "ssl-mode",
        "sslrootcert",
        "ssl-root-cert",
        "ssl-ca",
        "sslcert",
        "ssl-cert",
        "sslkey",
        "ssl-key",
        "statement-cache-capacity",
        "host",
        "hostaddr",
        "port",
        "dbname",
        "user",
        "password",
        "application_name",
        "options",
    ];
    KNOWN.contains(&parameter) || (parameter.starts_with("options[") && parameter.ends_with(']'))
}

#[cfg(feature = "sqlite")]
fn sqlite(url: &str) -> Result<(Address, String), String> {
    if url.contains('@') || url.contains(char::is_control) {
        return Err(
            "in the path of a file, `@` is written `%40`, and control characters as escapes"
                .to_owned(),
        );
    }
    let options = SqliteConnectOptions::from_str(url).map_err(|_| {
        "its query can be `mode=ro`, `mode=rw` or `mode=rwc`, `cache=private` or `cache=shared`, `immutable` and `vfs`"
            .to_owned()
    })?;
    let file = options.get_filename();
    if file.as_os_str().is_empty() || url.contains(":memory:") || url.contains("mode=memory") {
        return Err("it names no file, and what is in memory is not stored".to_owned());
    }
    let name = format!("SQLite file {}", file.display());
    Ok((Address::Sqlite(Box::new(options)), name))
}

#[cfg(all(test, feature = "postgres", feature = "sqlite"))]
mod tests {
    use proptest::prelude::*;

    use super::super::database::Database;

    /// Stands in every password here, and nowhere else.
    const MARK: &str = "zq7";

    fn told(url: &str) -> String {
        match Database::parse(url) {
            Ok(database) => format!("{database:?} {}", database.name),
            Err(fault) => format!("{fault} {fault:?}"),
        }
    }

    #[test]
    fn a_url_is_refused_without_repeating_any_of_it() {
        for (url, why) in [
            ("postgres://app:/zq7@db/x", "`%2F`"),
            ("postgres://app:12/zq7@db/x", "`%2F`"),
            ("postgres://app:zq7", "is the host missing"),
            (
                "postgres://app@db/x?sslpassword=zq7",
                "parameter 1 of its query is not known",
            ),
            (
                "postgres://app@db/x?sslmode=disable&pasword=zq7",
                "parameter 2 of its query is not known",
            ),
            ("postgres://app@db/x?zq7", "is not known"),
            ("postgres://app@db/x?sslmode=zq7", "`verify-full`"),
            ("postgres://app@db/x?port=zq7", "cannot be read"),
            (
                "postgres://app@db/x?statement-cache-capacity=zq7",
                "cannot be read",
            ),
            ("sqlite:///x?key=zq7", "`mode=ro`"),
            ("sqlite:///x?mode=zq7", "`mode=ro`"),
            ("sqlite://app:zq7@db/x", "`%40`"),
            ("zq7:x", "no database"),
            ("mysql://app:zq7@db/x", "no database"),
        ] {
            assert!(Database::parse(url).is_err(), "{url}");
            let told = told(url);
            assert!(told.contains(why) && !told.contains(MARK), "{url}: {told}");
        }
    }

    #[test]
    fn what_people_write_is_accepted() {
        for (url, name) in [
            (
                "postgres://app:p%40ss@db.example:5433/shop?sslmode=verify-full&sslrootcert=/ca.pem",
                "`shop` at db.example:5433",
            ),
            (
                "postgresql://app@db/shop?options[search_path]=x",
                "`shop` at db:",
            ),
            ("postgres://app@%2Frun%2Fpg/shop", "`shop` at /run/pg"),
            ("postgres:///shop?host=/run/pg", "`shop` at /run/pg"),
            (
                "sqlite:///var/lib/failed.db",
                "SQLite file /var/lib/failed.db",
            ),
            ("sqlite:failed.db?mode=ro", "SQLite file failed.db"),
        ] {
            let told = told(url);
            assert!(told.contains(name), "{url}: {told}");
        }
    }

    proptest! {
        #[test]
        fn a_password_is_in_no_text_however_it_was_written(
            first in prop::sample::select(vec!["", MARK, "1", "12"]),
            parts in prop::collection::vec("[@:/?#\\[\\]%,; &=+\\\\\"'a-z]", 1..6),
            behind in prop::sample::select(vec!["@db/shop", "@db:x/shop", "@db/shop?sslmode=x", "@db", ""]),
        ) {
            let parts = parts.iter().map(|part| format!("{part}{MARK}"));
            let password = parts.fold(first.to_owned(), |all, part| all + &part);
            // Without the host, a password with an `@` names one.
            if !behind.is_empty() || !password.contains('@') && password.starts_with(|c: char| !c.is_ascii_digit()) {
                let told = told(&format!("postgres://app:{password}{behind}"));
                prop_assert!(!told.contains(MARK), "{told}");
            }
        }
    }
}
