//! The parameters in the query of a broker's URL.
//!
//! RabbitMQ's clients have different parameters, and some concern security. So each parameter is understood
//! or refused; none is ignored.

use std::path::PathBuf;
use std::str::FromStr;

use lapin::uri::SASLMechanism;

use super::address::TlsFiles;

/// The default heartbeat, in seconds. Without it the server's 60 s would apply, and a dead peer would be
/// found only after 120 s.
const HEARTBEAT_SECONDS: u16 = 10;

/// The longest connect, in milliseconds: half of the default outage window.
const CONNECT_MAX: u64 = 60_000;

/// The smallest frame size that AMQP allows, in bytes.
const FRAME_MIN: u32 = 4096;

/// Parameters for `amqps://` only.
const OF_TLS: [&str; 5] = [
    "cacertfile",
    "certfile",
    "keyfile",
    "verify",
    "server_name_indication",
];

const KNOWN: &str = "known are `heartbeat`, `connection_timeout`, `channel_max`, `frame_max`, `auth_mechanism` and, for \
                     `amqps://`, `cacertfile`, `certfile`, `keyfile`, `verify` and `server_name_indication`";

/// Parameters of other clients, and advice about each.
const OF_OTHERS: [(&str, &str); 17] = [
    ("channelMax", "write `channel_max`"),
    ("frameMax", "write `frame_max`"),
    ("cafile", "write `cacertfile`"),
    ("ssl", "write `amqps://`"),
    (
        "ssl_options",
        "write `amqps://`, and `cacertfile`, `certfile` and `keyfile`",
    ),
    ("no_verify_ssl", "name the broker's CA with `cacertfile`"),
    (
        "fail_if_no_peer_cert",
        "leave it out: the broker decides it",
    ),
    ("depth", "leave it out"),
    (
        "password",
        "leave it out, and name a key that is not encrypted",
    ),
    (
        "socket_timeout",
        "write `connection_timeout`, in milliseconds",
    ),
    ("timeout", "write `connection_timeout`, in milliseconds"),
    (
        "blocked_connection_timeout",
        "leave it out: a broker that blocks is waited for",
    ),
    (
        "connection_attempts",
        "leave it out: the outage window says how long to try",
    ),
    (
        "retry_delay",
        "leave it out: the pause between attempts grows by itself",
    ),
    (
        "reconnect_interval",
        "leave it out: the pause between attempts grows by itself",
    ),
    ("locale", "leave it out"),
    (
        "name",
        "leave it out: connections have the name of the service",
    ),
];

#[derive(Default)]
pub(super) struct Parameters {
    pub(super) frame_max: Option<u32>,
    pub(super) channel_max: Option<u16>,
    pub(super) heartbeat: u16,
    /// In milliseconds.
    pub(super) connection_timeout: Option<u64>,
    pub(super) auth_mechanism: Option<SASLMechanism>,
    pub(super) tls: TlsFiles,
}

/// Reads the query. The error repeats no value, and only known names.
pub(super) fn read(query: &[(String, String)], is_tls: bool) -> Result<Parameters, String> {
    let mut read = Parameters {
        heartbeat: HEARTBEAT_SECONDS,
        ..Parameters::default()
    };
    for (number, (name, value)) in (1..).zip(query) {
        if query.iter().filter(|(other, _)| other == name).count() > 1 {
            return Err(format!("parameter {number} of its query is there twice"));
        }
        if !is_tls && OF_TLS.contains(&name.as_str()) {
            return Err(format!(
                "`{name}` needs `amqps://`: `amqp://` is plain text, and uses no certificate"
            ));
        }
        read.take(name, value).map_err(|why| match why {
            None => format!("parameter {number} of its query is not known; {KNOWN}"),
            Some(why) => why,
        })?;
    }
    if read.tls.key.is_some() && read.tls.cert.is_none() {
        return Err("`keyfile` needs `certfile`".to_owned());
    }
    if read.auth_mechanism == Some(SASLMechanism::External) && !is_tls {
        return Err(
            "`auth_mechanism=external` needs `amqps://` and a client certificate".to_owned(),
        );
    }
    Ok(read)
}

impl Parameters {
    /// Sets a parameter. The error describes the fault of the value; it is `None` if the name is unknown.
    fn take(&mut self, name: &str, value: &str) -> Result<(), Option<String>> {
        match name {
            "heartbeat" => {
                self.heartbeat = number(
                    value,
                    |_| true,
                    "`heartbeat` is a number of seconds from 0 to 65535",
                )?;
            }
            "connection_timeout" => {
                let text = "`connection_timeout` is a number of milliseconds from 1 to 60000";
                let timeout = number(value, |ms| (1..=CONNECT_MAX).contains(ms), text)?;
                self.connection_timeout = Some(timeout);
            }
            "channel_max" => {
                self.channel_max = Some(number(
                    value,
                    |_| true,
                    "`channel_max` is a number from 0 to 65535",
                )?);
            }
            "frame_max" => {
                let text = "`frame_max` is 0, or a number of bytes from 4096";
                let size = number(value, |size| *size == 0 || *size >= FRAME_MIN, text)?;
                self.frame_max = Some(size);
            }
            "auth_mechanism" => self.auth_mechanism = Some(mechanism(value)?),
            "cacertfile" => self.tls.ca = Some(file(name, value)?),
            "certfile" => self.tls.cert = Some(file(name, value)?),
            "keyfile" => self.tls.key = Some(file(name, value)?),
            "verify" if value == "verify_peer" => {}
            "verify" => {
                let why =
                    "`verify` can only be `verify_peer`; name the broker's CA with `cacertfile`";
                return Err(Some(why.to_owned()));
            }
            "server_name_indication" => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || "-.:".contains(c);
                if value.is_empty() || !value.chars().all(is_name) {
                    let why = "`server_name_indication` is the name in the broker's certificate";
                    return Err(Some(why.to_owned()));
                }
                self.tls.server_name = Some(value.to_owned());
            }
            other => {
                let known = OF_OTHERS.iter().find(|(name, _)| *name == other);
                let advice =
                    known.map(|(name, advice)| format!("`{name}` is not supported; {advice}"));
                return Err(advice);
            }
        }
        Ok(())
    }
}

fn number<N: FromStr>(
    value: &str,
    can_be: impl Fn(&N) -> bool,
    text: &str,
) -> Result<N, Option<String>> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|number| digits && can_be(number));
    number.ok_or_else(|| Some(text.to_owned()))
}

fn mechanism(value: &str) -> Result<SASLMechanism, Option<String>> {
    match value.to_ascii_lowercase().as_str() {
        "plain" => Ok(SASLMechanism::Plain),
        "external" => Ok(SASLMechanism::External),
        _ => Err(Some("`auth_mechanism` is `plain` or `external`".to_owned())),
    }
}

fn file(name: &str, value: &str) -> Result<PathBuf, Option<String>> {
    if value.is_empty() || is_contents(value) {
        return Err(Some(format!("`{name}` is the path of a PEM file")));
    }
    Ok(value.into())
}

/// Whether the value is the content of a PEM file, instead of its path.
pub(crate) fn is_contents(value: &str) -> bool {
    value.contains("-----")
        || value.contains(char::is_control)
        || value.trim_start().starts_with("MII")
}
