//! Passwords on the command line: everybody on the host can read them there, and a fault of the arguments
//! must not put them into a log as well.

use std::io::Write;
use std::path::Path;

use clap::error::Error;
use garenne::core::secret::{may_be_shown, quoted};
use garenne::core::url::UrlParts;

use crate::exit::say;
use crate::output::{clean, clean_lines};

/// What stands for an argument that may hold a password.
const HIDDEN: &str = "(not shown)";

/// Shorter arguments hold no secret, and replacing them would spoil other words.
const SHORTEST: usize = 4;

/// Warns if an argument is a URL with a password.
pub(crate) fn warn_of_passwords() {
    if arguments().any(|argument| has_password(behind_name(&argument))) {
        say(
            "garenne: warning: everybody on this host can read a password on a command line; put the URL into AMQP_URL or \
             GARENNE_DATABASE, or PostgreSQL's password into PGPASSWORD",
        );
    }
}

/// Tells of a fault of the arguments. Help and the version, which are no faults, go to standard output.
pub(crate) fn tell(error: &Error) {
    let hidden: Vec<String> = arguments()
        .flat_map(|argument| secrets(&argument))
        .collect();
    if !error.use_stderr() {
        let _ = error.print();
        return;
    }
    let steers = arguments().any(|argument| clean(&argument) != argument);
    let text = if steers {
        // Its colours would be escaped with what the argument has of them.
        clean_lines(&error.render().to_string())
    } else {
        error.render().ansi().to_string()
    };
    // Nobody is left to be told that nobody is left.
    let _ = write!(anstream::stderr(), "{}", without(&text, &hidden));
}

fn arguments() -> impl Iterator<Item = String> {
    let arguments = std::env::args_os().skip(1);
    arguments.map(|argument| argument.to_string_lossy().into_owned())
}

fn has_password(argument: &str) -> bool {
    if !argument.contains("://") {
        return false;
    }
    match UrlParts::parse(argument) {
        // RabbitMQ's own default is no secret.
        Ok(parts) if parts.password.as_deref() == Some("guest") => false,
        Ok(parts) => {
            parts.password.is_some() || parts.query.iter().any(|(name, _)| name == "password")
        }
        // A list, or a password that is not escaped.
        Err(_) => argument.contains('@'),
    }
}

/// The value of `--name=value`, or the argument.
fn behind_name(argument: &str) -> &str {
    let is_option = argument.starts_with('-');
    let value = argument.split_once('=').filter(|_| is_option);
    value.map_or(argument, |(_, value)| value)
}

/// What of an argument must not be repeated, as it is and as it is cleaned: the longest first. Of an
/// unknown option, a fault repeats the part before the first `=`.
fn secrets(argument: &str) -> Vec<String> {
    let before = argument.split_once('=').map_or(argument, |(name, _)| name);
    let parts = [argument, behind_name(argument), before];
    let secret = parts
        .into_iter()
        .filter(|part| part.len() >= SHORTEST && !may_be_shown(part));
    let written = |part: &str| [part.to_owned(), clean_lines(part), clean(part)];
    secret.flat_map(written).collect()
}

/// A file in a text for people. Somebody may have given a URL in its place.
pub(crate) fn file_name(path: &Path) -> String {
    let text = clean(&path.to_string_lossy());
    let is_path = ["/", "./", "../", "~/"]
        .iter()
        .any(|start| text.starts_with(start));
    if is_path && !text.contains("://") {
        format!("`{text}`")
    } else {
        quoted(&text)
    }
}

fn without(text: &str, hidden: &[String]) -> String {
    hidden.iter().fold(text.to_owned(), |text, secret| {
        text.replace(secret.as_str(), HIDDEN)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_seen_in_whatever_argument_it_stands() {
        for argument in [
            "amqp://app:s3cret@mq",
            "--url=amqp://app:s3cret@mq",
            "--database=postgres://app:s3/cret@db/x",
            "postgres://db/x?user=app&password=s3cret",
            "amqp://app:s3cret@mq-1,amqp://app:s3cret@mq-2",
        ] {
            assert!(has_password(behind_name(argument)), "{argument}");
        }
        for argument in [
            "--url",
            "amqp://mq",
            "postgres://app@db/x",
            "amqp://guest:guest@localhost",
            "error~a@b",
            "x=a://b",
        ] {
            assert!(!has_password(behind_name(argument)), "{argument}");
        }
    }

    #[test]
    fn an_argument_that_may_hold_a_password_is_not_repeated() {
        let hidden = secrets("--ulr=amqp://app:s3cret@mq");
        let text = without(
            "unexpected '--ulr' in '--ulr=amqp://app:s3cret@mq', value 'amqp://app:s3cret@mq'",
            &hidden,
        );
        assert_eq!(
            text,
            "unexpected '--ulr' in '(not shown)', value '(not shown)'"
        );
        assert!(secrets("--queue").is_empty());
        // A fault repeats an argument as it is cleaned, and an unknown option up to its `=`.
        for argument in [
            "amqp://app:s3cret@h/v\r",
            "amqp://app:s3cret@h/v\u{200b}",
            "--databasepostgres://app:s3cret@h/d?sslmode=disable",
        ] {
            let cut = argument.split_once('=').map_or(argument, |(name, _)| name);
            for text in [argument, cut] {
                let fault = format!("unexpected argument '{}' found", clean_lines(text));
                let told = without(&fault, &secrets(argument));
                assert!(!told.contains("s3cret"), "{told}");
            }
        }
    }

    #[test]
    fn a_url_in_the_place_of_a_file_is_not_repeated() {
        let told = |text: &str| file_name(Path::new(text));
        assert_eq!(told("failed.jsonl"), "`failed.jsonl`");
        let deep = format!("/{}", "folder/".repeat(40));
        assert_eq!(told(&deep), format!("`{deep}`"));
        for url in ["postgres://app:s3cret@db/x", "./amqp://app:s3cret@h"] {
            assert!(!told(url).contains("s3cret"), "{}", told(url));
        }
    }
}
