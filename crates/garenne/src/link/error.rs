//! Why a link could not be made or kept, and whether trying again can help.

use std::time::Duration;
use std::{fmt, io};

use garenne_core::reader::ReadError;
use lapin::ErrorKind;

use super::advice::{of_certificate, of_close};
use super::difference::Difference;
use crate::resources::remedy;

/// What went wrong with a link, in words for the operator.
#[derive(Clone, Debug)]
pub(crate) struct LinkError {
    pub(crate) kind: Kind,
    /// AMQP's reply code, if it was the broker who said no; else 0.
    pub(crate) code: u16,
    pub(super) text: String,
    /// In what a queue differs, until somebody has put it into words.
    pub(super) differences: Vec<Difference>,
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
            differences: Vec::new(),
        }
    }

    pub(crate) fn transient(text: impl Into<String>) -> Self {
        Self {
            kind: Kind::Transient,
            code: 0,
            text: text.into(),
            differences: Vec::new(),
        }
    }

    /// Says on what it happened: `failed to <doing>: <error>`.
    pub(crate) fn while_doing(mut self, doing: impl fmt::Display) -> Self {
        self.text = format!("{doing}: {}", self.text);
        self
    }

    pub(super) fn with_advice(mut self, advice: &str) -> Self {
        self.text = format!("{}; {advice}", self.text);
        self
    }

    /// Adds what to do, where the broker's word with which it closed a consumer's channel or a link does
    /// not say it. Once is enough: who waits for a channel hears of the link's end too.
    pub(crate) fn advised(self) -> Self {
        match advice(self.code, &self.text) {
            Some(advice) if !self.text.ends_with(advice) => self.with_advice(advice),
            _ => self,
        }
    }

    /// The same, where only limits and the like are told of: `advised` is for who consumes.
    pub(super) fn advised_of_limits(self) -> Self {
        match of_close(self.code, &self.text) {
            Some(advice) => self.with_advice(advice),
            None => self,
        }
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
            ErrorKind::InvalidConnectionState(_) => Self::transient(GONE),
            ErrorKind::InvalidChannelState(..) => Self::transient("the channel is closed"),
            ErrorKind::ChannelsLimitReached => Self::transient(
                "this connection has no channel left; let more be open (`channel_max` of the broker and of the AMQP URL), \
                 or start fewer workers",
            ),
            _ => Self::transient(error.to_string()),
        }
    }

    /// Whether a link that ended so may have ended over a message: the broker has closed it because of
    /// what it read, or failed over it. That operators, a shutdown or the network ended it says nothing.
    pub(crate) fn accuses(&self) -> bool {
        matches!(self.code, 501..=506 | 540 | 541)
    }

    /// Whether it says only that the link is gone. The link itself knows why.
    pub(super) fn is_echo(&self) -> bool {
        self.text.ends_with(GONE)
    }

    /// The broker's word with which it closes a channel or a connection.
    pub(crate) fn of_close(code: u16, text: String) -> Self {
        Self {
            kind: protocol_kind(code, &text),
            code,
            text,
            differences: Vec::new(),
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

    pub(crate) fn of_io(error: &io::Error) -> Self {
        let Some(inner) = error.get_ref() else {
            return match remedy(error).or_else(|| unreached(error)) {
                Some(remedy) => Self::transient(format!("{error}; {remedy}")),
                None => Self::transient(error.to_string()),
            };
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
                "the broker's certificate is not trusted ({why:?}); {}",
                of_certificate(why)
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

/// What is said of a link that has ended while somebody asked for something over it.
pub(super) const GONE: &str = "the connection is gone";

/// What to do about a host that does not answer as a broker does.
fn unreached(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            Some("nothing listens there; start the broker, or correct its address")
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Some("there is no way to it from this host; correct its address, or mend the network")
        }
        _ => None,
    }
}

/// RabbitMQ's reply codes and texts, told apart. 406 has three meanings and 530 four.
fn protocol_kind(code: u16, text: &str) -> Kind {
    let waits = ["is down", "connection limit", "limit of", "is reached"];
    let configuration = match code {
        // The consumer that has it may be the one that this one replaces.
        403 => !text.contains(EXCLUSIVE_USE),
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

/// What RabbitMQ says of a queue that another consumer has for itself.
const EXCLUSIVE_USE: &str = "in exclusive use";

/// What to do about what the broker says to who consumes.
fn advice(code: u16, text: &str) -> Option<&'static str> {
    if let Some(advice) = of_close(code, text) {
        return Some(advice);
    }
    let advice = match code {
        320 => {
            "the broker stops, or somebody closed the connection there; nothing is to be done here"
        }
        403 if text.contains(EXCLUSIVE_USE) => {
            "another consumer has the queue for itself (`exclusive`), perhaps one that this service replaces; this service goes on trying until it is gone. \
             If it stays, stop it, or let it consume without `exclusive`"
        }
        403 => "grant this service's user the right to read the queue",
        404 => "it was deleted, or its node is down; this service goes on trying",
        405 => {
            "the queue belongs to another connection (`exclusive`) and goes with it; this service goes on trying. If it stays, declare it without \
             `exclusive`, or consume another one"
        }
        406 if text.contains("timed out") => {
            "a handler took longer than the broker's `consumer_timeout`; set the queue's deadline below it, or raise it"
        }
        406 if text.contains("unknown delivery tag") => {
            "this is a bug in garenne, or something between the broker and this program alters what is sent"
        }
        501..=505 => {
            "the broker does not understand what it was sent; see its log, and what stands between it and this program"
        }
        506 => "the broker is out of resources; see its log, and the limits of its virtual host",
        540 => "the broker cannot do that with this queue; see its type and its arguments",
        541 => "something failed in the broker; its log says what",
        _ => return None,
    };
    Some(advice)
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The error of a call that did not answer in time.
pub(crate) fn timed_out(what: &str, after: Duration) -> LinkError {
    LinkError::transient(format!(
        "{what} did not answer within {}; the broker hangs, or the network is cut",
        seconds(after)
    ))
}

/// A time to wait for something, for people.
pub(super) fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_follows_what_the_broker_says() {
        let timed_out = "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out";
        let error = LinkError::of_close(406, timed_out.to_owned()).advised();
        let text = error.to_string();
        assert!(text.starts_with(timed_out), "{text}");
        assert!(text.contains("`consumer_timeout`"), "{text}");
        assert_eq!(error.advised().to_string(), text, "said once");
        let other = LinkError::of_close(406, "PRECONDITION_FAILED - else".to_owned());
        assert_eq!(other.clone().advised().to_string(), other.to_string());
        let gone = LinkError::transient("the connection is gone").advised();
        assert_eq!(gone.to_string(), "the connection is gone");
    }

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
                403,
                "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use",
                Transient,
            ),
            (
                405,
                "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'",
                Transient,
            ),
            (
                406,
                "PRECONDITION_FAILED - cannot declare queue 'q': queue limit in vhost '/' (3) is reached",
                Transient,
            ),
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
