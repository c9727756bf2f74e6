//! Passwords on the command line: everybody on the host can read them there, and a fault of the arguments
//! must not put them into a log as well.

use std::io::Write;

use clap::error::Error;
use garenne::core::secret::may_be_shown;
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

/// What of an argument must not be repeated: the longest first.
fn secrets(argument: &str) -> Vec<String> {
    let parts = [argument, behind_name(argument)];
    let secret = parts
        .into_iter()
        .filter(|part| part.len() >= SHORTEST && !may_be_shown(part));
    secret.map(str::to_owned).collect()
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
    }
}
