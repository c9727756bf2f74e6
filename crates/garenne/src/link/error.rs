//! Why a link could not be made or kept, and whether trying again can help.

use std::fmt;

use garenne_core::reader::ReadError;
use lapin::ErrorKind;

/// What went wrong with a link, in words for the operator.
#[derive(Clone, Debug)]
pub(crate) struct LinkError {
    pub(crate) kind: Kind,
    /// AMQP's reply code, if it was the broker who said no; else 0.
    pub(crate) code: u16,
    pub(super) text: String,
}

/// Whether the same attempt can succeed later without anybody changing anything.
///
/// Decided by what the broker *says*: AMQP's soft and hard errors say how much of the connection is
/// gone, not whether it can come back (a wrong password is a "soft" 403).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Somebody must change the service's configuration or the broker's. At the first start this is
    /// fatal; later it is taken for a broker that is still restoring its definitions.
    Configuration,
    /// An outage: worth another try.
    Transient,
}

impl LinkError {
    pub(crate) fn configuration(text: String) -> Self {
        Self {
            kind: Kind::Configuration,
            code: 0,
            text,
        }
    }

    pub(crate) fn transient(text: impl Into<String>) -> Self {
        Self {
            kind: Kind::Transient,
            code: 0,
            text: text.into(),
        }
    }

    /// Says on what it happened: `failed to <doing>: <error>`.
    pub(crate) fn while_doing(mut self, doing: impl fmt::Display) -> Self {
        self.text = format!("{doing}: {}", self.text);
        self
    }

    /// Classifies an error of the client.
    pub(crate) fn of(error: &lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(amqp) => {
                Self::of_close(amqp.get_id(), amqp.get_message().as_str().to_owned())
            }
            ErrorKind::IOError(io) => Self::of_io(io),
            ErrorKind::MissingHeartbeatError => Self::transient(
                "the broker sent nothing for two heartbeats; it hangs, or the network is cut",
            ),
            _ => Self::transient(error.to_string()),
        }
    }

    /// The broker's word with which it closes a channel or a connection.
    pub(crate) fn of_close(code: u16, text: String) -> Self {
        Self {
            kind: protocol_kind(code, &text),
            code,
            text,
        }
    }

    /// What came over the link cannot be read any further.
    pub(crate) fn unreadable(error: &ReadError) -> Self {
        let text = error.to_string();
        match error {
            ReadError::NotAmqp { .. } => Self::configuration(text),
            _ => Self::transient(text),
        }
    }

    pub(crate) fn of_io(error: &std::io::Error) -> Self {
        let Some(inner) = error.get_ref() else {
            return Self::transient(error.to_string());
        };
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            Self::of_tls(tls)
        } else if let Some(unreadable) = inner.downcast_ref::<ReadError>() {
            Self::unreadable(unreadable)
        } else {
            Self::transient(error.to_string())
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        use rustls::{AlertDescription as Alert, Error};
        match error {
            Error::InvalidCertificate(why) => Self::configuration(format!(
                "the broker's certificate is not trusted ({why:?}); check the CA file (`cacertfile`) and that the \
                 host in the URL is the one in the certificate"
            )),
            Error::AlertReceived(
                alert @ (Alert::UnknownCA
                | Alert::BadCertificate
                | Alert::CertificateRequired
                | Alert::CertificateExpired
                | Alert::CertificateRevoked
                | Alert::CertificateUnknown
                | Alert::UnsupportedCertificate
                | Alert::HandshakeFailure
                | Alert::AccessDenied),
            ) => Self::configuration(format!(
                "the broker refused this client's TLS certificate ({alert:?}); check `certfile` and `keyfile`, and \
                 that the broker trusts their CA"
            )),
            Error::InvalidMessage(_) => Self::configuration(
                "the broker does not speak TLS on this port; use its TLS port (usually 5671), or `amqp://`".to_owned(),
            ),
            other => Self::transient(format!("TLS: {other}")),
        }
    }
}

/// RabbitMQ's reply codes and texts, told apart. 406 has three meanings and 530 four.
fn protocol_kind(code: u16, text: &str) -> Kind {
    let waits = ["is down", "connection limit", "limit of", "is reached"];
    let configuration = match code {
        403 => true,
        404 => false,
        406 => text.contains("inequivalent arg") || text.contains("invalid arg"),
        530 => !waits.iter().any(|w| text.contains(w)),
        540 => true,
        _ => false,
    };
    if configuration {
        Kind::Configuration
    } else {
        Kind::Transient
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The error of a call that did not answer in time.
pub(crate) fn timed_out(what: &str, after: std::time::Duration) -> LinkError {
    LinkError::transient(format!(
        "{what} did not answer within {} s; the broker hangs, or the network is cut",
        after.as_secs()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_broker_says_decides_whether_trying_again_can_help() {
        use Kind::{Configuration, Transient};
        for (code, text, kind) in [
            (
                403,
                "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN",
                Configuration,
            ),
            (530, "NOT_ALLOWED - vhost nope not found", Configuration),
            (
                530,
                "NOT_ALLOWED - access to vhost 'x' refused for user 'app'",
                Configuration,
            ),
            (
                530,
                "NOT_ALLOWED - access to vhost 'x' refused for user 'app': connection limit (5) is reached",
                Transient,
            ),
            (530, "NOT_ALLOWED - vhost 'x' is down", Transient),
            (
                406,
                "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/'",
                Configuration,
            ),
            (
                406,
                "PRECONDITION_FAILED - unknown delivery tag 7",
                Transient,
            ),
            (
                406,
                "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out",
                Transient,
            ),
            (404, "NOT_FOUND - no queue 'q' in vhost '/'", Transient),
            (
                320,
                "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
                Transient,
            ),
            (541, "INTERNAL_ERROR", Transient),
        ] {
            assert_eq!(protocol_kind(code, text), kind, "{code} {text}");
        }
    }
}
