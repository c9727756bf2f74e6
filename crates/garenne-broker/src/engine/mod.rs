//! The broker without sockets: frames and time come in, effects go out.
//!
//! Nothing here waits, reads a clock or knows a socket. Every entry point takes what happened and
//! when, changes the state, and leaves what must be sent in a list of [`Effect`]s.

mod arguments;
mod auth;
mod channel;
mod confirm;
mod connection;
mod consume;
mod content;
mod crash;
mod dead_letter;
mod dispatch;
mod exchange;
mod exchanges;
mod faults;
mod handshake;
mod headers;
mod message;
mod publish;
mod queue;
mod queues;
mod reply_to;
mod routing;
mod settle;
#[cfg(test)]
mod tests;
mod timers;
mod tx;
mod values;
mod view;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use amq_protocol::protocol::AMQPClass;

pub(crate) use channel::Channel;
pub(crate) use connection::Connection;
pub(crate) use consume::Consumer;
pub(crate) use exchange::{Exchange, ExchangeKind};
pub use faults::ChannelPick;
pub(crate) use message::{Entry, Message, Reason};
pub(crate) use queue::{Queue, QueueId};
use timers::{Timer, Timers};

use crate::exception::Exception;
use crate::password::Password;
use crate::wire::Output;

/// A name, shared by everything that bears it.
pub(crate) type Name = Arc<str>;
/// A moment on the broker's clock, counted from its start.
pub(crate) type Time = Duration;
/// A channel is known by its connection and its number there.
pub(crate) type ChannelKey = (ConnectionId, u16);

/// Names a connection, once and for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// Names a consumer, once and for ever; its tag is unique in its channel only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConsumerId(pub(crate) u64);

/// What the world must do because of what happened.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// Send something, after everything that was to be sent before.
    Send(ConnectionId, Output),
    /// The limits of a connection are agreed on.
    Tuned {
        connection: ConnectionId,
        frame_max: usize,
        heartbeat: Duration,
    },
    /// The handshake is over.
    Opened(ConnectionId),
    /// Stop (or go on) reading from a connection that is blocked.
    Block(ConnectionId, bool),
    /// A close was sent or answered: give the peer a moment to answer, or to end the socket.
    Closing(ConnectionId),
    /// Everything is said: close when it is written.
    Hangup(ConnectionId),
}

/// What a broker is told once and for all.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) users: HashMap<String, Password>,
    pub(crate) vhosts: Vec<String>,
    pub(crate) channel_max: u16,
    pub(crate) frame_max: u32,
    pub(crate) heartbeat: u16,
    pub(crate) max_message_size: u64,
    pub(crate) consumer_timeout: Option<Duration>,
    pub(crate) product: String,
    pub(crate) version: String,
    /// Milliseconds since 1970 when the clock began.
    pub(crate) epoch_millis: u64,
}

/// A namespace of exchanges and queues.
#[derive(Debug)]
pub(crate) struct VHost {
    pub(crate) exchanges: BTreeMap<Name, Exchange>,
    pub(crate) queues: BTreeMap<Name, QueueId>,
}

/// The broker's whole state.
#[derive(Debug)]
pub(crate) struct Engine {
    options: Options,
    now: Time,
    vhosts: BTreeMap<Name, VHost>,
    queues: HashMap<QueueId, Queue>,
    connections: BTreeMap<ConnectionId, Connection>,
    channels: HashMap<ChannelKey, Channel>,
    consumers: HashMap<ConsumerId, Consumer>,
    timers: Timers,
    faults: faults::Faults,
    effects: Vec<Effect>,
    /// Messages that left their queue and still have to be sent to its dead-letter exchange.
    dead: VecDeque<(QueueId, Entry, Reason)>,
    /// Channels with confirms that are not sent yet.
    confirming: Vec<ChannelKey>,
    last_id: u64,
    names: RandomState,
    /// Grows with every change, so that a watcher knows when to look again.
    version: u64,
}

impl Engine {
    pub(crate) fn new(options: Options) -> Self {
        let vhosts = options
            .vhosts
            .iter()
            .map(|name| (Name::from(name.as_str()), VHost::new()));
        Self {
            vhosts: vhosts.collect(),
            options,
            now: Time::ZERO,
            queues: HashMap::new(),
            connections: BTreeMap::new(),
            channels: HashMap::new(),
            consumers: HashMap::new(),
            timers: Timers::default(),
            faults: faults::Faults::default(),
            effects: Vec::new(),
            dead: VecDeque::new(),
            confirming: Vec::new(),
            last_id: 0,
            names: RandomState::new(),
            version: 0,
        }
    }

    /// Everything that is to be done now, in order.
    pub(crate) fn take_effects(&mut self, into: &mut Vec<Effect>) {
        std::mem::swap(&mut self.effects, into);
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// When [`Engine::fire`] has something to do next.
    pub(crate) fn next_due(&self) -> Option<Time> {
        self.timers.next_due()
    }

    /// Lets time pass: everything that is due until `now` happens in order, each at its own time,
    /// so that a message that expires from one queue into another may expire there as well.
    pub(crate) fn fire(&mut self, now: Time) {
        while let Some((due, timer)) = self.timers.pop(now) {
            self.touch(due);
            self.on_timer(timer);
            self.bury_the_dead();
        }
        self.now = self.now.max(now);
        self.flush();
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Head(queue) => self.on_head_due(queue),
            Timer::Expiry(queue) => self.on_queue_expired(queue),
            Timer::Stranded(queue) => self.on_stranded_due(queue),
            Timer::Ack(channel) => self.on_ack_due(channel),
        }
    }

    /// Takes note that something happens at `now`; time never runs backwards.
    fn touch(&mut self, now: Time) {
        self.now = self.now.max(now);
        self.version += 1;
    }

    /// Seconds since 1970, for headers.
    fn wall_seconds(&self) -> u64 {
        let running = u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX);
        self.options.epoch_millis.saturating_add(running) / 1000
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A name that nobody else has, in RabbitMQ's style.
    fn generated_name(&mut self, prefix: &str) -> Name {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let id = self.next_id();
        let (high, low) = (self.names.hash_one((id, 0)), self.names.hash_one((id, 1)));
        let mut bits = u128::from(high) << 64 | u128::from(low);
        let mut name = format!("{prefix}-");
        for _ in 0..22 {
            name.push(char::from(DIGITS[(bits % 64) as usize]));
            bits /= 64;
        }
        Name::from(name)
    }

    fn send(&mut self, connection: ConnectionId, output: Output) {
        if let Some(state) = self.connections.get_mut(&connection) {
            state.outstanding += output.size();
            self.effects.push(Effect::Send(connection, output));
        }
    }

    fn send_method(&mut self, (connection, channel): ChannelKey, method: AMQPClass) {
        self.send(connection, Output::Method(channel, method));
    }

    /// Answers unless the client asked for silence.
    fn reply(&mut self, key: ChannelKey, nowait: bool, method: AMQPClass) {
        if !nowait {
            self.send_method(key, method);
        }
    }

    fn vhost_of(&self, connection: ConnectionId) -> Name {
        match self.connections.get(&connection) {
            Some(connection) => Arc::clone(&connection.vhost),
            None => Name::from("/"),
        }
    }

    fn queue_named(&self, vhost: &str, name: &str) -> Option<&Queue> {
        self.queues.get(self.vhosts.get(vhost)?.queues.get(name)?)
    }

    fn exchange_mut(&mut self, vhost: &str, name: &str) -> Option<&mut Exchange> {
        self.vhosts.get_mut(vhost)?.exchanges.get_mut(name)
    }

    /// Whether nothing is left of any client: for the tests that look for leaks.
    #[cfg(test)]
    pub(crate) fn is_deserted(&self) -> bool {
        self.connections.is_empty()
            && self.channels.is_empty()
            && self.consumers.is_empty()
            && self.confirming.is_empty()
            && self.dead.is_empty()
            && self.effects.is_empty()
            && self
                .queues
                .values()
                .all(|queue| queue.unacked == 0 && queue.consumers.is_empty())
    }

    /// How many timers are set.
    #[cfg(test)]
    pub(crate) fn timers(&self) -> usize {
        self.timers.len()
    }
}

impl VHost {
    fn new() -> Self {
        let exchanges = [
            ("", ExchangeKind::Direct),
            ("amq.direct", ExchangeKind::Direct),
            ("amq.fanout", ExchangeKind::Fanout),
            ("amq.topic", ExchangeKind::Topic),
            ("amq.headers", ExchangeKind::Headers),
            ("amq.match", ExchangeKind::Headers),
            ("amq.rabbitmq.trace", ExchangeKind::Topic),
        ];
        let exchanges = exchanges.map(|(name, kind)| {
            let mut exchange = Exchange::new(Name::from(name), kind, true);
            exchange.internal = name == "amq.rabbitmq.trace";
            (Name::from(name), exchange)
        });
        Self {
            exchanges: exchanges.into(),
            queues: BTreeMap::new(),
        }
    }
}

/// What most methods come to.
type Outcome = Result<(), Exception>;
