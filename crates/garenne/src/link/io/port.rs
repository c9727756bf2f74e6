//! A channel of a link: it publishes, consumes, and settles.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use garenne_core::Ack;
use garenne_core::reader::Message;
use lapin::options::{
    BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicQosOptions, ConfirmSelectOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Consumer};

use super::inbox::{Inbox, Incoming};
use super::{Publish, Shared};
use crate::link::{LinkError, Loss, call};
use crate::wire::short;

/// A channel, which a single task owns. That task sees the events in the broker's order, and no other task
/// writes on the channel.
///
/// Messages, confirms, returns and acks bypass lapin. Calls with an answer go through lapin.
pub(crate) struct Port {
    channel: Channel,
    writer: Writer,
    loss: Loss,
    /// Events that were taken from the inbox and not handed out yet.
    taken: VecDeque<Incoming>,
}

/// Writes on a channel while another value holds its [`Port`].
#[derive(Clone)]
pub(crate) struct Writer {
    id: u16,
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
}

/// A consumer on a channel. The broker chooses its name, because two subscriptions on one channel must not
/// share a name.
pub(crate) struct Subscription {
    tag: ShortString,
    /// lapin's consumer, which gets no messages. Dropping it cancels the consumer on the broker.
    _consumer: Consumer,
}

impl Port {
    pub(in crate::link) fn new(
        channel: Channel,
        shared: Arc<Shared>,
        loss: Loss,
        label: String,
    ) -> Self {
        shared.drop_closed();
        let id = channel.id();
        let inbox = shared.inboxes.open(id, label);
        Self {
            channel,
            writer: Writer { id, shared, inbox },
            loss,
            taken: VecDeque::new(),
        }
    }

    /// lapin's channel, for calls that have no method here.
    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    /// The next event. No event comes after [`Incoming::Closed`].
    pub(crate) fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Incoming> {
        loop {
            if let Some(next) = self.taken.pop_front() {
                return Poll::Ready(next);
            }
            if self
                .writer
                .inbox
                .poll_take(cx, &mut self.taken)
                .is_pending()
            {
                return Poll::Pending;
            }
        }
    }

    /// See [`Port::poll_next`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Incoming {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The next event, if there is any already.
    pub(crate) fn try_next(&mut self) -> Option<Incoming> {
        match self.poll_next(&Context::from_waker(Waker::noop())) {
            Poll::Ready(next) => Some(next),
            Poll::Pending => None,
        }
    }

    /// Consumes from a queue with this prefetch: `basic.qos` applies to consumers that begin after it. A
    /// stream refuses the consumer: it takes no priority, not even 0, which is no priority for every other
    /// queue.
    pub(crate) async fn consume(
        &self,
        queue: &str,
        prefetch: u16,
    ) -> Result<Subscription, LinkError> {
        let qos = self.channel.basic_qos(prefetch, BasicQosOptions::default());
        call("setting the prefetch", qos).await?;
        let options = BasicConsumeOptions::default();
        let mut arguments = FieldTable::default();
        arguments.insert("x-priority".into(), AMQPValue::LongInt(0));
        let begun = self.begin_to_consume(queue, options, arguments).await;
        begun.map_err(|error| error.of_consumer(queue))
    }

    /// Asks for a consumer with a priority, which every stream refuses, and an offset, which every other
    /// queue refuses. The prefetch of 1 is a precaution, in case a broker accepts both.
    pub(crate) async fn consume_with_offset(&self, queue: &str) -> Result<Subscription, LinkError> {
        let qos = self.channel.basic_qos(1, BasicQosOptions::default());
        call("setting the prefetch", qos).await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-priority".into(), AMQPValue::LongInt(0));
        let offset = AMQPValue::LongString("next".into());
        arguments.insert("x-stream-offset".into(), offset);
        let options = BasicConsumeOptions::default();
        self.begin_to_consume(queue, options, arguments).await
    }

    /// Consumes replies to requests that are published on this channel. Replies need no acks.
    pub(crate) async fn consume_replies(&self, address: &str) -> Result<Subscription, LinkError> {
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let arguments = FieldTable::default();
        self.begin_to_consume(address, options, arguments).await
    }

    async fn begin_to_consume(
        &self,
        queue: &str,
        options: BasicConsumeOptions,
        arguments: FieldTable,
    ) -> Result<Subscription, LinkError> {
        let consuming = self
            .channel
            .basic_consume(short(queue), "".into(), options, arguments);
        let consumer = call(&format!("consuming from queue `{queue}`"), consuming).await?;
        Ok(Subscription {
            tag: consumer.tag(),
            _consumer: consumer,
        })
    }

    /// Ends a subscription. When the future is ready, the inbox has all its messages, and then
    /// [`Incoming::ConsumerEnded`].
    pub(crate) fn cancel(
        &self,
        subscription: &Subscription,
    ) -> impl Future<Output = Result<(), LinkError>> + 'static {
        let (channel, tag) = (self.channel.clone(), subscription.tag.clone());
        let loss = self.loss.clone();
        async move {
            let cancelled = channel.basic_cancel(tag, BasicCancelOptions::default());
            loss.or(call("cancelling the consumer", cancelled)).await
        }
    }

    /// Gets a message from a queue. With `no_ack` the queue forgets it at once.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, its message becomes the answer to the next call.
    pub(crate) async fn get(
        &mut self,
        queue: &str,
        no_ack: bool,
    ) -> Result<Option<Message>, LinkError> {
        if let Some(Incoming::Message(message)) = self.try_next() {
            return Ok(Some(message));
        }
        let getting = self
            .channel
            .basic_get(short(queue), BasicGetOptions { no_ack });
        let what = format!("reading queue `{queue}`");
        let answered = call(&what, getting);
        // lapin is told that the queue is empty. By then the message is in the inbox.
        self.loss.clone().or(answered).await?;
        match self.try_next() {
            Some(Incoming::Message(message)) => Ok(Some(message)),
            Some(Incoming::Closed(error)) => Err(error),
            Some(_) | None => Ok(None),
        }
    }

    /// Asks the broker to confirm every message that is published from now on.
    pub(crate) async fn confirm(&self) -> Result<(), LinkError> {
        let confirms = self.channel.confirm_select(ConfirmSelectOptions::default());
        call("switching on confirms", confirms).await
    }

    /// Closes the channel by the AMQP handshake. The broker delivers again the messages that were not
    /// settled.
    pub(crate) async fn close(&self) -> Result<(), LinkError> {
        let closing = call("closing the channel", self.channel.close(200, "OK".into()));
        self.loss.clone().or(closing).await
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let Writer { id, shared, inbox } = &self.writer;
        shared.inboxes.forget(*id, inbox);
        if inbox.is_shut() && self.channel.status().connected() {
            shared.keep_closed(self.channel.clone());
        }
    }
}

impl Writer {
    /// Adds a message to the output; [`Writer::flush`] sends it. Returns `false`, and does nothing, if the
    /// broker has closed the channel.
    pub(crate) fn publish(&self, message: Publish<'_>) -> bool {
        let frame_max = self.shared.frame_max();
        let mut is_open = false;
        self.shared.out.gather(|frames| {
            is_open = !self.inbox.is_shut();
            if is_open {
                frames.publish(self.id, message, frame_max);
            }
        });
        is_open
    }

    /// Sends all messages in the output.
    pub(crate) fn flush(&self) {
        self.shared.out.write(|_| {});
    }

    /// Acks some messages, and requeues others. It requeues with `nack`: a `reject` would mean that they
    /// failed, and would count against a quorum queue's delivery limit. `false`: the channel is gone, and
    /// nothing is written.
    pub(crate) fn settle(&self, acks: &[Ack], requeued: &[u64]) -> bool {
        let mut is_open = false;
        let is_written = self.shared.out.write(|frames| {
            is_open = !self.inbox.is_shut();
            if !is_open {
                return;
            }
            for ack in acks {
                frames.ack(self.id, ack.tag, ack.multiple);
            }
            for tag in requeued {
                frames.requeue(self.id, *tag);
            }
        });
        is_written && is_open
    }

    /// Gives back every message of the channel that is not settled.
    pub(crate) fn give_back_all(&self) {
        self.shared.out.write(|frames| {
            if !self.inbox.is_shut() {
                frames.give_back_all(self.id);
            }
        });
    }

    /// Pending while the socket is full.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        self.shared.out.poll_ready(cx)
    }

    /// The size of the largest frame that both sides agreed on, in bytes.
    pub(crate) fn frame_max(&self) -> usize {
        self.shared.frame_max()
    }
}
