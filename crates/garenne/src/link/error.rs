//! Why a link could not be made or kept, and whether another attempt can help.

mod reason;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use garenne_core::reader::ReadError;
use lapin::ErrorKind;

pub(crate) use self::reason::{Limit, QueueType, Reason};
use super::advice::{of_certificate, of_close, of_consumer};
use super::difference::Difference;
use crate::resources::remedy;

/// A link error, in words for the operator.
///
/// It is small, because every result of a call and every event of a channel may contain it.
#[derive(Clone, Debug)]
pub(crate) struct LinkError {
    pub(crate) kind: Kind,
    /// AMQP's reply code, if the broker refused; else 0.
    pub(crate) code: u16,
    told: Box<Told>,
}

/// The content of an error.
#[derive(Clone, Debug, Default)]
struct Told {
    reason: Reason,
    /// The whole text, including the words of the cause.
    text: String,
    source: Cause,
    /// The text contains advice about the broker's answer.
    is_advised: bool,
    /// How a queue differs, until the text describes it.
    differences: Vec<Difference>,
}

/// An error whose words the outer error already contains: from the operating system, TLS or the client.
///
/// The sources of the outer error begin below it, so that an error printed with its sources shows each word
/// once.
#[derive(Clone, Default)]
pub(crate) struct Cause(Option<Arc<dyn Error + Send + Sync>>);

impl Cause {
    /// The error below the words that the outer error contains.
    pub(crate) fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_deref().and_then(Error::source)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(cause) => cause.fmt(f),
            None => f.write_str("none"),
        }
    }
}

/// Two errors with the same text are equal.
impl PartialEq for Cause {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Cause {}

/// Whether the same attempt can succeed later without any change of the configuration.
///
/// The broker's *words* decide: AMQP's soft and hard errors tell how much of the connection is gone, not
/// whether it can come back (a wrong password is a "soft" 403).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Somebody must change the configuration of the service or the broker. At the first start this error is
    /// fatal; later the broker may still be restoring its definitions.
    Configuration,
    /// An outage: another attempt may help.
    Transient,
}

impl LinkError {
    fn new(kind: Kind, text: String) -> Self {
        let told = Told {
            text,
            ..Told::default()
        };
        Self {
            kind,
            code: 0,
            told: Box::new(told),
        }
    }

    pub(crate) fn configuration(text: String) -> Self {
        Self::new(Kind::Configuration, text)
    }

    pub(crate) fn transient(text: impl Into<String>) -> Self {
        Self::new(Kind::Transient, text.into())
    }

    /// The link ended during a call over it. The link itself knows why.
    pub(crate) fn gone() -> Self {
        let mut error = Self::transient("the connection is gone");
        error.told.reason = Reason::Gone;
        error
    }

    /// A queue exists and differs. [`LinkError::told_as`] replaces the text with better words.
    pub(super) fn differing(text: String, differences: Vec<Difference>) -> Self {
        let mut error = Self::configuration(text);
        error.told.differences = differences;
        error
    }

    /// Keeps the cause. The text already contains its words.
    pub(super) fn because(self, source: impl Error + Send + Sync + 'static) -> Self {
        self.because_of(Arc::new(source))
    }

    fn because_of(mut self, source: Arc<dyn Error + Send + Sync>) -> Self {
        self.told.source = Cause(Some(source));
        self
    }

    /// AMQP's reply code, if the broker refused.
    pub(crate) fn reply_code(&self) -> Option<u16> {
        Some(self.code).filter(|code| *code != 0)
    }

    /// The meaning of the broker's answer.
    pub(super) const fn reason(&self) -> &Reason {
        &self.told.reason
    }

    /// How a queue differs, until the text describes it.
    pub(super) fn differences(&self) -> &[Difference] {
        &self.told.differences
    }

    /// The cause, for an outer error with the words of this error.
    pub(crate) fn cause(&self) -> Cause {
        self.told.source.clone()
    }

    /// Adds the action that failed: `failed to <doing>: <error>`.
    pub(crate) fn while_doing(mut self, doing: impl fmt::Display) -> Self {
        self.told.text = format!("{doing}: {}", self.told.text);
        self
    }

    pub(super) fn with_advice(mut self, advice: &str) -> Self {
        self.told.text = format!("{}; {advice}", self.told.text);
        self
    }

    /// Replaces the text.
    pub(super) fn told_as(mut self, text: String) -> Self {
        self.told.text = text;
        self.told.differences = Vec::new();
        self
    }

    /// Adds advice where the broker's reason for closing a consumer's channel or a link has none. It is added
    /// only once, because a task that waits for a channel gets the error of the link's end too.
    pub(crate) fn advised(self) -> Self {
        let advice = of_consumer(self.code, self.reason());
        self.advised_once(advice)
    }

    /// Adds only advice about limits and the like; `advised` is for consumers.
    pub(super) fn advised_of_limits(self) -> Self {
        let advice = of_close(self.reason());
        self.advised_once(advice)
    }

    fn advised_once(mut self, advice: Option<&'static str>) -> Self {
        match advice {
            Some(advice) if !self.told.is_advised => {
                self.told.is_advised = true;
                self.with_advice(advice)
            }
            _ => self,
        }
    }

    /// Classifies an error of the client.
    pub(crate) fn of(error: &lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(amqp) => {
                Self::of_close(amqp.get_id(), amqp.get_message().as_str().to_owned())
            }
            ErrorKind::IOError(io) => Self::of_io(Arc::clone(io)),
            ErrorKind::MissingHeartbeatError => Self::transient(
                "the broker sent nothing for two heartbeats; it hangs, or the network is cut",
            ),
            ErrorKind::InvalidConnectionState(_) => Self::gone(),
            ErrorKind::InvalidChannelState(..) => Self::transient("the channel is closed"),
            ErrorKind::ChannelsLimitReached => Self::transient(
                "this connection has no channel left; let more be open (`channel_max` of the broker and of the AMQP URL), \
                 or start fewer workers",
            ),
            _ => Self::transient(error.to_string()).because(error.clone()),
        }
    }

    /// Whether a message may have ended the link: the broker closed it because of data that it read, or
    /// failed over that data. An end by an operator, a shutdown or the network accuses no message.
    pub(crate) fn accuses(&self) -> bool {
        garenne_core::publishing::accuses(self.code)
    }

    /// Whether the error says only that the link is gone. The link itself knows why.
    pub(super) fn is_echo(&self) -> bool {
        self.told.reason == Reason::Gone
    }

    /// Whether an entity that the call needs does not exist. A queue whose node is down is not missing.
    pub(crate) fn is_missing(&self) -> bool {
        self.told.reason == Reason::Missing
    }

    /// Whether the broker answered with a refusal: a right is missing, the queue is exclusive to another
    /// connection, or an entity exists with other arguments.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self.code, 403 | 405 | 406)
    }

    /// The broker's reason for closing a channel or a connection.
    pub(crate) fn of_close(code: u16, text: String) -> Self {
        let reason = Reason::of(code, &text);
        let mut error = Self::new(reason.kind(code), text);
        error.code = code;
        error.told.reason = reason;
        error
    }

    /// The bytes from the link cannot be read any further.
    pub(crate) fn unreadable(error: &ReadError) -> Self {
        let kind = match error {
            ReadError::NotAmqp { .. } => Kind::Configuration,
            _ => Kind::Transient,
        };
        Self::new(kind, error.to_string()).because(error.clone())
    }

    pub(crate) fn of_io(error: impl Into<Arc<io::Error>>) -> Self {
        let error = error.into();
        let classified = match error.get_ref() {
            None => match remedy(&error).or_else(|| unreached(&error)) {
                Some(remedy) => Self::transient(format!("{error}; {remedy}")),
                None => Self::transient(error.to_string()),
            },
            Some(inner) => {
                if let Some(same) = inner.downcast_ref::<Arc<io::Error>>() {
                    // lapin's share of an error that the link's own task has kept.
                    return Self::of_io(Arc::clone(same));
                } else if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
                    Self::of_tls(tls)
                } else if let Some(unreadable) = inner.downcast_ref::<ReadError>() {
                    Self::unreadable(unreadable)
                } else {
                    Self::transient(error.to_string())
                }
            }
        };
        classified.because_of(error)
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

/// Advice about a host that does not answer like a broker.
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

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told.text)
    }
}

impl Error for LinkError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.told.source.source()
    }
}

/// The error of a call that did not answer in time.
pub(crate) fn timed_out(what: &str, after: Duration) -> LinkError {
    LinkError::transient(format!(
        "{what} did not answer within {}; the broker hangs, or the network is cut",
        seconds(after)
    ))
}

/// A waiting time, for people.
pub(super) fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

#[cfg(test)]
mod tests;
