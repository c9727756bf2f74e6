//! A publisher of its own, for programs that only send.

use std::fmt;
use std::time::Duration;

use garenne_core::{Fault, Topology};

use super::keeper::{Destination, Home};
use super::room::{MAX_BYTES, MAX_MESSAGES, Room};
use super::{CONFIRM_TIMEOUT, Limits, Publisher};
use crate::environment::{broker_settings, host_name, program_name};
use crate::link::{BrokerUrl, Kind, LinkError, Tls, links_runtime, plain_text_faults};
use crate::resources::no_thread;

/// More are of no use, and none of the memory that they take is.
const MOST_MESSAGES: usize = 1_000_000;

/// How a [`Publisher`] that needs no consumer is made, with other settings than
/// [`Publisher::connect`] has.
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

    /// For whoever has read the addresses already.
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

    /// TLS settings for `amqps://` brokers. With an `amqp://` address beside them, which would be plain
    /// text, nothing is dialled.
    pub fn tls(self, tls: Tls) -> Self {
        Self { tls, ..self }
    }

    /// The name of the program in the name of its connection, as the broker's operator sees it: by
    /// default the name of the executable.
    pub fn service_name(self, service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            ..self
        }
    }

    /// How long a confirm is waited for, not counting time in which the broker blocks publishers:
    /// 10 s by default, above zero. Too short, and messages that a slow broker does store are told
    /// to be late; too long, and a broker that hangs is noticed late.
    pub fn confirm_timeout(self, confirm_timeout: Duration) -> Self {
        Self {
            confirm_timeout,
            ..self
        }
    }

    /// How long the *first* connect goes on trying while the broker cannot be reached: zero by
    /// default, where every address is tried once. Give it some time where the program may start
    /// before its broker. Faults that no waiting mends (a wrong password, a missing virtual host) end
    /// it at once. Later, a lost link is made again for as long as the publisher lives.
    pub fn connect_within(self, window: Duration) -> Self {
        Self {
            connect_within: window,
            ..self
        }
    }

    /// The window: how many messages the publisher holds at once, from 1 to 1,000,000; 1,024 by
    /// default. Senders beyond that wait. Too few, and every confirm is waited for; 256 of them are on
    /// the wire at once, and more than a few thousand gain nothing.
    pub fn max_messages(self, max_messages: usize) -> Self {
        Self {
            max_messages,
            ..self
        }
    }

    /// How many bytes of messages (bodies, properties, names) the publisher holds at once, from 1 to
    /// 4,294,967,295; 64 MiB by default. Senders beyond that wait. A message that is larger than all
    /// of it is sent while no other is held.
    pub fn max_bytes(self, max_bytes: u32) -> Self {
        Self { max_bytes, ..self }
    }

    /// Declares these queues, exchanges and bindings over every new link, before anything is sent; each call adds
    /// some. That takes the right to configure them. Something that is there otherwise is a fault: it ends
    /// the first connect at once, and after a loss the link is made again and again until it is mended.
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

    /// Connects, on a thread of the publisher's own.
    ///
    /// It answers within a bounded time, beyond what [`PublisherBuilder::connect_within`] allows: 10 s at most
    /// for the name of a host, and for each of its addresses 20 s (connect 5 s, TLS 5 s, AMQP handshake
    /// 10 s).
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says what is wrong and what to do about it, never a password.
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
            topology: self.topology,
        };
        let home = Home::found(runtime, destination, self.connect_within);
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

/// Why a publisher could not connect: what failed, on what, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    kind: ConnectErrorKind,
    text: String,
}

/// What sort of trouble a [`ConnectError`] is, for programs that choose an exit code by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// A setting cannot be used, such as an address that is no AMQP URL. Nothing was dialled.
    Faulty,
    /// The broker answered and refuses: credentials, virtual host, TLS. Trying again is of no use.
    Refused,
    /// No broker could be reached or answered in time. It may work later.
    Unreachable,
}

impl ConnectError {
    /// What sort of trouble it is.
    #[must_use]
    pub fn kind(&self) -> ConnectErrorKind {
        self.kind
    }

    /// The thread of the link cannot be made.
    pub(crate) fn internal(error: &std::io::Error) -> Self {
        Self {
            kind: ConnectErrorKind::Unreachable,
            text: no_thread("the thread of the link", error),
        }
    }

    pub(crate) fn faulty(faults: &[Fault]) -> Self {
        let faults: Vec<_> = faults.iter().map(Fault::to_string).collect();
        Self {
            kind: ConnectErrorKind::Faulty,
            text: faults.join("; "),
        }
    }

    pub(crate) fn of(error: &LinkError) -> Self {
        Self {
            kind: match error.kind {
                Kind::Configuration => ConnectErrorKind::Refused,
                Kind::Transient => ConnectErrorKind::Unreachable,
            },
            text: error.to_string(),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ConnectError {}
