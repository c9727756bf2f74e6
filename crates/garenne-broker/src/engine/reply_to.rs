//! Direct reply-to: answers to a channel, without a queue.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, basic, queue};

use super::queue::resource;
use super::{ChannelKey, Engine, Message, Name, Outcome};
use crate::exception::{Exception, not_allowed, not_found, precondition_failed};
use crate::wire::{Output, Properties};

/// The queue that stands for "this channel".
pub(super) const PSEUDO_QUEUE: &str = "amq.rabbitmq.reply-to";

/// The consumer of a channel that takes answers.
#[derive(Debug)]
pub(crate) struct ReplyConsumer {
    pub(super) tag: Name,
    /// Makes the address hard to guess.
    secret: Name,
}

impl Engine {
    pub(super) fn consume_replies(&mut self, key: ChannelKey, consume: &basic::Consume) -> Outcome {
        let tag = consume.consumer_tag.as_str();
        let Some(channel) = self.channels.get(&key) else {
            return Ok(());
        };
        if channel.consumers.contains_key(tag) {
            return Err(not_allowed(format!(
                "attempt to reuse consumer tag '{tag}'"
            )));
        }
        if !consume.no_ack {
            return Err(precondition_failed("reply consumer cannot acknowledge"));
        }
        if channel.reply_consumer.is_some() {
            return Err(precondition_failed("reply consumer already set"));
        }
        let tag = match tag {
            "" => self.generated_name("amq.ctag"),
            tag => Name::from(tag),
        };
        let secret = self.generated_name("r");
        if let Some(channel) = self.channels.get_mut(&key) {
            channel.reply_consumer = Some(ReplyConsumer {
                tag: Arc::clone(&tag),
                secret,
            });
        }
        let ok = basic::ConsumeOk {
            consumer_tag: (&*tag).into(),
        };
        self.reply(
            key,
            consume.nowait,
            AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(ok)),
        );
        Ok(())
    }

    /// Puts the channel's own address in the place of the pseudo queue's name.
    pub(super) fn reply_address(
        &self,
        key: ChannelKey,
        properties: Properties,
    ) -> Result<Properties, Exception> {
        if properties.reply_to() != Some(PSEUDO_QUEUE.as_bytes()) {
            return Ok(properties);
        }
        let channel = self.channels.get(&key);
        let Some(consumer) = channel.and_then(|channel| channel.reply_consumer.as_ref()) else {
            return Err(precondition_failed("fast reply consumer does not exist"));
        };
        Ok(properties.with_reply_to(&address(key, consumer)))
    }

    /// Delivers a message if it is an answer to a channel. No queue has it, so that a mandatory one
    /// is returned as well; and nobody acks it, so that each is number 1. RabbitMQ does both.
    pub(super) fn reply_route(&mut self, message: &Message) -> bool {
        let Some((key, consumer_tag)) = self.reply_channel(message) else {
            return false;
        };
        let output = Output::Deliver {
            channel: key.1,
            consumer_tag,
            delivery_tag: 1,
            redelivered: false,
            properties: message.properties.bytes().clone(),
            message: Arc::new(message.clone()),
        };
        self.send(key.0, output);
        true
    }

    fn reply_channel(&self, message: &Message) -> Option<(ChannelKey, Name)> {
        if !message.exchange.is_empty() {
            return None;
        }
        self.find_reply(&message.key)
    }

    fn find_reply(&self, name: &str) -> Option<(ChannelKey, Name)> {
        let rest = name.strip_prefix(PSEUDO_QUEUE)?.strip_prefix('.')?;
        let (connection, rest) = rest.split_once('-')?;
        let (channel, secret) = rest.split_once('.')?;
        let key = (
            super::ConnectionId(connection.parse().ok()?),
            channel.parse().ok()?,
        );
        let consumer = self.channels.get(&key)?.reply_consumer.as_ref()?;
        (*consumer.secret == *secret).then(|| (key, Arc::clone(&consumer.tag)))
    }

    /// Declaring an address only asks whether someone is there.
    pub(super) fn declare_replies(
        &mut self,
        key: ChannelKey,
        vhost: &str,
        name: &str,
        nowait: bool,
    ) -> Outcome {
        if name != PSEUDO_QUEUE && self.find_reply(name).is_none() {
            return Err(not_found(format!("no {}", resource("queue", name, vhost))));
        }
        self.remember_queue(key, Name::from(name));
        let ok = queue::DeclareOk {
            queue: name.into(),
            message_count: 0,
            consumer_count: 1,
        };
        self.reply(
            key,
            nowait,
            AMQPClass::Queue(queue::AMQPMethod::DeclareOk(ok)),
        );
        Ok(())
    }
}

fn address((connection, channel): ChannelKey, consumer: &ReplyConsumer) -> String {
    format!(
        "{PSEUDO_QUEUE}.{}-{channel}.{}",
        connection.0, consumer.secret
    )
}
