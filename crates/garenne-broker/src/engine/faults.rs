//! Faults that live in the broker's state; those of sockets live with the sockets.

use std::collections::BTreeSet;

use amq_protocol::protocol::connection;

use super::connection::Stage;
use super::{ChannelKey, ConnectionId, ConsumerId, Effect, Engine, QueueId, Time};
use crate::wire::Properties;

/// Which channels a fault is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelPick {
    /// Every channel of every connection.
    All,
    /// Channels with a consumer on the queue of this name.
    Consuming(String),
    /// Channels of connections that gave themselves this name (`connection_name`).
    OfConnection(String),
}

/// What is wrong on purpose.
#[derive(Debug, Default)]
pub(super) struct Faults {
    alarm: Option<String>,
    hold_confirms: bool,
    nacks: u64,
    returns: u64,
    /// Queues for which nothing is confirmed.
    silent: BTreeSet<String>,
    /// The header that cannot be read.
    unreadable: Option<String>,
}

impl Faults {
    pub(super) fn confirms_are_held(&self) -> bool {
        self.hold_confirms
    }

    /// Whether the publish that is being decided is to be nacked.
    pub(super) fn takes_nack(&mut self) -> bool {
        take_one(&mut self.nacks)
    }

    /// Whether nothing in these properties is unreadable on purpose.
    pub(super) fn can_read(&self, properties: &Properties) -> bool {
        let Some(unreadable) = &self.unreadable else {
            return true;
        };
        let headers = properties.headers();
        headers.is_none_or(|headers| headers.first(unreadable).is_none())
    }

    /// Whether the mandatory publish that is being routed is to be returned.
    pub(super) fn takes_return(&mut self) -> bool {
        take_one(&mut self.returns)
    }

    /// A node that was restarted has no alarm, and nothing is held for connections that are gone.
    pub(super) fn after_crash(&mut self) {
        *self = Self::default();
    }
}

fn take_one(count: &mut u64) -> bool {
    let any = *count > 0;
    *count = count.saturating_sub(1);
    any
}

impl Engine {
    /// Raises an alarm: connections that publish are blocked, at once if they ever did before.
    pub(crate) fn block(&mut self, reason: &str, now: Time) {
        self.touch(now);
        self.faults.alarm = Some(reason.to_owned());
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            self.block_publisher(id);
        }
    }

    /// Clears the alarm.
    pub(crate) fn unblock(&mut self, now: Time) {
        self.touch(now);
        self.faults.alarm = None;
        let blocked: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, one)| one.blocked)
            .collect();
        let blocked: Vec<_> = blocked
            .into_iter()
            .map(|(id, one)| (*id, one.can(BLOCKED)))
            .collect();
        for (id, wants_to_know) in blocked {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.blocked = false;
            }
            if wants_to_know {
                let unblocked = connection::Unblocked {};
                self.send_zero(id, connection::AMQPMethod::Unblocked(unblocked));
            }
            self.effects.push(Effect::Block(id, false));
        }
    }

    /// Takes note that a connection publishes.
    pub(super) fn note_published(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.has_published = true;
        }
        if self.faults.alarm.is_some() {
            self.block_publisher(id);
        }
    }

    fn block_publisher(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let publishes = connection.has_published && connection.stage == Stage::Running;
        let Some(reason) = self.faults.alarm.as_ref().filter(|_| publishes) else {
            return;
        };
        if std::mem::replace(&mut connection.blocked, true) {
            return;
        }
        let blocked = connection::Blocked {
            reason: crate::exception::short(reason).into(),
        };
        if connection.can(BLOCKED) {
            self.send_zero(id, connection::AMQPMethod::Blocked(blocked));
        }
        self.effects.push(Effect::Block(id, true));
    }

    /// Closes every connection that is open, politely; returns how many.
    pub(crate) fn close_connections(&mut self, code: u16, text: &str, now: Time) -> usize {
        self.touch(now);
        let running = self
            .connections
            .iter()
            .filter(|(_, one)| one.stage == Stage::Running);
        let running: Vec<ConnectionId> = running.map(|(id, _)| *id).collect();
        for &id in &running {
            self.close_connection(id, code, text, (0, 0));
        }
        self.bury_the_dead();
        running.len()
    }

    /// Closes the channels that are meant; returns how many.
    pub(crate) fn close_picked(
        &mut self,
        pick: &ChannelPick,
        code: u16,
        text: &str,
        now: Time,
    ) -> usize {
        self.touch(now);
        let picked = self.pick(pick);
        for &key in &picked {
            self.close_channel(key, code, text, (0, 0));
        }
        self.bury_the_dead();
        picked.len()
    }

    fn pick(&self, pick: &ChannelPick) -> Vec<ChannelKey> {
        let wanted = |key: &ChannelKey| match pick {
            ChannelPick::All => true,
            ChannelPick::Consuming(queue) => self.consumers.values().any(|consumer| {
                consumer.channel == *key
                    && self
                        .queues
                        .get(&consumer.queue)
                        .is_some_and(|one| *one.name == **queue)
            }),
            ChannelPick::OfConnection(name) => self
                .connections
                .get(&key.0)
                .is_some_and(|connection| connection.name.as_ref() == Some(name)),
        };
        let open = self.channels.iter().filter(|(_, channel)| !channel.closing);
        let mut keys: Vec<ChannelKey> = open
            .map(|(key, _)| *key)
            .filter(|key| wanted(key))
            .collect();
        keys.sort_unstable();
        keys
    }

    /// Cancels the consumers of every queue of this name, as when it moves to another node;
    /// returns how many.
    pub(crate) fn cancel_consumers(&mut self, queue: &str, now: Time) -> usize {
        self.touch(now);
        let queues = self.queues.values().filter(|one| *one.name == *queue);
        let mut consumers: Vec<ConsumerId> = queues
            .flat_map(|queue| queue.consumers.iter().copied())
            .collect();
        consumers.sort_unstable();
        for &consumer in &consumers {
            self.cancel_consumer(consumer);
        }
        consumers.len()
    }

    pub(crate) fn hold_confirms(&mut self, hold: bool, now: Time) {
        self.touch(now);
        self.faults.hold_confirms = hold;
        self.flush();
    }

    pub(crate) fn nack_publishes(&mut self, count: u64) {
        self.faults.nacks = count;
    }

    pub(crate) fn return_publishes(&mut self, count: u64) {
        self.faults.returns = count;
    }

    pub(crate) fn refuse_on_open_channels(&mut self, queue: &str) {
        for channel in self.channels.values_mut() {
            channel.refuses.insert(queue.into());
        }
    }

    pub(crate) fn refuse_on_no_channel(&mut self) {
        for channel in self.channels.values_mut() {
            channel.refuses.clear();
        }
    }

    pub(crate) fn confirm_nothing_for(&mut self, queue: &str) {
        self.faults.silent.insert(queue.to_owned());
    }

    pub(crate) fn confirm_for_all(&mut self) {
        self.faults.silent.clear();
    }

    pub(crate) fn fail_over_header(&mut self, name: Option<String>) {
        self.faults.unreadable = name;
    }

    /// Whether no word is said about what is published to this queue.
    pub(super) fn is_silent(&self, queue: QueueId) -> bool {
        let queue = self.queues.get(&queue);
        queue.is_some_and(|queue| self.faults.silent.contains(&*queue.name))
    }

    /// Whether this channel was made to refuse what is for this queue.
    pub(super) fn refuses(&self, key: ChannelKey, queue: QueueId) -> bool {
        let queue = self.queues.get(&queue);
        let channel = self.channels.get(&key);
        channel
            .zip(queue)
            .is_some_and(|(channel, queue)| channel.refuses.contains(&queue.name))
    }
}

/// The capability of clients that know what an alarm is.
const BLOCKED: &str = "connection.blocked";
