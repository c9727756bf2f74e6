//! Why a link could not be made or kept, and whether trying again can help.

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

/// What went wrong with a link, in words for the operator.
///
/// It is small: every result of a call, and everything that comes over a channel, may be one.
#[derive(Clone, Debug)]
pub(crate) struct LinkError {
    pub(crate) kind: Kind,
    /// AMQP's reply code, if it was the broker who said no; else 0.
    pub(crate) code: u16,
    told: Box<Told>,
}

/// What is told of an error.
#[derive(Clone, Debug, Default)]
struct Told {
    reason: Reason,
    /// The whole of it, with the words of what caused it.
    text: String,
    source: Cause,
    /// The text says what to do about what the broker has said.
    is_advised: bool,
    /// In what a queue differs, until somebody has put it into words.
    differences: Vec<Difference>,
}

/// The error underneath one that tells it in its own words: of the operating system, of TLS, of the client.
///
/// Whoever prints an error with its sources gets each word once. So the sources begin below it.
#[derive(Clone, Default)]
pub(crate) struct Cause(Option<Arc<dyn Error + Send + Sync>>);

impl Cause {
    /// What lies below the words that are told already.
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

/// Two errors are the same that say the same.
impl PartialEq for Cause {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Cause {}

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

    /// The link has ended while somebody asked for something over it. The link itself knows why.
    pub(crate) fn gone() -> Self {
        let mut error = Self::transient("the connection is gone");
        error.told.reason = Reason::Gone;
        error
    }

    /// A queue is there and differs. [`LinkError::told_as`] says it in better words.
    pub(super) fn differing(text: String, differences: Vec<Difference>) -> Self {
        let mut error = Self::configuration(text);
        error.told.differences = differences;
        error
    }

    /// Keeps what caused it. Its words are part of the text.
    pub(super) fn because(self, source: impl Error + Send + Sync + 'static) -> Self {
        self.because_of(Arc::new(source))
    }

    fn because_of(mut self, source: Arc<dyn Error + Send + Sync>) -> Self {
        self.told.source = Cause(Some(source));
        self
    }

    /// AMQP's reply code, if it was the broker who said no.
    pub(crate) fn reply_code(&self) -> Option<u16> {
        Some(self.code).filter(|code| *code != 0)
    }

    /// What the broker means.
    pub(super) const fn reason(&self) -> &Reason {
        &self.told.reason
    }

    /// In what a queue differs, until somebody has put it into words.
    pub(super) fn differences(&self) -> &[Difference] {
        &self.told.differences
    }

    /// What caused it, for an error that others see in the words of this one.
    pub(crate) fn cause(&self) -> Cause {
        self.told.source.clone()
    }

    /// Says on what it happened: `failed to <doing>: <error>`.
    pub(crate) fn while_doing(mut self, doing: impl fmt::Display) -> Self {
        self.told.text = format!("{doing}: {}", self.told.text);
        self
    }

    pub(super) fn with_advice(mut self, advice: &str) -> Self {
        self.told.text = format!("{}; {advice}", self.told.text);
        self
    }

    /// Says it in other words.
    pub(super) fn told_as(mut self, text: String) -> Self {
        self.told.text = text;
        self.told.differences = Vec::new();
        self
    }

    /// Adds what to do, where the broker's word with which it closed a consumer's channel or a link does
    /// not say it. Once is enough: who waits for a channel hears of the link's end too.
    pub(crate) fn advised(self) -> Self {
        let advice = of_consumer(self.code, self.reason());
        self.advised_once(advice)
    }

    /// The same, where only limits and the like are told of: `advised` is for who consumes.
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

    /// Whether a link that ended so may have ended over a message: the broker has closed it because of
    /// what it read, or failed over it. That operators, a shutdown or the network ended it says nothing.
    pub(crate) fn accuses(&self) -> bool {
        garenne_core::publishing::accuses(self.code)
    }

    /// Whether it says only that the link is gone. The link itself knows why.
    pub(super) fn is_echo(&self) -> bool {
        self.told.reason == Reason::Gone
    }

    /// Whether something that it takes is not there. A queue whose node is down is not missing.
    pub(crate) fn is_missing(&self) -> bool {
        self.told.reason == Reason::Missing
    }

    /// Whether the broker has answered and does not do it: for lack of a right, because the queue is
    /// another connection's, or because something is there otherwise.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self.code, 403 | 405 | 406)
    }

    /// The broker's word with which it closes a channel or a connection.
    pub(crate) fn of_close(code: u16, text: String) -> Self {
        let reason = Reason::of(code, &text);
        let mut error = Self::new(reason.kind(code), text);
        error.code = code;
        error.told.reason = reason;
        error
    }

    /// What came over the link cannot be read any further.
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

/// A time to wait for something, for people.
pub(super) fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

#[cfg(test)]
mod tests;
