//! Consumers: how they come, what they may hold, how they go; and `basic.get`.

use std::collections::HashMap;
use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, basic};

use super::arguments::check_consumer;
use super::dispatch::properties_of;
use super::queue::QueueId;
use super::settle::Unacked;
use super::values::integer;
use super::{ChannelKey, ConsumerId, Engine, Name, Outcome, reply_to};
use crate::exception::{
    Exception, access_refused, not_allowed, not_implemented, precondition_failed, short,
};
use crate::wire::Output;

/// Someone who gets the messages of a queue.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) channel: ChannelKey,
    pub(crate) queue: QueueId,
    pub(crate) tag: Name,
    pub(crate) no_ack: bool,
    pub(crate) exclusive: bool,
    pub(crate) priority: i32,
    /// How many deliveries it may hold; 0 is any number.
    pub(crate) prefetch: u16,
    pub(crate) held: usize,
    /// Whether others were preferred because it had no room; when it has some again, it starts
    /// at the end.
    pub(crate) passed_over: bool,
}

impl Consumer {
    pub(super) fn has_room(&self) -> bool {
        self.prefetch == 0 || self.held < usize::from(self.prefetch)
    }
}

impl Engine {
    pub(super) fn on_qos(&mut self, key: ChannelKey, qos: &basic::Qos) -> Outcome {
        let Some(channel) = self.channels.get_mut(&key) else {
            return Ok(());
        };
        // The codec leaves the prefetch size out; RabbitMQ does not implement it either.
        if qos.global {
            channel.global_prefetch = qos.prefetch_count;
        } else {
            channel.global_prefetch = 0;
            channel.prefetch = qos.prefetch_count;
        }
        self.send_method(
            key,
            AMQPClass::Basic(basic::AMQPMethod::QosOk(basic::QosOk {})),
        );
        self.dispatch_channel(key);
        Ok(())
    }

    pub(super) fn on_consume(&mut self, key: ChannelKey, consume: &basic::Consume) -> Outcome {
        if consume.queue.as_str() == reply_to::PSEUDO_QUEUE {
            return self.consume_replies(key, consume);
        }
        let queue = self.reachable_queue(key, consume.queue.as_str())?;
        let Some(channel) = self.channels.get(&key) else {
            return Ok(());
        };
        let tag = consume.consumer_tag.as_str();
        if channel.consumers.contains_key(tag) {
            return Err(not_allowed(format!(
                "attempt to reuse consumer tag '{tag}'"
            )));
        }
        let (global, prefetch) = (channel.global_prefetch != 0, channel.prefetch);
        self.check_consume(queue, consume, global)?;
        let tag = match tag {
            "" => self.generated_name("amq.ctag"),
            tag => Name::from(tag),
        };
        let id = ConsumerId(self.next_id());
        let priority = integer(&consume.arguments, "x-priority").unwrap_or(0);
        let consumer = Consumer {
            channel: key,
            queue,
            tag: Arc::clone(&tag),
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            priority: i32::try_from(priority).unwrap_or(if priority < 0 {
                i32::MIN
            } else {
                i32::MAX
            }),
            prefetch: if consume.no_ack { 0 } else { prefetch },
            held: 0,
            passed_over: false,
        };
        self.attach_consumer(id, consumer);
        if let Some(channel) = self.channels.get_mut(&key) {
            channel.consumers.insert(Arc::clone(&tag), id);
        }
        let ok = basic::ConsumeOk {
            consumer_tag: (&*tag).into(),
        };
        self.reply(
            key,
            consume.nowait,
            AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(ok)),
        );
        self.dispatch(queue);
        Ok(())
    }

    fn check_consume(&self, id: QueueId, consume: &basic::Consume, global: bool) -> Outcome {
        let Some(queue) = self.queues.get(&id) else {
            return Ok(());
        };
        check_consumer(&queue.resource(), &consume.arguments)?;
        let offset = "x-stream-offset";
        if consume.arguments.inner().contains_key(offset) {
            let kind = if queue.is_quorum() {
                "quorum"
            } else {
                "classic"
            };
            return Err(precondition_failed(format!(
                "invalid arg '{offset}' for {} of queue type rabbit_{kind}_queue",
                queue.resource()
            )));
        }
        if queue.is_quorum() && global {
            return Err(not_implemented(format!(
                "{} does not support global qos",
                queue.resource()
            )));
        }
        // A quorum queue does not care, and a single active consumer must not be the only one.
        if queue.is_quorum() {
            return Ok(());
        }
        let shared = queue.settings.single_active || !queue.consumers.is_empty();
        let mut others = queue
            .consumers
            .iter()
            .filter_map(|other| self.consumers.get(other));
        if others.any(|other| other.exclusive) || (consume.exclusive && shared) {
            return Err(access_refused(format!(
                "{} in exclusive use",
                queue.resource()
            )));
        }
        Ok(())
    }

    fn attach_consumer(&mut self, id: ConsumerId, consumer: Consumer) {
        let Some(queue) = self.queues.get_mut(&consumer.queue) else {
            return;
        };
        line_up(&mut queue.consumers, &self.consumers, id, consumer.priority);
        // Whoever comes first is the active one, whatever priority others bring along.
        queue.active.get_or_insert(id);
        self.timers.cancel(queue.expiry_timer.take());
        self.consumers.insert(id, consumer);
    }

    /// A consumer may have room again: then it takes part, but from the end.
    pub(super) fn rejoin(&mut self, id: ConsumerId) {
        let waits = |consumer: &&Consumer| consumer.passed_over;
        if self.consumers.get(&id).filter(waits).is_none() || !self.can_take(id) {
            return;
        }
        let Some(consumer) = self.consumers.get_mut(&id) else {
            return;
        };
        consumer.passed_over = false;
        let (queue, priority) = (consumer.queue, consumer.priority);
        if let Some(queue) = self.queues.get_mut(&queue) {
            queue.consumers.retain(|other| *other != id);
            line_up(&mut queue.consumers, &self.consumers, id, priority);
        }
    }

    pub(super) fn on_cancel(&mut self, key: ChannelKey, cancel: &basic::Cancel) -> Outcome {
        let tag = cancel.consumer_tag.as_str();
        let Some(channel) = self.channels.get_mut(&key) else {
            return Ok(());
        };
        channel
            .reply_consumer
            .take_if(|consumer| *consumer.tag == *tag);
        let queue = channel
            .consumers
            .remove(tag)
            .and_then(|id| self.detach_consumer(id));
        let ok = basic::CancelOk {
            consumer_tag: cancel.consumer_tag.clone(),
        };
        self.reply(
            key,
            cancel.nowait,
            AMQPClass::Basic(basic::AMQPMethod::CancelOk(ok)),
        );
        if let Some(queue) = queue {
            self.after_consumers_left(queue);
            self.dispatch(queue);
        }
        Ok(())
    }

    /// A queue without consumers may be one that nobody needs any more.
    pub(super) fn after_consumers_left(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get(&id) else {
            return;
        };
        if !queue.consumers.is_empty() {
            return;
        }
        if queue.auto_delete {
            self.delete_queue(id);
        } else {
            self.restart_expiry(id);
        }
    }

    /// Tells a consumer, if it wants to know, that it is one no longer.
    pub(super) fn cancel_consumer(&mut self, id: ConsumerId) {
        let Some(consumer) = self.consumers.get(&id) else {
            return;
        };
        let (key, tag) = (consumer.channel, Arc::clone(&consumer.tag));
        self.detach_consumer(id);
        if let Some(channel) = self.channels.get_mut(&key) {
            channel.consumers.remove(&tag);
        }
        let connection = self.connections.get(&key.0);
        if connection.is_some_and(|connection| connection.can("consumer_cancel_notify")) {
            let cancel = basic::Cancel {
                consumer_tag: (&*tag).into(),
                nowait: true,
            };
            self.send_method(key, AMQPClass::Basic(basic::AMQPMethod::Cancel(cancel)));
        }
    }

    pub(super) fn on_get(&mut self, key: ChannelKey, get: &basic::Get) -> Outcome {
        let id = self.reachable_queue(key, get.queue.as_str())?;
        self.expire_head(id);
        self.restart_expiry(id);
        let Some(queue) = self.queues.get_mut(&id) else {
            return Ok(());
        };
        let Some(entry) = queue.ready.pop_front() else {
            let empty = basic::AMQPMethod::GetEmpty(basic::GetEmpty {});
            self.send_method(key, AMQPClass::Basic(empty));
            return Ok(());
        };
        let message_count = u32::try_from(queue.ready.len()).unwrap_or(u32::MAX);
        let Some(channel) = self.channels.get_mut(&key) else {
            return Ok(());
        };
        channel.last_tag += 1;
        let delivery_tag = channel.last_tag;
        let properties = properties_of(queue, &entry);
        let message = Arc::clone(&entry.message);
        let method = basic::AMQPMethod::GetOk(basic::GetOk {
            delivery_tag,
            redelivered: entry.redelivered,
            exchange: (&*message.exchange).into(),
            routing_key: short(&message.key).into(),
            message_count,
        });
        if !get.no_ack {
            queue.unacked += 1;
            let unacked = Unacked {
                queue: id,
                consumer: None,
                entry,
                since: self.now,
            };
            channel.unacked.insert(delivery_tag, unacked);
            self.watch_acks(key);
        }
        let method = AMQPClass::Basic(method);
        self.send(
            key.0,
            Output::Content {
                channel: key.1,
                method,
                properties,
                message,
            },
        );
        self.reschedule_head(id);
        Ok(())
    }

    /// The queue of this name, or the last declared one, if this connection may use it.
    pub(super) fn reachable_queue(
        &self,
        key: ChannelKey,
        name: &str,
    ) -> Result<QueueId, Exception> {
        let name = match name {
            "" => self.last_queue(key)?,
            name => Name::from(name),
        };
        let queue = self.existing_queue(&self.vhost_of(key.0), &name)?;
        self.check_exclusive(key.0, queue)?;
        Ok(queue.id)
    }
}

/// Puts a consumer behind those of its own priority and before those of a lower one.
fn line_up(
    line: &mut Vec<ConsumerId>,
    consumers: &HashMap<ConsumerId, Consumer>,
    id: ConsumerId,
    priority: i32,
) {
    let lower = |other: &ConsumerId| {
        let other = consumers.get(other);
        other.is_some_and(|other| other.priority < priority)
    };
    let at = line.iter().position(lower).unwrap_or(line.len());
    line.insert(at, id);
}
