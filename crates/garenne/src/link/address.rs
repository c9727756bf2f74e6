//! Where the brokers are, and how not to tell anybody the password.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use garenne_core::Fault;
use garenne_core::url::{UrlParts, escaped};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};

use super::parameters;
use super::tls::Tls;

/// How a URL looks.
const ACCEPTED: &str = "`amqp://user:password@host:5672/vhost`";

/// What a fault of an address is about, where nobody has a better name for it.
const WHAT: &str = "broker address";

/// The virtual host of a URL that names none.
const DEFAULT_VHOST: &str = "/";

/// Whom a URL without a user logs in: RabbitMQ knows them, and lets them in from its own host.
const GUEST: &str = "guest";

/// The longest name of a virtual host, in bytes.
const VHOST_MAX: usize = 255;

/// How long a TCP connect and a TLS handshake may take, each, unless the URL says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The AMQP URL of one broker.
///
/// `amqp://user:password@host:port/vhost?heartbeat=10`; `amqps://` for TLS. Without a virtual host, or with
/// an empty one (`amqp://host`, `amqp://host/`), it is `/`, which can also be written `/%2f`. In user,
/// password and virtual host, what means something in a URL is written as an escape: `@` is `%40`, `/`
/// is `%2F`, `%` is `%25`. A URL that can be read in two ways is refused.
///
/// | parameter | meaning | default |
/// |---|---|---|
/// | `heartbeat` | seconds between heartbeats, 0 to 65535; 0 asks for none | 10 |
/// | `connection_timeout` | milliseconds that a connect, and a TLS handshake, may take, each, 1 to 60000 | 5000 |
/// | `channel_max` | the most channels of a connection; 0 leaves it to the broker | the broker's |
/// | `frame_max` | the largest frame in bytes, from 4096; 0 leaves it to the broker | the broker's |
/// | `auth_mechanism` | `plain`, or `external` (by the client certificate, with `amqps://`) | `plain` |
/// | `cacertfile` | `amqps://` only: PEM file of the CA to trust | the system's roots |
/// | `certfile`, `keyfile` | `amqps://` only: PEM files of the client certificate and its key | none |
/// | `verify` | `amqps://` only: `verify_peer` | `verify_peer` |
/// | `server_name_indication` | `amqps://` only: the name that is in the broker's certificate | the host |
///
/// Any other parameter is refused. `Debug` and `Display` never show the credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    uri: AMQPUri,
    tls_files: TlsFiles,
}

/// What the query of an `amqps://` URL says about TLS.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    /// Whose certificate the broker has, if not its host's.
    pub(crate) server_name: Option<String>,
}

impl BrokerUrl {
    /// Reads one AMQP URL.
    ///
    /// # Errors
    ///
    /// What is wrong and how a URL looks. The fault repeats nothing of the URL: where it is malformed,
    /// any part of it may be a part of the password.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        read(text.trim()).map_err(|why| {
            // The lists of some clients are separated by semicolons, or have one scheme for all.
            let several = if text.contains([';', ',']) {
                ", several separated by commas, each with its `amqp://`"
            } else {
                ""
            };
            Fault::hidden(WHAT, format!("{ACCEPTED}{several} ({why})"))
        })
    }

    /// Reads several URLs, separated by commas, and says everything that is wrong with them.
    pub(crate) fn parse_list(what: &str, text: &str) -> (Vec<Self>, Vec<Fault>) {
        let addresses = addresses(text);
        let count = addresses.len();
        let (mut brokers, mut faults) = (Vec::new(), Vec::new());
        for (number, address) in (1..).zip(addresses) {
            match Self::parse(&address) {
                Ok(broker) => brokers.push(broker),
                Err(why) if count == 1 => faults.push(Fault::hidden(what, why.accepted)),
                Err(why) => {
                    let what = format!("{what}, address {number} of {count}");
                    faults.push(Fault::hidden(what, why.accepted));
                }
            }
        }
        if count == 0 {
            let accepted = format!("{ACCEPTED}, several separated by commas");
            faults.push(Fault::new(what, text.trim(), accepted));
        }
        (brokers, faults)
    }

    pub(crate) fn uri(&self) -> &AMQPUri {
        &self.uri
    }

    pub(crate) fn tls_files(&self) -> &TlsFiles {
        &self.tls_files
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.uri.scheme == AMQPScheme::AMQPS
    }

    pub(crate) fn user(&self) -> &str {
        &self.uri.authority.userinfo.username
    }

    /// How long a TCP connect and a TLS handshake may take, each.
    pub(crate) fn connect_timeout(&self) -> Duration {
        let configured = self.uri.query.connection_timeout;
        configured.map_or(CONNECT_TIMEOUT, Duration::from_millis)
    }
}

/// What would be silently plain text: settings for TLS, and an address without it.
pub(crate) fn plain_text_faults(brokers: &[BrokerUrl], tls: &Tls) -> Option<Fault> {
    let plain = brokers.iter().find(|broker| !broker.is_tls())?;
    (!tls.is_default()).then(|| {
        let accepted = "`amqps://` in every address; or no settings for TLS (GARENNE_TLS_CA, GARENNE_TLS_CERT, \
                        GARENNE_TLS_KEY): `amqp://` is plain text and uses no certificate";
        // Not by the rule for values: an address in this form is known to hold no credentials.
        Fault {
            value: plain.to_string(),
            ..Fault::hidden(WHAT, accepted)
        }
    })
}

fn read(text: &str) -> Result<BrokerUrl, String> {
    let parts = UrlParts::parse(text).map_err(|why| why.to_string())?;
    let scheme: AMQPScheme = parts
        .scheme
        .parse()
        .map_err(|_| "it must begin with `amqp://` or `amqps://`".to_owned())?;
    if parts.host.is_empty() || parts.host.starts_with('/') {
        return Err("it names no host".to_owned());
    }
    if parts.user.as_deref() == Some("") {
        return Err("it has an `@` and no user before it".to_owned());
    }
    let parameters = parameters::read(&parts.query, scheme == AMQPScheme::AMQPS)?;
    let port = parts.port.unwrap_or_else(|| scheme.default_port());
    let vhost = vhost(&parts)?;
    let guest = || GUEST.to_owned();
    let userinfo = AMQPUserInfo {
        username: parts.user.unwrap_or_else(guest),
        password: parts.password.unwrap_or_else(guest),
    };
    if userinfo.username.contains(char::is_control) || vhost.contains(char::is_control) {
        return Err("there is a control character in its user or virtual host".to_owned());
    }
    Ok(BrokerUrl {
        uri: AMQPUri {
            scheme,
            authority: AMQPAuthority {
                userinfo,
                host: parts.host,
                port,
            },
            vhost,
            query: AMQPQueryString {
                frame_max: parameters.frame_max,
                channel_max: parameters.channel_max,
                heartbeat: Some(parameters.heartbeat),
                connection_timeout: parameters.connection_timeout,
                auth_mechanism: parameters.auth_mechanism,
            },
        },
        tls_files: parameters.tls,
    })
}

/// The virtual host. By the letter of AMQP's URI scheme, an empty one is named by `amqp://host/`. No broker
/// has one, and to every other client that people come from this is `/`.
fn vhost(parts: &UrlParts) -> Result<String, String> {
    let vhost = parts.decoded_path().map_err(|why| why.to_string())?;
    if vhost.len() > VHOST_MAX {
        return Err(format!("its virtual host is longer than {VHOST_MAX} bytes"));
    }
    Ok(if vhost.is_empty() {
        DEFAULT_VHOST.to_owned()
    } else {
        vhost
    })
}

/// In a form that can be copied into a configuration, but for the credentials.
impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPUri {
            scheme,
            authority: AMQPAuthority { host, port, .. },
            vhost,
            ..
        } = &self.uri;
        let vhost = escaped(vhost);
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}/{vhost}")
        } else {
            write!(f, "{scheme}://{host}:{port}/{vhost}")
        }
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerUrl({self})")
    }
}

/// The single addresses of a list. Only a comma with a scheme behind it separates two: any other may be
/// a part of a password, and stays where it is, where it is refused.
fn addresses(list: &str) -> Vec<String> {
    let mut addresses: Vec<String> = Vec::new();
    for piece in list.split(',') {
        let is_blank = piece.trim().is_empty();
        match addresses.last_mut() {
            Some(last) if !is_blank && !has_scheme(piece) => {
                last.push(',');
                last.push_str(piece);
            }
            _ if is_blank => {}
            _ => addresses.push(piece.to_owned()),
        }
    }
    addresses
}

fn has_scheme(piece: &str) -> bool {
    let scheme = piece.trim_start().split_once("://");
    scheme.is_some_and(|(scheme, _)| scheme.chars().all(|c| c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests;
