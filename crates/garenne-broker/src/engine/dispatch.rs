//! Messages to consumers.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use super::message::{Entry, Reason};
use super::queue::{Queue, QueueId};
use super::settle::Unacked;
use super::timers::Timer;
use super::{ChannelKey, ConnectionId, ConsumerId, Engine};
use crate::wire::{Field, Output};

impl Engine {
    /// Puts a message into a queue, which may deliver it at once or have to drop another one.
    pub(super) fn enqueue(&mut self, id: QueueId, mut entry: Entry) {
        let now = self.now;
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        queue.next_position += 1;
        entry.position = queue.next_position;
        let ttl = match (queue.settings.ttl, entry.message.ttl) {
            (Some(left), Some(right)) => Some(left.min(right)),
            (left, right) => left.or(right),
        };
        entry.expires = ttl.map(|ttl| now.saturating_add(ttl));
        queue.ready.push_back(entry);
        self.dispatch(id);
    }

    /// Drops the head while there is too much that nobody takes.
    fn enforce_limit(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        while queue.overflows() {
            let Some(entry) = queue.ready.pop_front() else {
                return;
            };
            self.dead.push_back((id, entry, Reason::MaxLen));
        }
    }

    /// Delivers from a queue as long as there is a message and someone who may have it.
    pub(super) fn dispatch(&mut self, id: QueueId) {
        while self.deliver_next(id) {}
        self.tidy_up(id);
    }

    /// Delivers one message of a queue, if there is one and someone who may have it.
    fn deliver_next(&mut self, id: QueueId) -> bool {
        self.expire_head(id);
        let Some(queue) = self.queues.get(&id) else {
            return false;
        };
        if queue.ready.is_empty() || queue.consumers.is_empty() {
            return false;
        }
        let Some(consumer) = self.next_consumer(id) else {
            return false;
        };
        let queue = self.queues.get_mut(&id);
        let Some(entry) = queue.and_then(|queue| queue.ready.pop_front()) else {
            return false;
        };
        self.deliver(consumer, entry);
        true
    }

    /// Nobody takes what is left in a queue: what is due by now will not find anyone in time either,
    /// and the rest must keep to the queue's limit, also when it came back from a consumer.
    fn tidy_up(&mut self, id: QueueId) {
        let now = self.now;
        self.expire_while(id, |expires| expires <= now);
        self.enforce_limit(id);
        self.reschedule_head(id);
    }

    /// Whose turn it is among those that have room. Consumers of one priority take turns.
    fn next_consumer(&mut self, id: QueueId) -> Option<ConsumerId> {
        let queue = self.queues.get(&id)?;
        if queue.settings.single_active {
            return queue.active.filter(|&active| self.can_take(active));
        }
        let line = &queue.consumers;
        let first = line.iter().position(|&consumer| self.can_take(consumer));
        let full = first.unwrap_or(line.len());
        if full > 0 {
            self.pass_over(id, full);
        }
        let (at, line) = (first?, &self.queues.get(&id)?.consumers);
        let chosen = line[at];
        if line.len() > 1 {
            let priority = self.consumers.get(&chosen)?.priority;
            let behind = |other: &ConsumerId| {
                let other = self.consumers.get(other);
                other.is_some_and(|other| other.priority < priority)
            };
            let end = line[at..].iter().position(behind);
            let end = end.map_or(line.len(), |peers| at + peers);
            self.queues.get_mut(&id)?.consumers[at..end].rotate_left(1);
        }
        Some(chosen)
    }

    /// Notes that the first consumers of a queue had no room.
    fn pass_over(&mut self, id: QueueId, count: usize) {
        let Some(queue) = self.queues.get(&id) else {
            return;
        };
        for consumer in &queue.consumers[..count] {
            if let Some(consumer) = self.consumers.get_mut(consumer) {
                consumer.passed_over = true;
            }
        }
    }

    pub(super) fn can_take(&self, id: ConsumerId) -> bool {
        let Some(consumer) = self.consumers.get(&id) else {
            return false;
        };
        let key = consumer.channel;
        consumer.has_room()
            && self
                .channels
                .get(&key)
                .is_some_and(|channel| channel.has_room())
            && self
                .connections
                .get(&key.0)
                .is_some_and(|connection| !connection.is_clogged())
    }

    fn deliver(&mut self, id: ConsumerId, entry: Entry) {
        let Some(consumer) = self.consumers.get_mut(&id) else {
            return;
        };
        let key = consumer.channel;
        let Some(channel) = self.channels.get_mut(&key) else {
            return;
        };
        let Some(queue) = self.queues.get_mut(&consumer.queue) else {
            return;
        };
        channel.last_tag += 1;
        channel.last_served = Some(id);
        if let Some(connection) = self.connections.get_mut(&key.0) {
            connection.last_served = key.1;
        }
        let output = Output::Deliver {
            channel: key.1,
            consumer_tag: Arc::clone(&consumer.tag),
            delivery_tag: channel.last_tag,
            redelivered: entry.redelivered,
            properties: properties_of(queue, &entry),
            message: Arc::clone(&entry.message),
        };
        if !consumer.no_ack {
            consumer.held += 1;
            // A quorum queue notices at once that a consumer is full, a classic one when it wants
            // to deliver more.
            consumer.passed_over = queue.is_quorum() && !consumer.has_room();
            channel.held += 1;
            queue.unacked += 1;
            let unacked = Unacked {
                queue: consumer.queue,
                consumer: Some(id),
                entry,
                since: self.now,
            };
            channel.unacked.insert(channel.last_tag, unacked);
            self.watch_acks(key);
        }
        self.send(key.0, output);
    }

    /// Takes everything off the head whose time is over. What is due this very moment may still
    /// be delivered: that is how a TTL of 0 reaches a consumer who waits for it.
    pub(super) fn expire_head(&mut self, id: QueueId) {
        let now = self.now;
        self.expire_while(id, |expires| expires < now);
    }

    pub(super) fn on_head_due(&mut self, id: QueueId) {
        let now = self.now;
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.head_timer = None;
        }
        self.expire_while(id, |expires| expires <= now);
        self.dispatch(id);
    }

    fn expire_while(&mut self, id: QueueId, over: impl Fn(super::Time) -> bool) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        while queue
            .ready
            .front()
            .and_then(|entry| entry.expires)
            .is_some_and(&over)
        {
            let Some(entry) = queue.ready.pop_front() else {
                return;
            };
            self.dead.push_back((id, entry, Reason::Expired));
        }
    }

    /// Sets the timer for whatever is at the head now.
    pub(super) fn reschedule_head(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        let due = queue.ready.front().and_then(|entry| entry.expires);
        if due == queue.head_timer.map(|(due, _)| due) {
            return;
        }
        self.timers.cancel(queue.head_timer.take());
        queue.head_timer = due.map(|due| self.timers.add(due, Timer::Head(id)));
    }

    /// Delivers whatever a channel may have again. Its consumers and their queues take turns, from
    /// behind the one that was served last: where they share their room, a place that comes free
    /// must not always be the same one's.
    pub(super) fn dispatch_channel(&mut self, key: ChannelKey) {
        let Some(channel) = self.channels.get(&key) else {
            return;
        };
        let mut consumers: Vec<ConsumerId> = channel.consumers.values().copied().collect();
        consumers.sort_unstable();
        let served = channel.last_served;
        let next = consumers.partition_point(|&id| Some(id) <= served);
        consumers.rotate_left(next);
        let mut queues = Vec::with_capacity(consumers.len());
        let mut seen = HashSet::new();
        for id in consumers {
            self.rejoin(id);
            let queue = self.consumers.get(&id).map(|consumer| consumer.queue);
            queues.extend(queue.filter(|&queue| seen.insert(queue)));
        }
        let mut having = queues.clone();
        while !having.is_empty() {
            having.retain(|&queue| self.deliver_next(queue));
        }
        for queue in queues {
            self.tidy_up(queue);
        }
    }

    /// Delivers whatever a connection may have again. Its channels take turns like the consumers
    /// of one channel.
    pub(super) fn dispatch_to(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let served = connection.last_served;
        let (before, behind): (Vec<u16>, Vec<u16>) = connection
            .channels
            .iter()
            .partition(|&&channel| channel <= served);
        for channel in behind.into_iter().chain(before) {
            self.dispatch_channel((id, channel));
        }
    }
}

/// The properties of a delivery: those of the message, and for a quorum queue how often it came
/// back.
pub(super) fn properties_of(queue: &Queue, entry: &Entry) -> Bytes {
    match queue.told_count(entry) {
        0 => entry.message.properties.bytes().clone(),
        count => {
            let told = ("x-delivery-count".to_owned(), Field::long(count.into()));
            let properties = entry.message.properties.with_headers(&[told]);
            properties.bytes().clone()
        }
    }
}
