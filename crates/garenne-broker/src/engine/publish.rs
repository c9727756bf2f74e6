//! From a client to queues.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, basic};

use super::arguments::Overflow;
use super::content::Content;
use super::message::{Entry, Message, Reason};
use super::queue::QueueId;
use super::{ChannelKey, Engine, Name, Outcome};
use crate::exception::{
    Exception, access_refused, erlang_binary, internal_error, latin1_or_utf8, not_implemented,
    precondition_failed, short,
};
use crate::wire::{Output, Properties};

/// The reply code of a message that no queue wanted.
const NO_ROUTE: u16 = 312;

/// A message, and where it goes.
#[derive(Debug)]
pub(crate) struct Routed {
    message: Arc<Message>,
    queues: Vec<QueueId>,
    mandatory: bool,
    /// Its number, on a channel with confirms.
    number: Option<u64>,
}

impl Engine {
    pub(super) fn publish(
        &mut self,
        key: ChannelKey,
        publish: &basic::Publish,
        content: Content,
    ) -> Outcome {
        if publish.immediate {
            return Err(not_implemented("immediate=true"));
        }
        let max = self.options.max_message_size;
        if content.size > max {
            return Err(precondition_failed(format!(
                "message size {} is larger than configured max size {max}",
                content.size
            )));
        }
        let vhost = self.vhost_of(key.0);
        let exchange = self.existing_exchange(&vhost, publish.exchange.as_str())?;
        if exchange.internal {
            return Err(access_refused(format!(
                "cannot publish to internal {}",
                super::queue::resource("exchange", &exchange.name, &vhost)
            )));
        }
        let exchange = Arc::clone(&exchange.name);
        let message = self.read_message(key, exchange, publish, content)?;
        let queues = match self.reply_route(&message) {
            true => Vec::new(),
            false => self.route(&vhost, &message),
        };
        let Some(channel) = self.channels.get_mut(&key) else {
            return Ok(());
        };
        let number = channel
            .confirms
            .as_mut()
            .map(super::confirm::Confirms::number);
        let message = Arc::new(message);
        let routed = Routed {
            message,
            queues,
            mandatory: publish.mandatory,
            number,
        };
        match &mut channel.transaction {
            Some(transaction) => transaction.publish(routed),
            None => drop(self.deliver_routed(key, routed)),
        }
        Ok(())
    }

    fn read_message(
        &mut self,
        key: ChannelKey,
        exchange: Name,
        publish: &basic::Publish,
        content: Content,
    ) -> Result<Message, Exception> {
        let bytes = content.properties;
        let read = Properties::read(bytes.clone()).filter(|it| self.faults.can_read(it));
        let Some(properties) = read else {
            let why = format!("cannot decode {}", erlang_binary(&bytes));
            tracing::debug!(connection = key.0.0, why, "unreadable properties");
            return Err(internal_error(why));
        };
        let properties = self.reply_address(key, properties)?;
        let routing_key = Name::from(publish.routing_key.as_str());
        let message = Message::published(exchange, routing_key, properties, content.body)?;
        let user = message.properties.user_id();
        if let (Some(user), Some(connection)) = (user, self.connections.get(&key.0))
            && user != connection.user.as_bytes()
        {
            return Err(precondition_failed(format!(
                "user_id property set to '{}' but authenticated user was '{}'",
                latin1_or_utf8(user),
                connection.user
            )));
        }
        Ok(message)
    }

    /// Puts a message into its queues and decides its confirm; false when a queue refused it.
    pub(super) fn deliver_routed(&mut self, key: ChannelKey, routed: Routed) -> bool {
        let Routed {
            message,
            mut queues,
            mandatory,
            number,
        } = routed;
        if number.is_some() && self.faults.takes_nack() {
            self.decide(key, number, false);
            return false;
        }
        if mandatory && self.faults.takes_return() {
            queues.clear();
        }
        // A return goes out between the confirms of what came before and its own, because many
        // clients take it to belong to the next confirm.
        if mandatory && queues.is_empty() {
            self.flush();
            self.return_message(key, &message);
            self.decide(key, number, true);
            self.flush();
            return true;
        }
        let is_silent = queues.iter().any(|&queue| self.is_silent(queue));
        let mut accepted = true;
        for queue in queues {
            accepted &= !self.refuses(key, queue) && self.offer(queue, &message);
        }
        if is_silent {
            self.leave_undecided(key);
        } else {
            self.decide(key, number, accepted);
        }
        accepted
    }

    /// Puts a message into a queue unless that is full and refuses.
    pub(super) fn offer(&mut self, id: QueueId, message: &Arc<Message>) -> bool {
        let Some(queue) = self.queues.get(&id) else {
            return true;
        };
        let mut entry = Entry::new(message);
        entry.redelivered = queue.told_count(&entry) > 0;
        if queue.refuses(message.body.len()) {
            if queue.settings.overflow == Overflow::RejectPublishDlx {
                self.dead.push_back((id, entry, Reason::MaxLen));
            }
            return false;
        }
        self.enqueue(id, entry);
        true
    }

    fn decide(&mut self, key: ChannelKey, number: Option<u64>, ack: bool) {
        if let Some(number) = number {
            self.confirm(key, number, ack);
        }
    }

    fn return_message(&mut self, key: ChannelKey, message: &Arc<Message>) {
        let method = basic::AMQPMethod::Return(basic::Return {
            reply_code: NO_ROUTE,
            reply_text: "NO_ROUTE".into(),
            exchange: (&*message.exchange).into(),
            routing_key: short(&message.key).into(),
        });
        let properties = message.properties.bytes().clone();
        let (method, message) = (AMQPClass::Basic(method), Arc::clone(message));
        self.send(
            key.0,
            Output::Content {
                channel: key.1,
                method,
                properties,
                message,
            },
        );
    }
}

impl Entry {
    pub(super) fn new(message: &Arc<Message>) -> Self {
        Self {
            priority: message.properties.priority().unwrap_or(0),
            message: Arc::clone(message),
            position: 0,
            expires: None,
            redelivered: false,
            returns: 0,
            failures: 0,
        }
    }
}
