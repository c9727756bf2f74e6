//! A publisher with its own link, for programs that only send.

use std::fmt;
use std::time::Duration;

use garenne_core::{Fault, Topology};

use super::keeper::Home;
use super::room::{MAX_BYTES, MAX_MESSAGES, Room};
use super::{CONFIRM_TIMEOUT, Limits, Publisher};
use crate::environment::{broker_settings, host_name, program_name};
use crate::link::{
    BrokerUrl, Cause, Destination, Kind, LinkError, Tls, links_runtime, plain_text_faults,
};
use crate::resources::no_thread;

/// A larger window is of no use, and its memory would be wasted.
const MOST_MESSAGES: usize = 1_000_000;

/// Builds a [`Publisher`] that needs no consumer, with other settings than [`Publisher::connect`] uses.
///
/// ```no_run
/// use garenne::prelude::*;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let publisher = Publisher::builder("amqp://app:secret@mq-1/shop,amqp://app:secret@mq-2/shop")
///     .connect_within(30.secs())
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it connects"]
pub struct PublisherBuilder {
    brokers: Vec<BrokerUrl>,
    tls: Tls,
    service: String,
    confirm_timeout: Duration,
    connect_within: Duration,
    max_messages: usize,
    max_bytes: u32,
    topology: Topology,
    faults: Vec<Fault>,
}

impl PublisherBuilder {
    pub(super) fn new(brokers: &str) -> Self {
        let (brokers, faults) = BrokerUrl::parse_list("broker address", brokers);
        Self {
            brokers,
            tls: Tls::default(),
            service: program_name(),
            confirm_timeout: CONFIRM_TIMEOUT,
            connect_within: Duration::ZERO,
            max_messages: MAX_MESSAGES,
            max_bytes: MAX_BYTES,
            topology: Topology::new(),
            faults,
        }
    }

    /// For callers that have parsed the addresses already.
    pub(crate) fn to(brokers: Vec<BrokerUrl>, tls: Tls) -> Self {
        Self {
            brokers,
            tls,
            faults: Vec::new(),
            ..Self::new("amqp://localhost:5672")
        }
    }

    pub(super) fn from_env() -> Self {
        let settings = broker_settings();
        let mut builder = Self::new("amqp://localhost:5672").tls(settings.tls);
        if let Some(brokers) = settings.brokers {
            builder.brokers = brokers;
        }
        builder.faults.extend(settings.faults);
        for told in settings.strange {
            tracing::warn!(event = "unknown_variable", "{told}");
        }
        builder
    }

    /// TLS settings for `amqps://` brokers. If an `amqp://` address is given too, which would be plain text,
    /// nothing is dialled.
    pub fn tls(self, tls: Tls) -> Self {
        Self { tls, ..self }
    }

    /// The program's name within the name of its connection, as the broker's operator sees it. The default is
    /// the name of the executable.
    pub fn service_name(self, service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            ..self
        }
    }

    /// How long a send waits for its confirm: above zero, 10 s by default. Time in which the broker blocks
    /// publishers does not count. If it is too short, sends time out although a slow broker does store the
    /// messages; if it is too long, a broker that hangs is noticed late.
    pub fn confirm_timeout(self, confirm_timeout: Duration) -> Self {
        Self {
            confirm_timeout,
            ..self
        }
    }

    /// How long the *first* connect retries while the broker cannot be reached. The default is zero: each
    /// address is tried once. Set a window where the program may start before its broker. A fault that
    /// waiting cannot mend (a wrong password, a missing virtual host) ends the connect at once. After the
    /// first connect, the publisher makes a lost link again for as long as it lives.
    pub fn connect_within(self, window: Duration) -> Self {
        Self {
            connect_within: window,
            ..self
        }
    }

    /// The window: how many messages the publisher holds at once, from 1 to 1,000,000; 1,024 by default.
    /// Further senders wait. With too few, sends wait for every confirm. At most 256 messages are on the wire
    /// at once, and more than a few thousand gain nothing.
    pub fn max_messages(self, max_messages: usize) -> Self {
        Self {
            max_messages,
            ..self
        }
    }

    /// How many bytes of messages (bodies, properties, names) the publisher holds at once, from 1 to
    /// 4,294,967,295; 64 MiB by default. Further senders wait. A message larger than the whole window is sent
    /// while no other message is held.
    pub fn max_bytes(self, max_bytes: u32) -> Self {
        Self { max_bytes, ..self }
    }

    /// Declares these queues, exchanges and bindings over every new link, before any message is sent. Each
    /// call adds to them. The user needs the right to configure them. An entity that exists with other
    /// arguments is a fault: it ends the first connect at once; after a loss, the publisher makes the link
    /// again and again until the fault is mended.
    ///
    /// ```no_run
    /// # use garenne::prelude::*;
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let publisher = Publisher::from_env()
    ///     .declare(Queue::quorum("orders"))
    ///     .declare(Topology::new().exchange("events", ExchangeKind::Topic))
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn declare(self, topology: impl Into<Topology>) -> Self {
        Self {
            topology: self.topology.and(topology),
            ..self
        }
    }

    /// Connects, on the publisher's own thread.
    ///
    /// Beyond the time of [`PublisherBuilder::connect_within`], the call takes at most 10 s for the name of a
    /// host, and 20 s for each of its addresses (connect 5 s, TLS 5 s, AMQP handshake 10 s).
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says what is wrong and how to mend it; it never contains a password.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the attempt and its thread.
    pub async fn connect(mut self) -> Result<Publisher, ConnectError> {
        self.check();
        if !self.faults.is_empty() {
            return Err(ConnectError::faulty(&self.faults));
        }
        let runtime = links_runtime().map_err(|error| ConnectError::internal(&error))?;
        let destination = Destination {
            name: format!("{} on {} (publish)", self.service, host_name()),
            brokers: self.brokers,
            tls: self.tls,
            runtime: runtime.handle().clone(),
        };
        let home = Home::found(runtime, destination, self.topology, self.connect_within);
        let home = home.await.map_err(|error| ConnectError::of(&error))?;
        let room = Room::new(self.max_messages, self.max_bytes);
        let limits = Limits::new(self.confirm_timeout);
        Ok(Publisher::at_home(home, limits, room))
    }

    fn check(&mut self) {
        self.faults
            .extend(plain_text_faults(&self.brokers, &self.tls));
        if self.confirm_timeout.is_zero() {
            let accepted = "a duration above zero";
            let fault = Fault::new("confirm timeout", "0s", accepted);
            self.faults.push(fault);
        }
        if !(1..=MOST_MESSAGES).contains(&self.max_messages) {
            let accepted = format!("1 to {MOST_MESSAGES}");
            let fault = Fault::new("messages in the window", self.max_messages, accepted);
            self.faults.push(fault);
        }
        self.faults.extend(self.topology.faults());
        if self.max_bytes == 0 {
            let fault = Fault::new("bytes in the window", 0, "1 or more");
            self.faults.push(fault);
        }
    }
}

/// Why a publisher could not connect: the action, its object, the cause, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    kind: ConnectErrorKind,
    code: Option<u16>,
    text: String,
    cause: Cause,
}

/// The kind of a [`ConnectError`], for programs that choose an exit code by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// A setting cannot be used, such as an address that is not an AMQP URL. Nothing was dialled.
    Faulty,
    /// The broker answered with a refusal: credentials, virtual host, TLS. Trying again is of no use.
    Refused,
    /// No broker could be reached, or none answered in time. A later attempt may succeed.
    Unreachable,
}

impl ConnectError {
    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> ConnectErrorKind {
        self.kind
    }

    /// AMQP's reply code, if a broker answered with a refusal: 403 for wrong credentials, 530 for a virtual
    /// host that is missing or closed to this user.
    #[must_use]
    pub const fn code(&self) -> Option<u16> {
        self.code
    }

    fn new(kind: ConnectErrorKind, text: String) -> Self {
        Self {
            kind,
            code: None,
            text,
            cause: Cause::default(),
        }
    }

    /// The thread of the link cannot be made.
    pub(crate) fn internal(error: &std::io::Error) -> Self {
        let text = no_thread("the thread of the link", error);
        Self::new(ConnectErrorKind::Unreachable, text)
    }

    pub(crate) fn faulty(faults: &[Fault]) -> Self {
        let faults: Vec<_> = faults.iter().map(Fault::to_string).collect();
        Self::new(ConnectErrorKind::Faulty, faults.join("; "))
    }

    pub(crate) fn of(error: &LinkError) -> Self {
        let kind = match error.kind {
            Kind::Configuration => ConnectErrorKind::Refused,
            Kind::Transient => ConnectErrorKind::Unreachable,
        };
        Self {
            code: error.reply_code(),
            cause: error.cause(),
            ..Self::new(kind, error.to_string())
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The source is the error below the words of this error, if there is any.
impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.source()
    }
}
