//! Channels: which frames may come, which method does what, and how a channel ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, access, basic, channel, confirm, exchange, queue, tx};

use super::confirm::Confirms;
use super::consume::Consumer;
use super::content::{Assembly, Content, Opener};
use super::queue::Return;
use super::reply_to::ReplyConsumer;
use super::settle::Unacked;
use super::timers::TimerKey;
use super::tx::Transaction;
use super::{ChannelKey, ConnectionId, ConsumerId, Engine, Name, Outcome, QueueId};
use crate::exception::{
    Code, Exception, channel_error, command_invalid, not_allowed, not_implemented, unexpected_frame,
};
use crate::wire::{
    CONTENT_HEADER, Frame, HEARTBEAT, METHOD, broken, decode_method, describe, method_id,
};

/// One channel of one connection.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    /// A close was sent; only its answer counts.
    pub(crate) closing: bool,
    pub(super) assembly: Assembly,
    pub(super) last_queue: Option<Name>,
    pub(super) consumers: BTreeMap<Name, ConsumerId>,
    pub(super) reply_consumer: Option<ReplyConsumer>,
    /// What new consumers get, and what all consumers together may hold.
    pub(super) prefetch: u16,
    pub(super) global_prefetch: u16,
    pub(super) last_tag: u64,
    /// Who got the last delivery: the next place that comes free is another one's.
    pub(super) last_served: Option<ConsumerId>,
    pub(super) unacked: BTreeMap<u64, Unacked>,
    /// How many of the unacked were delivered to consumers.
    pub(super) held: usize,
    pub(super) ack_timer: Option<TimerKey>,
    pub(super) confirms: Option<Confirms>,
    pub(super) transaction: Option<Transaction>,
    /// Queues that this channel was made to refuse for.
    pub(super) refuses: BTreeSet<Name>,
}

impl Channel {
    /// Whether the channel as a whole may get another delivery.
    pub(super) fn has_room(&self) -> bool {
        !self.closing
            && (self.global_prefetch == 0 || self.held < usize::from(self.global_prefetch))
    }
}

impl Engine {
    pub(super) fn on_channel_frame(&mut self, id: ConnectionId, frame: &Frame) {
        let key = (id, frame.channel);
        let ids = match frame.kind {
            METHOD => method_id(&frame.payload),
            _ => None,
        };
        if let Err(error) = self.accept_frame(key, frame) {
            // What the assembler refuses belongs to the method that began the content.
            let channel = self.channels.get(&key);
            let begun = channel.and_then(|channel| channel.assembly.opener());
            let ids = begun.map(Opener::ids).or(ids).unwrap_or((0, 0));
            self.raise(key, &error, ids);
        }
    }

    fn accept_frame(&mut self, key: ChannelKey, frame: &Frame) -> Outcome {
        match frame.kind {
            METHOD if frame.payload.len() >= 4 => {}
            CONTENT_HEADER if frame.payload.len() >= 12 => {}
            3 => {}
            HEARTBEAT if frame.payload.is_empty() => {
                return Err(unexpected_frame(describe(frame.kind, &frame.payload)));
            }
            kind => return Err(broken(kind, &frame.payload, "unknown_frame")),
        }
        let Some(channel) = self.channels.get_mut(&key) else {
            return self.open_channel(key, frame);
        };
        let max = self.options.max_message_size;
        let whole = channel.assembly.advance(frame.kind, &frame.payload, max)?;
        if let Some((opener, content)) = whole {
            self.on_content(key, &opener, content);
            return Ok(());
        }
        if frame.kind != METHOD {
            return Ok(());
        }
        check_prefetch_size(&frame.payload)?;
        use basic::AMQPMethod as Method;
        let opener = match decode_method(&frame.payload)? {
            AMQPClass::Basic(Method::Publish(publish)) => Opener::Publish(publish),
            AMQPClass::Basic(Method::Return(_) | Method::Deliver(_) | Method::GetOk(_)) => {
                Opener::Foreign(method_id(&frame.payload).unwrap_or((0, 0)))
            }
            method => return self.on_method(key, method),
        };
        channel.assembly = Assembly::Header(opener);
        Ok(())
    }

    fn open_channel(&mut self, key: ChannelKey, frame: &Frame) -> Outcome {
        let (id, number) = key;
        if frame.kind != METHOD {
            return Err(expected_method());
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return Ok(());
        };
        let (open, max) = (
            connection.channels.len(),
            usize::from(connection.channel_max),
        );
        if max != 0 && open >= max {
            let error = not_allowed(format!(
                "number of channels opened ({open}) has reached the negotiated channel_max ({max})"
            ));
            self.fail(id, &error, (0, 0));
            return Ok(());
        }
        let AMQPClass::Channel(channel::AMQPMethod::Open(_)) = decode_method(&frame.payload)?
        else {
            return Err(channel_error("expected 'channel.open'"));
        };
        connection.channels.insert(number);
        self.channels.insert(key, Channel::default());
        let ok = channel::AMQPMethod::OpenOk(channel::OpenOk {});
        self.send_method(key, AMQPClass::Channel(ok));
        Ok(())
    }

    fn on_content(&mut self, key: ChannelKey, opener: &Opener, content: Content) {
        if self.is_closing(key) {
            return;
        }
        let outcome = match opener {
            Opener::Publish(publish) => self.publish(key, publish, content),
            Opener::Foreign(_) => Err(unimplemented_method()),
        };
        if let Err(error) = outcome {
            self.raise(key, &error, opener.ids());
        }
        self.note_published(key.0);
    }

    fn on_method(&mut self, key: ChannelKey, method: AMQPClass) -> Outcome {
        if let AMQPClass::Channel(method) = method {
            return self.on_channel_method(key, &method);
        }
        if self.is_closing(key) {
            return Ok(());
        }
        match method {
            AMQPClass::Basic(method) => self.on_basic(key, method),
            AMQPClass::Queue(method) => self.on_queue(key, method),
            AMQPClass::Exchange(method) => self.on_exchange(key, method),
            AMQPClass::Confirm(confirm::AMQPMethod::Select(select)) => {
                self.select_confirms(key, select.nowait)
            }
            AMQPClass::Tx(tx::AMQPMethod::Select(_)) => self.tx_select(key),
            AMQPClass::Tx(tx::AMQPMethod::Commit(_)) => self.tx_commit(key),
            AMQPClass::Tx(tx::AMQPMethod::Rollback(_)) => self.tx_rollback(key),
            AMQPClass::Access(access::AMQPMethod::Request(_)) => {
                let ok = access::AMQPMethod::RequestOk(access::RequestOk {});
                self.send_method(key, AMQPClass::Access(ok));
                Ok(())
            }
            _ => Err(unimplemented_method()),
        }
    }

    fn on_basic(&mut self, key: ChannelKey, method: basic::AMQPMethod) -> Outcome {
        use basic::AMQPMethod as Method;
        match method {
            Method::Ack(ack) => self.on_ack(key, ack.delivery_tag, ack.multiple),
            Method::Nack(nack) => {
                self.on_reject(key, nack.delivery_tag, nack.multiple, nack.requeue)
            }
            Method::Reject(reject) => {
                self.on_reject(key, reject.delivery_tag, false, reject.requeue)
            }
            Method::Qos(qos) => self.on_qos(key, &qos),
            Method::Consume(consume) => self.on_consume(key, &consume),
            Method::Cancel(cancel) => self.on_cancel(key, &cancel),
            Method::Get(get) => self.on_get(key, &get),
            Method::Recover(recover) => self.on_recover(key, recover.requeue, true),
            Method::RecoverAsync(recover) => self.on_recover(key, recover.requeue, false),
            _ => Err(unimplemented_method()),
        }
    }

    fn on_queue(&mut self, key: ChannelKey, method: queue::AMQPMethod) -> Outcome {
        use queue::AMQPMethod as Method;
        match method {
            Method::Declare(declare) => self.on_queue_declare(key, declare),
            Method::Bind(bind) => self.on_queue_bind(key, bind),
            Method::Unbind(unbind) => self.on_queue_unbind(key, &unbind),
            Method::Purge(purge) => self.on_queue_purge(key, &purge),
            Method::Delete(delete) => self.on_queue_delete(key, &delete),
            _ => Err(unimplemented_method()),
        }
    }

    fn on_exchange(&mut self, key: ChannelKey, method: exchange::AMQPMethod) -> Outcome {
        use exchange::AMQPMethod as Method;
        match method {
            Method::Declare(declare) => self.on_exchange_declare(key, declare),
            Method::Delete(delete) => self.on_exchange_delete(key, &delete),
            Method::Bind(bind) => self.on_exchange_bind(key, bind),
            Method::Unbind(unbind) => self.on_exchange_unbind(key, &unbind),
            _ => Err(unimplemented_method()),
        }
    }

    fn on_channel_method(&mut self, key: ChannelKey, method: &channel::AMQPMethod) -> Outcome {
        use channel::AMQPMethod as Method;
        let closing = self.is_closing(key);
        match method {
            Method::Open(_) => Err(channel_error("second 'channel.open' seen")),
            Method::CloseOk(_) if closing => {
                self.forget_channel(key);
                Ok(())
            }
            Method::Close(_) => {
                if !closing {
                    self.close_channels(&[key]);
                    self.forget_channel(key);
                }
                let ok = Method::CloseOk(channel::CloseOk {});
                self.send_method(key, AMQPClass::Channel(ok));
                Ok(())
            }
            _ if closing => Ok(()),
            Method::Flow(flow) if flow.active => {
                let ok = Method::FlowOk(channel::FlowOk { active: true });
                self.send_method(key, AMQPClass::Channel(ok));
                Ok(())
            }
            Method::Flow(_) => Err(not_implemented("active=false")),
            _ => Err(unimplemented_method()),
        }
    }

    fn is_closing(&self, key: ChannelKey) -> bool {
        self.channels
            .get(&key)
            .is_none_or(|channel| channel.closing)
    }

    /// Closes the channel or the connection, whichever the error costs.
    pub(super) fn raise(&mut self, key: ChannelKey, error: &Exception, ids: (u16, u16)) {
        match error.code {
            code if code.is_soft() => {
                self.close_channel(key, code.number(), &error.reply_text(), ids);
            }
            Code::InternalError => self.fail(key.0, error, (0, 0)),
            _ => self.fail(key.0, error, ids),
        }
    }

    /// Closes a channel from our side.
    pub(super) fn close_channel(
        &mut self,
        key: ChannelKey,
        reply_code: u16,
        text: &str,
        (class_id, method_id): (u16, u16),
    ) {
        tracing::debug!(
            connection = key.0.0,
            channel = key.1,
            reply_code,
            text,
            "channel closed"
        );
        self.close_channels(&[key]);
        let reply_text = crate::exception::short(text).into();
        let close = channel::Close {
            reply_code,
            reply_text,
            class_id,
            method_id,
        };
        self.send_method(key, AMQPClass::Channel(channel::AMQPMethod::Close(close)));
        if let Some(connection) = self.connections.get_mut(&key.0) {
            connection.channels.insert(key.1);
            self.channels.insert(
                key,
                Channel {
                    closing: true,
                    ..Channel::default()
                },
            );
        }
    }

    fn forget_channel(&mut self, (id, number): ChannelKey) {
        self.channels.remove(&(id, number));
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.channels.remove(&number);
        }
    }

    /// Takes channels down together: first nobody consumes any more, then what they held goes
    /// back, so that nothing is delivered to a channel that is about to go.
    pub(super) fn close_channels(&mut self, keys: &[ChannelKey]) {
        // What was confirmed before must not get lost with the channel.
        self.flush();
        let channels: Vec<Channel> = keys
            .iter()
            .filter_map(|key| self.channels.remove(key))
            .collect();
        let mut left: BTreeSet<QueueId> = BTreeSet::new();
        for channel in &channels {
            for &consumer in channel.consumers.values() {
                left.extend(self.detach_consumer(consumer));
            }
        }
        let mut touched = left.clone();
        for channel in channels {
            self.timers.cancel(channel.ack_timer);
            let unacked = channel.unacked.into_values();
            let uncommitted = channel
                .transaction
                .into_iter()
                .flat_map(Transaction::into_unacked);
            let mut all: Vec<Unacked> = unacked.chain(uncommitted).collect();
            all.sort_by_key(|one| one.entry.position);
            touched.extend(all.iter().map(|one| one.queue));
            self.requeue(all, Return::Lost);
        }
        for queue in left {
            self.after_consumers_left(queue);
        }
        for queue in touched {
            self.dispatch(queue);
        }
    }

    /// Takes a consumer off its queue, and says which queue that was.
    pub(super) fn detach_consumer(&mut self, id: ConsumerId) -> Option<QueueId> {
        let Consumer { queue, .. } = self.consumers.remove(&id)?;
        if let Some(state) = self.queues.get_mut(&queue) {
            state.consumers.retain(|other| *other != id);
            if state.active == Some(id) {
                state.active = state.consumers.first().copied();
            }
        }
        Some(queue)
    }

    /// The queue that an empty name stands for.
    pub(super) fn last_queue(&self, key: ChannelKey) -> Result<Name, Exception> {
        let last = self
            .channels
            .get(&key)
            .and_then(|channel| channel.last_queue.as_ref());
        last.map(Arc::clone)
            .ok_or_else(|| crate::exception::not_found("no previously declared queue"))
    }
}

/// A limit in bytes is in the protocol but not in RabbitMQ; the codec does not even tell it.
fn check_prefetch_size(payload: &[u8]) -> Outcome {
    match payload {
        [0, 60, 0, 10, a, b, c, d, ..] => match u32::from_be_bytes([*a, *b, *c, *d]) {
            0 => Ok(()),
            size => Err(not_implemented(format!("prefetch_size!=0 ({size})"))),
        },
        _ => Ok(()),
    }
}

pub(super) fn expected_method() -> Exception {
    unexpected_frame("expected method frame, got non method frame instead")
}

fn unimplemented_method() -> Exception {
    command_invalid("unimplemented method")
}
