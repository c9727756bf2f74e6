//! What can be seen of a broker: plain values, taken at one moment.

use std::time::Duration;

use amq_protocol::protocol::BasicProperties;
use amq_protocol::types::FieldTable;
use bytes::Bytes;

/// The type of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueueType {
    /// A classic queue.
    Classic,
    /// A quorum queue: counts deliveries and keeps every message over a restart.
    Quorum,
}

/// A broker at one moment.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct View {
    /// All queues, by virtual host and name.
    pub queues: Vec<QueueView>,
    /// All connections, the oldest first.
    pub connections: Vec<ConnectionView>,
}

impl View {
    /// The queue of this name; in the first virtual host that has one.
    #[must_use]
    pub fn queue(&self, name: &str) -> Option<&QueueView> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    /// How many messages wait in a queue; 0 when there is no such queue.
    #[must_use]
    pub fn ready(&self, name: &str) -> usize {
        self.queue(name).map_or(0, |queue| queue.ready)
    }

    /// How many messages of a queue wait for an ack; 0 when there is no such queue.
    #[must_use]
    pub fn unacked(&self, name: &str) -> usize {
        self.queue(name).map_or(0, |queue| queue.unacked)
    }

    /// How many consumers a queue has; 0 when there is no such queue.
    #[must_use]
    pub fn consumers(&self, name: &str) -> usize {
        self.queue(name).map_or(0, |queue| queue.consumers)
    }
}

/// A queue at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct QueueView {
    /// The virtual host.
    pub vhost: String,
    /// The name.
    pub name: String,
    /// Classic or quorum.
    pub kind: QueueType,
    /// Whether it survives [`Faults::crash`](crate::Faults::crash).
    pub durable: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// Whether it belongs to one connection.
    pub exclusive: bool,
    /// The arguments it was declared with.
    pub arguments: FieldTable,
    /// How many messages can be delivered.
    pub ready: usize,
    /// The bytes of their bodies.
    pub ready_bytes: u64,
    /// How many messages were delivered and not acked.
    pub unacked: usize,
    /// How many dead letters of an at-least-once quorum queue wait for their target. As in
    /// RabbitMQ they do not count as messages of the queue.
    pub stranded: usize,
    /// How many consumers there are.
    pub consumers: usize,
}

/// A message at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MessageView {
    /// The body.
    pub body: Bytes,
    /// Properties and headers as a consumer would get them, as far as they are readable: what is
    /// not UTF-8 is replaced, and what nests deeper than 64 levels is a byte array.
    pub properties: BasicProperties,
    /// The same, in the bytes that a consumer would get: two bytes of flags, and the values.
    pub raw_properties: Bytes,
    /// The exchange it was published to, or dead-lettered to.
    pub exchange: String,
    /// The routing key it came with.
    pub routing_key: String,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// How often a quorum queue got it back.
    pub delivery_count: u32,
    /// Whether somebody has it and did not ack it.
    pub unacked: bool,
    /// When it expires, on the broker's clock.
    pub expires_at: Option<Duration>,
}

/// A binding at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BindingView {
    /// The virtual host.
    pub vhost: String,
    /// The exchange it starts at.
    pub source: String,
    /// Where it leads.
    pub destination: String,
    /// Whether that is an exchange; otherwise it is a queue.
    pub to_exchange: bool,
    /// The routing key.
    pub routing_key: String,
    /// The arguments.
    pub arguments: FieldTable,
}

/// An exchange at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ExchangeView {
    /// The virtual host.
    pub vhost: String,
    /// The name; the default exchange has none.
    pub name: String,
    /// `direct`, `fanout`, `topic` or `headers`.
    pub kind: String,
    /// Whether it survives [`Faults::crash`](crate::Faults::crash).
    pub durable: bool,
    /// Whether it goes with its last binding.
    pub auto_delete: bool,
    /// Whether clients may not publish to it.
    pub internal: bool,
    /// The arguments it was declared with.
    pub arguments: FieldTable,
}

/// A connection at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConnectionView {
    /// The name that the client gave itself (`connection_name`).
    pub name: Option<String>,
    /// The client's address.
    pub peer: String,
    /// Who logged in; empty during the handshake.
    pub user: String,
    /// The virtual host.
    pub vhost: String,
    /// Whether the handshake is done and nobody closed it.
    pub open: bool,
    /// Whether an alarm stopped it.
    pub blocked: bool,
    /// The open channels.
    pub channels: Vec<ChannelView>,
}

/// A channel at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelView {
    /// The number.
    pub number: u16,
    /// How many consumers it has.
    pub consumers: usize,
    /// How many deliveries wait for its acks.
    pub unacked: usize,
    /// What a new consumer may hold; 0 is any number.
    pub prefetch: u16,
    /// Whether it asked for confirms.
    pub confirms: bool,
}
