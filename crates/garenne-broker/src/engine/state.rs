//! The broker's whole state, and how time passes in it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use amq_protocol::protocol::AMQPClass;

use super::timers::{Timer, Timers};
use super::{
    Channel, ChannelKey, Connection, ConnectionId, Consumer, ConsumerId, Effect, Entry, Exchange,
    Name, Options, Queue, QueueId, Reason, Time, VHost, faults,
};
use crate::wire::Output;

/// The broker's whole state.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(super) options: Options,
    pub(super) now: Time,
    pub(super) vhosts: BTreeMap<Name, VHost>,
    pub(super) queues: HashMap<QueueId, Queue>,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    pub(super) channels: HashMap<ChannelKey, Channel>,
    pub(super) consumers: HashMap<ConsumerId, Consumer>,
    pub(super) timers: Timers,
    pub(super) faults: faults::Faults,
    pub(super) effects: Vec<Effect>,
    /// Messages that left their queue and still have to be sent to its dead-letter exchange.
    pub(super) dead: VecDeque<(QueueId, Entry, Reason)>,
    /// Channels with confirms that are not sent yet.
    pub(super) confirming: Vec<ChannelKey>,
    last_id: u64,
    names: RandomState,
    /// Grows with every change, so that a watcher knows when to look again.
    pub(super) version: u64,
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
    pub(super) fn touch(&mut self, now: Time) {
        self.now = self.now.max(now);
        self.version += 1;
    }

    /// Seconds since 1970, for headers.
    pub(super) fn wall_seconds(&self) -> u64 {
        let running = u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX);
        self.options.epoch_millis.saturating_add(running) / 1000
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A name that nobody else has, in RabbitMQ's style.
    pub(super) fn generated_name(&mut self, prefix: &str) -> Name {
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

    pub(super) fn send(&mut self, connection: ConnectionId, output: Output) {
        if let Some(state) = self.connections.get_mut(&connection) {
            state.outstanding += output.size();
            self.effects.push(Effect::Send(connection, output));
        }
    }

    pub(super) fn send_method(&mut self, (connection, channel): ChannelKey, method: AMQPClass) {
        self.send(connection, Output::Method(channel, method));
    }

    /// Answers unless the client asked for silence.
    pub(super) fn reply(&mut self, key: ChannelKey, nowait: bool, method: AMQPClass) {
        if !nowait {
            self.send_method(key, method);
        }
    }

    pub(super) fn vhost_of(&self, connection: ConnectionId) -> Name {
        match self.connections.get(&connection) {
            Some(connection) => Arc::clone(&connection.vhost),
            None => Name::from("/"),
        }
    }

    pub(super) fn queue_named(&self, vhost: &str, name: &str) -> Option<&Queue> {
        self.queues.get(self.vhosts.get(vhost)?.queues.get(name)?)
    }

    pub(super) fn exchange_mut(&mut self, vhost: &str, name: &str) -> Option<&mut Exchange> {
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
