//! The command line.

use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;

use garenne_broker::{Broker, BrokerBuilder};

pub(crate) const USAGE: &str = "\
An AMQP 0-9-1 broker in memory, for first runs and tests. Not a production broker: RabbitMQ is.

usage: garenne-broker [OPTIONS]

Prints its URL when it can be connected to, and serves until ctrl-c or SIGTERM.

  --port PORT              port to listen on; default 0, any that is free
  --address ADDRESS        loopback address to listen on; default 127.0.0.1
  --user NAME              the only user; default guest
  --password PASSWORD      the user's password; default guest
  --vhost NAME             one more virtual host beside /; may be given several times
  --heartbeat SECONDS      heartbeat proposed to clients, 0 for none; default 60
  --frame-max BYTES        largest frame, 4096 or more; default 131072
  --channel-max N          channels per connection, 1 or more; default 2047
  --introduce-as PRODUCT/VERSION
                           what it calls itself to clients; default RabbitMQ/4.0.5
  --max-message-size BYTES largest body; default 16777216
  --consumer-timeout SECONDS
                           how long a delivery may wait for its ack; default for ever
  -h, --help               print this
  -V, --version            print the version

exit codes: 0 stopped on request, 1 cannot serve, 64 wrong usage";

/// What the command line asks for.
pub(crate) enum Asked {
    Help,
    Version,
    Serve(Box<BrokerBuilder>),
}

/// Reads the command line, without the program's name.
pub(crate) fn read(arguments: impl Iterator<Item = OsString>) -> Result<Asked, String> {
    let mut arguments = arguments.map(|argument| {
        let wrong = |argument: OsString| format!("{argument:?} is not UTF-8");
        argument.into_string().map_err(wrong)
    });
    let mut builder = Broker::builder();
    let (mut user, mut password) = ("guest".to_owned(), "guest".to_owned());
    while let Some(argument) = arguments.next() {
        let argument = argument?;
        let (option, attached) = match argument.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value.to_owned())),
            _ => (argument.as_str(), None),
        };
        if let ("-h" | "--help" | "-V" | "--version", None) = (option, &attached) {
            let help = option.trim_start_matches('-').starts_with('h');
            return Ok(if help { Asked::Help } else { Asked::Version });
        }
        let mut text = || match attached.clone() {
            Some(value) => Ok(value),
            None => arguments
                .next()
                .unwrap_or_else(|| Err(format!("{option} needs a value"))),
        };
        builder = match option {
            "--port" => builder.port(number(option, "a port", &text()?)?),
            "--address" => builder.address(number(option, "an IP address", &text()?)?),
            "--vhost" => builder.vhost(text()?),
            "--heartbeat" => builder.heartbeat(seconds(option, &text()?)?),
            "--frame-max" => builder.frame_max(number(option, "a number of bytes", &text()?)?),
            "--channel-max" => builder.channel_max(number(option, "1 to 65535", &text()?)?),
            "--max-message-size" => {
                builder.max_message_size(number(option, "a number of bytes", &text()?)?)
            }
            "--consumer-timeout" => builder.consumer_timeout(seconds(option, &text()?)?),
            "--introduce-as" => match text()?.split_once('/') {
                Some((product, version)) => builder.introduce_as(product, version),
                None => return Err("--introduce-as must be a product and a version".to_owned()),
            },
            "--user" => {
                user = text()?;
                builder
            }
            "--password" => {
                password = text()?;
                builder
            }
            // It may be anything, a password too: only what looks like an option is repeated.
            _ if is_name(option) => return Err(format!("unknown argument `{option}`")),
            _ => return Err("unknown argument (not shown)".to_owned()),
        };
    }
    Ok(Asked::Serve(Box::new(builder.credentials(user, password))))
}

fn number<T: FromStr>(option: &str, what: &str, value: &str) -> Result<T, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let wrong = |_| match value.len() <= 20 && value.chars().all(is_plain) {
        true => format!("{option} is `{value}`; it must be {what}"),
        false => format!("{option} must be {what}; its value is not shown"),
    };
    value.parse().map_err(wrong)
}

fn is_name(option: &str) -> bool {
    let name = option.strip_prefix("--").unwrap_or_default();
    let is_part = |c: char| c.is_ascii_lowercase() || c == '-';
    (1..=20).contains(&name.len()) && name.chars().all(is_part)
}

fn seconds(option: &str, value: &str) -> Result<Duration, String> {
    number(option, "a number of seconds", value).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(arguments: &[&str]) -> String {
        match read(arguments.iter().map(OsString::from)) {
            Err(wrong) => wrong,
            Ok(_) => panic!("{arguments:?} was accepted"),
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_value_and_what_it_must_be() {
        for (arguments, expected) in [
            (
                &["--port", "65536"][..],
                "--port is `65536`; it must be a port",
            ),
            (&["--port"], "--port needs a value"),
            (&["--port="], "--port is ``; it must be a port"),
            (
                &["--heartbeat", "-1"],
                "--heartbeat is `-1`; it must be a number of seconds",
            ),
            (
                &["--address", "localhost"],
                "--address is `localhost`; it must be an IP address",
            ),
            (
                &["--introduce-as", "RabbitMQ"],
                "--introduce-as must be a product and a version",
            ),
            (&["5672"], "unknown argument (not shown)"),
            (&["--help=yes"], "unknown argument `--help`"),
            (&["amqp://app:s3cret@h"], "unknown argument (not shown)"),
            (&["--passwordS3cret"], "unknown argument (not shown)"),
            (
                &["--heartbeat", "amqp://app:s3cret@h"],
                "--heartbeat must be a number of seconds; its value is not shown",
            ),
        ] {
            assert_eq!(wrong(arguments), expected);
        }
    }

    #[test]
    fn help_and_version_are_given_also_among_other_options() {
        let asked = |argument: &str| read(["--port", "1", argument].iter().map(OsString::from));
        assert!(matches!(asked("-h"), Ok(Asked::Help)));
        assert!(matches!(asked("--help"), Ok(Asked::Help)));
        assert!(matches!(asked("--version"), Ok(Asked::Version)));
    }
}
