//! Where the brokers are, and how not to tell anybody the password.

use std::fmt;
use std::path::PathBuf;

use garenne_core::Fault;
use lapin::uri::{AMQPScheme, AMQPUri};

/// The heartbeat asked for when the URL does not say, in seconds. Without it the server's 60 s
/// apply, and a dead peer is found only after 120 s.
const HEARTBEAT_SECONDS: u16 = 10;

/// The AMQP URL of one broker.
///
/// `amqp://user:password@host:port/vhost?heartbeat=10`; `amqps://` for TLS, where the query may name
/// files as RabbitMQ's URI specification does: `cacertfile`, `certfile`, `keyfile`. Its `Debug` and
/// `Display` never show the credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    uri: AMQPUri,
    tls_files: TlsFiles,
}

/// Files named in the query of an `amqps://` URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

impl BrokerUrl {
    /// Reads one AMQP URL.
    ///
    /// # Errors
    ///
    /// What is wrong and how a URL looks; the fault never repeats the credentials.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let text = text.trim();
        let explain = |why: &str| {
            Fault::new(
                "broker address",
                redact(text),
                format!("`amqp://user:password@host:5672/vhost` ({why})"),
            )
        };
        if !text.starts_with("amqp://") && !text.starts_with("amqps://") {
            return Err(explain("it must start with `amqp://` or `amqps://`"));
        }
        let url = url::Url::parse(text).map_err(|e| explain(&e.to_string()))?;
        // The parser's own errors may quote the URL: only their cause is of use here.
        let mut uri: AMQPUri = text
            .parse()
            .map_err(|_| explain("a part of it is malformed"))?;
        match url.host() {
            None => return Err(explain("it names no host")),
            // The client takes only domain names from the URL and would dial localhost instead.
            Some(url::Host::Ipv6(address)) => uri.authority.host = address.to_string(),
            Some(host) if host.to_string().is_empty() => return Err(explain("it names no host")),
            Some(_) => {}
        }
        if uri.query.heartbeat.is_none() {
            uri.query.heartbeat = Some(HEARTBEAT_SECONDS);
        }
        let mut tls_files = TlsFiles::default();
        for (key, value) in url.query_pairs() {
            let file = Some(PathBuf::from(value.as_ref()));
            match key.as_ref() {
                "cacertfile" => tls_files.ca = file,
                "certfile" => tls_files.cert = file,
                "keyfile" => tls_files.key = file,
                "verify" if value == "verify_none" => {
                    return Err(explain(
                        "`verify=verify_none` is not supported; name the broker's CA with `cacertfile`",
                    ));
                }
                _ => {}
            }
        }
        Ok(Self { uri, tls_files })
    }

    /// Reads several URLs, separated by commas, and says everything that is wrong with them.
    pub(crate) fn parse_list(what: &str, text: &str) -> (Vec<Self>, Vec<Fault>) {
        let (mut brokers, mut faults) = (Vec::new(), Vec::new());
        for address in addresses(text) {
            match address.and_then(|address| Self::parse(&address)) {
                Ok(broker) => brokers.push(broker),
                Err(why) => faults.push(Fault::new(what, why.value, why.accepted)),
            }
        }
        if brokers.is_empty() && faults.is_empty() {
            let accepted = "`amqp://user:password@host:5672/vhost`, several separated by commas";
            faults.push(Fault::new(what, text, accepted));
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
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPUri {
            scheme,
            authority,
            vhost,
            ..
        } = &self.uri;
        let host = if authority.host.contains(':') {
            format!("[{}]", authority.host)
        } else {
            authority.host.clone()
        };
        write!(
            f,
            "{scheme}://{host}:{}/{}",
            authority.port,
            vhost.trim_start_matches('/')
        )
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerUrl({self})")
    }
}

/// The single addresses of a list. A comma in a password cuts it in two, of which neither may be
/// shown.
fn addresses(list: &str) -> Vec<Result<String, Fault>> {
    let mut addresses: Vec<Result<String, Fault>> = Vec::new();
    for piece in list
        .split(',')
        .map(str::trim)
        .filter(|piece| !piece.is_empty())
    {
        let is_rest = !piece.contains("://") && piece.contains('@');
        let whole = match addresses.last() {
            Some(Ok(front)) if is_rest && !front.contains('@') => {
                Some(redact(&format!("{front},{piece}")))
            }
            _ => None,
        };
        let address = match whole {
            None => Ok(piece.to_owned()),
            Some(whole) => {
                addresses.pop();
                let accepted = "behind each comma another `amqp://user:password@host:5672/vhost`; \
                                a comma in a password is written `%2C`";
                Err(Fault::new("broker address", whole, accepted))
            }
        };
        addresses.push(address);
    }
    addresses
}

/// The text without anything that may be a password, also where it is no URL: people write passwords
/// unescaped, or forget the host.
fn redact(text: &str) -> String {
    let (scheme, rest) = text.split_at(text.find("://").map_or(0, |at| at + 3));
    let (userinfo, rest) = rest.split_at(rest.rfind('@').unwrap_or(0));
    let hidden = if userinfo.is_empty() { "" } else { "***" };
    let shown = rest.split(['?', '#']).next().unwrap_or_default();
    let after_host = if shown.contains('[') {
        shown.rsplit_once(':')
    } else {
        shown.split_once(':')
    };
    match after_host {
        Some((host, port)) if !is_port(port) => format!("{scheme}{hidden}{host}:***"),
        _ => format!("{scheme}{hidden}{shown}"),
    }
}

/// Whether this can follow a host and a colon: a port, and perhaps a virtual host.
fn is_port(text: &str) -> bool {
    let port = text.split('/').next().unwrap_or_default();
    port.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_display_nor_debug_nor_errors_show_credentials() {
        let url = BrokerUrl::parse("amqp://app:s3cret@mq.example:5673/prod").unwrap();
        for text in [url.to_string(), format!("{url:?}")] {
            assert!(!text.contains("s3cret") && !text.contains("app"), "{text}");
        }
        for bad in [
            "amqp://app:s3cret@:x/",
            "http://app:s3cret@mq",
            "app:s3cret@mq",
            "amqp://app:s3@cret@mq:99999",
        ] {
            let error = BrokerUrl::parse(bad).unwrap_err().to_string();
            assert!(!error.contains("s3"), "{error}");
        }
    }

    #[test]
    fn a_heartbeat_is_asked_for_unless_the_url_says_another() {
        assert_eq!(
            BrokerUrl::parse("amqp://mq").unwrap().uri().query.heartbeat,
            Some(10)
        );
        assert_eq!(
            BrokerUrl::parse("amqp://mq?heartbeat=3")
                .unwrap()
                .uri()
                .query
                .heartbeat,
            Some(3)
        );
    }

    #[test]
    fn an_ipv6_host_is_dialled_as_given() {
        let url = BrokerUrl::parse("amqp://[::1]:5673/").unwrap();
        assert_eq!(url.uri().authority.host, "::1");
        assert_eq!(url.to_string(), "amqp://[::1]:5673/");
    }
}
