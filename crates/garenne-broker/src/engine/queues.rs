//! Queues: declare, purge, delete, expire.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, queue as method};

use super::arguments::{QueueKind, Settings};
use super::message::{Entry, Reason};
use super::queue::{Queue, QueueId, resource};
use super::timers::Timer;
use super::values::{assert_equivalent, inequivalent};
use super::{ChannelKey, ConnectionId, Engine, Name, Outcome, reply_to};
use crate::exception::{
    Exception, access_refused, not_found, not_implemented, precondition_failed, resource_locked,
};

impl Engine {
    pub(super) fn on_queue_declare(
        &mut self,
        key: ChannelKey,
        mut declare: method::Declare,
    ) -> Outcome {
        let vhost = self.vhost_of(key.0);
        // RabbitMQ strips line ends from names, so that they cannot break its logs.
        let name = declare.queue.as_str().replace(['\r', '\n'], "");
        if name.starts_with(reply_to::PSEUDO_QUEUE) {
            return self.declare_replies(key, &vhost, &name, declare.nowait);
        }
        let id = if declare.passive {
            let queue = self.existing_queue(&vhost, &name)?;
            self.check_exclusive(key.0, queue)?;
            queue.id
        } else {
            // An exclusive queue ends with its connection, so it cannot outlive the broker.
            declare.durable &= !declare.exclusive;
            let name = self.queue_name(&name, &declare)?;
            match self.queue_named(&vhost, &name).map(|queue| queue.id) {
                Some(id) => self.assert_redeclared(key.0, id, &declare)?,
                None => self.create_queue(key.0, &vhost, name, declare.clone())?,
            }
        };
        self.restart_expiry(id);
        let Some(queue) = self.queues.get(&id) else {
            return Ok(());
        };
        let name = Arc::clone(&queue.name);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let ok = method::DeclareOk {
            queue: (&*name).into(),
            message_count: count(queue.ready.len()),
            consumer_count: count(queue.consumers.len()),
        };
        self.remember_queue(key, name);
        self.reply(
            key,
            declare.nowait,
            AMQPClass::Queue(method::AMQPMethod::DeclareOk(ok)),
        );
        Ok(())
    }

    /// An empty name in a later method means this queue.
    pub(super) fn remember_queue(&mut self, key: ChannelKey, name: Name) {
        if let Some(channel) = self.channels.get_mut(&key) {
            channel.last_queue = Some(name);
        }
    }

    fn queue_name(&mut self, name: &str, declare: &method::Declare) -> Result<Name, Exception> {
        if name.is_empty() {
            return match QueueKind::of(&declare.arguments) {
                QueueKind::Classic => Ok(self.generated_name("amq.gen")),
                kind => Err(precondition_failed(format!(
                    "Cannot declare a server-named queue for type {}",
                    kind.module()
                ))),
            };
        }
        if name.starts_with("amq.") {
            return Err(access_refused(format!(
                "queue name '{name}' contains reserved prefix 'amq.*'"
            )));
        }
        Ok(Name::from(name))
    }

    fn assert_redeclared(
        &self,
        connection: ConnectionId,
        id: QueueId,
        declare: &method::Declare,
    ) -> Result<QueueId, Exception> {
        let Some(queue) = self.queues.get(&id) else {
            return Ok(id);
        };
        let resource = queue.resource();
        if queue.exclusive != declare.exclusive.then_some(connection) {
            return Err(locked(&resource));
        }
        for (key, received, current) in [
            ("durable", declare.durable, queue.durable),
            ("auto_delete", declare.auto_delete, queue.auto_delete),
        ] {
            if received != current {
                let (received, current) = (format!("'{received}'"), format!("'{current}'"));
                return Err(inequivalent(key, &resource, &received, &current));
            }
        }
        assert_equivalent(&resource, &queue.arguments, &declare.arguments)?;
        Ok(id)
    }

    fn create_queue(
        &mut self,
        connection: ConnectionId,
        vhost: &Name,
        name: Name,
        declare: method::Declare,
    ) -> Result<QueueId, Exception> {
        let resource = resource("queue", &name, vhost);
        if let Some(value) = declare.arguments.inner().get("x-dead-letter-exchange")
            && !matches!(value, amq_protocol::types::AMQPValue::LongString(_))
        {
            return Err(precondition_failed(format!(
                "invalid type '{}' for arg 'x-dead-letter-exchange' in {resource}",
                super::values::type_name(value)
            )));
        }
        let settings = Settings::parse(&resource, &declare.arguments)?;
        if settings.kind == QueueKind::Quorum {
            for (property, wrong) in [
                ("exclusive-owner", declare.exclusive),
                ("non-durable", !declare.durable),
                ("auto-delete", declare.auto_delete),
            ] {
                if wrong {
                    return Err(precondition_failed(format!(
                        "invalid property '{property}' for {resource}"
                    )));
                }
            }
        }
        let id = QueueId(self.next_id());
        let mut queue = Queue::new(
            id,
            Arc::clone(vhost),
            Arc::clone(&name),
            declare.arguments,
            settings,
        );
        queue.durable = declare.durable;
        queue.auto_delete = declare.auto_delete;
        queue.exclusive = declare.exclusive.then_some(connection);
        self.queues.insert(id, queue);
        if let Some(vhost) = self.vhosts.get_mut(vhost) {
            vhost.queues.insert(name, id);
        }
        Ok(id)
    }

    pub(super) fn on_queue_purge(&mut self, key: ChannelKey, purge: &method::Purge) -> Outcome {
        let id = self.reachable_queue(key, purge.queue.as_str())?;
        let purged = self
            .queues
            .get_mut(&id)
            .map_or(0, |queue| queue.ready.drain().len());
        self.reschedule_head(id);
        let message_count = u32::try_from(purged).unwrap_or(u32::MAX);
        let ok = method::AMQPMethod::PurgeOk(method::PurgeOk { message_count });
        self.reply(key, purge.nowait, AMQPClass::Queue(ok));
        Ok(())
    }

    pub(super) fn on_queue_delete(&mut self, key: ChannelKey, delete: &method::Delete) -> Outcome {
        let name = match delete.queue.as_str() {
            "" => self.last_queue(key)?,
            name => Name::from(name),
        };
        let vhost = self.vhost_of(key.0);
        let mut message_count = 0;
        if let Some(queue) = self.queue_named(&vhost, &name) {
            self.check_exclusive(key.0, queue)?;
            check_unconditional(queue, delete)?;
            if delete.if_unused && !queue.consumers.is_empty() {
                return Err(precondition_failed(format!("{} in use", queue.resource())));
            }
            if delete.if_empty && !queue.ready.is_empty() {
                return Err(precondition_failed(format!(
                    "{} not empty",
                    queue.resource()
                )));
            }
            message_count = u32::try_from(queue.ready.len()).unwrap_or(u32::MAX);
            self.delete_queue(queue.id);
        }
        let ok = method::AMQPMethod::DeleteOk(method::DeleteOk { message_count });
        self.reply(key, delete.nowait, AMQPClass::Queue(ok));
        Ok(())
    }

    /// Deletes a queue with everything in it and all that leads to it.
    pub(super) fn delete_queue(&mut self, id: QueueId) {
        let Some(queue) = self.queues.remove(&id) else {
            return;
        };
        self.timers.cancel(queue.head_timer);
        self.timers.cancel(queue.expiry_timer);
        self.timers.cancel(queue.stranded_timer);
        for consumer in queue.consumers {
            self.cancel_consumer(consumer);
        }
        if let Some(vhost) = self.vhosts.get_mut(&queue.vhost) {
            vhost.queues.remove(&queue.name);
        }
        self.unbind_everywhere(&queue.vhost, &super::exchange::Destination::Queue(id));
    }

    /// Counts the time of a queue that may expire from now on, if nobody consumes.
    pub(super) fn restart_expiry(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        self.timers.cancel(queue.expiry_timer.take());
        if let Some(expires) = queue.settings.expires
            && queue.consumers.is_empty()
        {
            queue.expiry_timer = Some(
                self.timers
                    .add(self.now.saturating_add(expires), Timer::Expiry(id)),
            );
        }
    }

    pub(super) fn on_queue_expired(&mut self, id: QueueId) {
        tracing::debug!(queue = id.0, "queue expired");
        self.delete_queue(id);
    }

    /// Tries the dead letters that found no target once more.
    pub(super) fn on_stranded_due(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        queue.stranded_timer = None;
        let again: Vec<(Entry, Reason)> = std::mem::take(&mut queue.stranded);
        self.dead
            .extend(again.into_iter().map(|(entry, reason)| (id, entry, reason)));
    }

    pub(super) fn existing_queue(&self, vhost: &str, name: &str) -> Result<&Queue, Exception> {
        self.queue_named(vhost, name)
            .ok_or_else(|| not_found(format!("no {}", resource("queue", name, vhost))))
    }

    /// Fails when a queue belongs to another connection.
    pub(super) fn check_exclusive(&self, connection: ConnectionId, queue: &Queue) -> Outcome {
        match queue.exclusive {
            Some(owner) if owner != connection => Err(locked(&queue.resource())),
            _ => Ok(()),
        }
    }
}

/// A quorum queue is deleted or not; it knows no conditions.
fn check_unconditional(queue: &Queue, delete: &method::Delete) -> Outcome {
    let flag = match (delete.if_unused, delete.if_empty) {
        (true, _) => "if-unused",
        (false, true) => "if-empty",
        (false, false) => return Ok(()),
    };
    if !queue.is_quorum() {
        return Ok(());
    }
    Err(not_implemented(format!(
        "cannot delete {}. queue.delete operations with {flag} flag set are not supported by \
         quorum queues",
        queue.resource()
    )))
}

fn locked(resource: &str) -> Exception {
    resource_locked(format!(
        "cannot obtain exclusive access to locked {resource}. It could be originally declared on \
         another connection or the exclusive property value does not match that of the original \
         declaration."
    ))
}
