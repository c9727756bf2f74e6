//! A queue: what waits in it, in which order.

use std::collections::VecDeque;

use amq_protocol::types::FieldTable;

use super::arguments::{Overflow, QueueKind, Settings};
use super::message::{Entry, Reason};
use super::timers::TimerKey;
use super::{ConnectionId, ConsumerId, Name};

/// Names a queue for as long as it lives; a queue declared again under its name is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct QueueId(pub(crate) u64);

/// A queue and everything it holds but the messages that wait for an ack.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) id: QueueId,
    pub(crate) vhost: Name,
    pub(crate) name: Name,
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
    pub(crate) exclusive: Option<ConnectionId>,
    pub(crate) arguments: FieldTable,
    pub(crate) settings: Settings,
    pub(crate) ready: Ready,
    /// How many of its messages wait for an ack.
    pub(crate) unacked: usize,
    /// In the order in which they are served next; higher priorities first.
    pub(crate) consumers: Vec<ConsumerId>,
    /// The consumer that gets everything, with `x-single-active-consumer`.
    pub(crate) active: Option<ConsumerId>,
    pub(crate) next_position: u64,
    /// Wakes the queue when its head expires.
    pub(crate) head_timer: Option<TimerKey>,
    /// Deletes the queue when nobody used it for long enough.
    pub(crate) expiry_timer: Option<TimerKey>,
    /// Dead letters of an at-least-once quorum queue that found no target yet.
    pub(crate) stranded: Vec<(Entry, Reason)>,
    pub(crate) stranded_timer: Option<TimerKey>,
}

impl Queue {
    pub(crate) fn new(
        id: QueueId,
        vhost: Name,
        name: Name,
        arguments: FieldTable,
        settings: Settings,
    ) -> Self {
        let levels = usize::from(settings.max_priority) + 1;
        Self {
            id,
            vhost,
            name,
            durable: false,
            auto_delete: false,
            exclusive: None,
            arguments,
            settings,
            ready: Ready::new(levels),
            unacked: 0,
            consumers: Vec::new(),
            active: None,
            next_position: 0,
            head_timer: None,
            expiry_timer: None,
            stranded: Vec::new(),
            stranded_timer: None,
        }
    }

    /// RabbitMQ's way to name a queue in a text.
    pub(crate) fn resource(&self) -> String {
        resource("queue", &self.name, &self.vhost)
    }

    pub(crate) fn is_quorum(&self) -> bool {
        self.settings.kind == QueueKind::Quorum
    }

    /// The delivery count that a client is told: how often this queue got the message back, and
    /// until it did, how often the one before saw it fail.
    pub(crate) fn told_count(&self, entry: &Entry) -> u32 {
        match entry.returns {
            _ if !self.is_quorum() => 0,
            0 => entry.message.failures,
            returns => returns,
        }
    }

    /// Whether a message of this size would have to be refused. A classic queue never goes over
    /// its limit; a quorum queue notices afterwards, so it holds one message more.
    pub(crate) fn refuses(&self, bytes: usize) -> bool {
        let (length, size) = match self.settings.kind {
            QueueKind::Classic => (self.ready.len() + 1, self.ready.bytes() + bytes as u64),
            QueueKind::Quorum => (self.ready.len(), self.ready.bytes()),
        };
        self.settings.overflow != Overflow::DropHead && self.exceeds(length as u64, size)
    }

    /// Whether the head must go because there is too much behind it.
    pub(crate) fn overflows(&self) -> bool {
        self.settings.overflow == Overflow::DropHead
            && !self.ready.is_empty()
            && self.exceeds(self.ready.len() as u64, self.ready.bytes())
    }

    fn exceeds(&self, length: u64, bytes: u64) -> bool {
        self.settings.max_length.is_some_and(|max| length > max)
            || self.settings.max_bytes.is_some_and(|max| bytes > max)
    }

    /// Takes a message back. A classic queue gives it its old place. A quorum queue keeps what
    /// came back in a queue of its own, before all that was never delivered; but what a client
    /// gives back to one without a delivery limit goes to the end, so that it cannot block it.
    pub(crate) fn restore(&mut self, mut entry: Entry, how: Return) {
        if !self.is_quorum() {
            self.ready.restore(entry);
        } else if how == Return::Requeued && self.settings.delivery_limit.is_none() {
            self.next_position += 1;
            entry.position = self.next_position;
            self.ready.push_back(entry);
        } else {
            self.ready.push_returned(entry);
        }
    }
}

/// How a message came back to its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Return {
    /// A client gave it back.
    Requeued,
    /// Whoever had it is gone.
    Lost,
}

/// RabbitMQ's way to name a thing in a text.
pub(crate) fn resource(kind: &str, name: &str, vhost: &str) -> String {
    format!("{kind} '{name}' in vhost '{vhost}'")
}

/// The messages that can be delivered, in order.
#[derive(Debug)]
pub(crate) struct Ready {
    returned: VecDeque<Entry>,
    /// One line for each priority, the lowest first; each sorted by position.
    levels: Vec<VecDeque<Entry>>,
    len: usize,
    bytes: u64,
}

impl Ready {
    fn new(levels: usize) -> Self {
        Self {
            returned: VecDeque::new(),
            levels: (0..levels).map(|_| VecDeque::new()).collect(),
            len: 0,
            bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of all bodies.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// In the order of delivery.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.returned
            .iter()
            .chain(self.levels.iter().rev().flatten())
    }

    pub(crate) fn front(&self) -> Option<&Entry> {
        match self.returned.front() {
            Some(entry) => Some(entry),
            None => self.levels.iter().rev().find_map(VecDeque::front),
        }
    }

    pub(crate) fn pop_front(&mut self) -> Option<Entry> {
        let entry = match self.returned.pop_front() {
            Some(entry) => Some(entry),
            None => self.levels.iter_mut().rev().find_map(VecDeque::pop_front),
        }?;
        self.len -= 1;
        self.bytes -= entry.message.body.len() as u64;
        Some(entry)
    }

    pub(crate) fn push_back(&mut self, entry: Entry) {
        self.count(&entry);
        self.level(&entry).push_back(entry);
    }

    /// Puts a message back to its old place.
    fn restore(&mut self, entry: Entry) {
        self.count(&entry);
        let level = self.level(&entry);
        let at = level.partition_point(|other| other.position < entry.position);
        level.insert(at, entry);
    }

    fn push_returned(&mut self, entry: Entry) {
        self.count(&entry);
        self.returned.push_back(entry);
    }

    /// Empties the queue.
    pub(crate) fn drain(&mut self) -> Vec<Entry> {
        let mut all = Vec::with_capacity(self.len);
        while let Some(entry) = self.pop_front() {
            all.push(entry);
        }
        all
    }

    fn count(&mut self, entry: &Entry) {
        self.len += 1;
        self.bytes += entry.message.body.len() as u64;
    }

    fn level(&mut self, entry: &Entry) -> &mut VecDeque<Entry> {
        let highest = self.levels.len() - 1;
        &mut self.levels[usize::from(entry.priority).min(highest)]
    }
}
