//! The addresses of brokers, with their passwords kept secret.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use garenne_core::Fault;
use garenne_core::url::{UrlParts, escaped};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};

use super::parameters;
use super::tls::Tls;

/// The form of a URL.
const ACCEPTED: &str = "`amqp://user:password@host:5672/vhost`";

/// The subject of an address fault by default.
const WHAT: &str = "broker address";

/// The virtual host of a URL without a virtual host.
const DEFAULT_VHOST: &str = "/";

/// The user and password of a URL without a user: RabbitMQ accepts them from its own host.
const GUEST: &str = "guest";

/// The longest name of a virtual host, in bytes.
const VHOST_MAX: usize = 255;

/// How long a TCP connect and a TLS handshake may take, each, unless the URL sets it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The AMQP URL of a broker.
///
/// `amqp://user:password@host:port/vhost?heartbeat=10`; `amqps://` for TLS. A missing or empty virtual host
/// (`amqp://host`, `amqp://host/`) means `/`, which can also be written `/%2f`. In user, password and virtual
/// host, characters with a meaning in a URL must be escaped: `@` is `%40`, `/` is `%2F`, `%` is `%25`. An
/// ambiguous URL is refused.
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

/// The TLS settings in the query of an `amqps://` URL.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    /// The name in the broker's certificate, if it is not the host.
    pub(crate) server_name: Option<String>,
}

impl BrokerUrl {
    /// Parses an AMQP URL.
    ///
    /// # Errors
    ///
    /// [`Fault`] with the cause and the form of a URL. The fault repeats nothing of the URL: in a malformed
    /// URL, any part may belong to the password.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        read(text.trim()).map_err(|why| {
            // Some clients separate the URLs of a list by semicolons, or write the scheme once for all.
            let several = if text.contains([';', ',']) {
                ", several separated by commas, each with its `amqp://`"
            } else {
                ""
            };
            Fault::hidden(WHAT, format!("{ACCEPTED}{several} ({why})"))
        })
    }

    /// Parses several URLs, separated by commas, and returns all faults.
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

/// The fault of TLS settings together with an address without TLS, which would silently be plain text.
pub(crate) fn plain_text_faults(brokers: &[BrokerUrl], tls: &Tls) -> Option<Fault> {
    let plain = brokers.iter().find(|broker| !broker.is_tls())?;
    (!tls.is_default()).then(|| {
        let accepted = "`amqps://` in every address; or no settings for TLS (GARENNE_TLS_CA, GARENNE_TLS_CERT, \
                        GARENNE_TLS_KEY): `amqp://` is plain text and uses no certificate";
        // The rule for secret values does not apply: an address in this form contains no credentials.
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

/// The virtual host. By the AMQP URI specification, `amqp://host/` names an empty virtual host. No broker has
/// an empty one, and all other common clients read this as `/`.
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

/// The URL in a form that can be copied into a configuration, without the credentials.
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

/// The single addresses of a list. Only a comma before a scheme separates two addresses. Any other comma may
/// belong to a password; it stays in its address, which is then refused.
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
