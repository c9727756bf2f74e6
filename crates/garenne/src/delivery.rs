//! A message as it is handed to a handler.

mod meta;
mod outbox;

pub(crate) use meta::{Meta, Source};
pub(crate) use outbox::{Outbox, Parcel, Way};

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::Message;
use bytes::Bytes;
use garenne_core::reader::Message as Received;
use garenne_core::{Attempt, Properties, Queue, Unread, Value};

use crate::body::{Body, Undecodable};
use crate::failure::Failure;
use crate::publish::{Outgoing, Payload, Publication};
use crate::wire::cut;
use meta::text;
use outbox::{RunId, derived_id};

/// A message as it is handed to a handler: a typed body, what the broker said about it, and the
/// number of this attempt.
///
/// It dereferences to its body. Dropping it settles nothing: what the handler *returns* decides
/// what happens to the message. It may be moved to another thread when `B` can.
pub struct Delivery<B> {
    body: B,
    run: RunId,
    witness: Witness,
}

impl<B: 'static> Message for Delivery<B> {
    type Result = Result<(), Failure>;
}

impl<B> Delivery<B> {
    pub(crate) fn new(body: B, meta: Arc<Meta>) -> Self {
        Self {
            body,
            run: meta.outbox.run(),
            witness: Witness {
                meta,
                neighbours: None,
            },
        }
    }

    /// Lets the other messages in the same handler's hands know if a panic tears this one down.
    pub(crate) fn seen_by(&mut self, neighbours: &Arc<AtomicBool>) {
        self.witness.neighbours = Some(Arc::clone(neighbours));
    }

    pub(crate) fn meta(&self) -> &Arc<Meta> {
        &self.witness.meta
    }

    /// Adds to what this run wants sent.
    fn put(&self, way: Way, finish: impl FnOnce(usize) -> Outgoing) {
        self.meta().outbox.put(self.run, way, finish);
    }

    /// Sees what the handler of a fabricated delivery wants sent, after the delivery was handed over: for
    /// test kits. Each comes with the delay that it is to be sent after.
    #[doc(hidden)]
    pub fn watch_outgoing(&self) -> impl Fn() -> Vec<(Outgoing, Option<Duration>)> + use<B> {
        let meta = Arc::clone(self.meta());
        move || meta.outbox.so_far()
    }

    /// A delivery made by hand, to test a handler without a broker. The body is decoded from the
    /// bytes, as it would be in a running system.
    ///
    /// # Errors
    ///
    /// [`Undecodable`] as the body's decoder says it; no handler would have seen this message.
    pub fn fabricate(
        queue: &str,
        attempt: Attempt,
        properties: &Properties,
        bytes: impl Into<Bytes>,
    ) -> Result<Self, Undecodable>
    where
        B: Body,
    {
        let bytes = bytes.into();
        let body = B::decode(&bytes, properties.content_type.as_deref())?;
        let mut list = Vec::new();
        properties.encode(&mut list);
        let message = Received::fabricated(b"", cut(queue).as_bytes(), &list, b"");
        let source = Source::of(&Queue::quorum(queue));
        let mut meta = Meta::new(Arc::new(source), message);
        meta.attempt = attempt;
        meta.bytes = bytes;
        Ok(Self::new(body, Arc::new(meta)))
    }

    /// The decoded body.
    #[must_use]
    pub fn body(&self) -> &B {
        &self.body
    }

    /// Gives up the metadata and keeps the body.
    #[must_use]
    pub fn into_body(self) -> B {
        self.body
    }

    /// The number of this run of a handler on this message; the first is 1.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        self.meta().attempt
    }

    /// The queue that the message was consumed from.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.meta().queue
    }

    /// The exchange that the message was published to; `""` is the default exchange. A retried
    /// message comes back through the default exchange; this still names the original one, and so it does
    /// on a replay. Bytes that are not UTF-8 are shown as `\xe9`.
    ///
    /// What a message says about its original counts only if it came by garenne's own way: see
    /// [`is_copy`](garenne_core::is_copy). It takes a right to write to the default exchange to be on that
    /// way, and with it a producer can say here what he likes; without it he cannot.
    #[must_use]
    pub fn exchange(&self) -> &str {
        self.meta().exchange()
    }

    /// The routing key that the message was published with, kept across retries like
    /// [`Delivery::exchange`]. Bytes that are not UTF-8 are shown as `\xe9`.
    #[must_use]
    pub fn routing_key(&self) -> &str {
        self.meta().routing_key()
    }

    /// Whether the broker has handed out this message before without having seen it settled. It
    /// says nothing about retries: those are new messages (see [`Delivery::attempt`]).
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.meta().redelivered
    }

    /// The message id, if the producer gave one. A message without one gets one at its first retry;
    /// from then on it stays the same, so a handler can use it to recognise what it has done.
    ///
    /// Bytes that are not UTF-8 are shown as `\xe9`.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.meta().message_id()
    }

    /// One header of the message. `None` also for one that cannot be read: see [`Delivery::unread`].
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Value> {
        self.meta().list().header(name)?.decode().ok()
    }

    /// All AMQP properties and headers of the message. They are read on every call; for a
    /// single header [`Delivery::header`] is cheaper.
    #[must_use]
    pub fn properties(&self) -> Properties {
        self.meta().properties()
    }

    /// The parts of the properties and headers that cannot be read, each with its bytes as they came: a
    /// text that is not UTF-8, a header that is nested deeper than 100 or comes twice. Nearly always there
    /// are none. A handler gets its messages whatever is in them. Retry copies and parked messages carry
    /// these parts untouched.
    ///
    /// Printed, a part says what it is and why it cannot be read.
    ///
    /// ```
    /// # use garenne::prelude::*;
    /// async fn charge(order: Delivery<Text>) -> Result<(), Failure> {
    ///     if let Some(part) = order.unread().first() {
    ///         return Err(Failure::permanent(format!("the producer sends nonsense: {part}")));
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn unread(&self) -> Vec<Unread> {
        self.properties().unread
    }

    /// The undecoded bytes of the body.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.meta().bytes
    }

    /// Has a message sent if the handler succeeds: after it has returned `Ok`, and before the
    /// delivery is acked.
    ///
    /// ```
    /// # use garenne::prelude::*;
    /// async fn charge(order: Delivery<Text>) -> Result<(), Failure> {
    ///     order.publish(Outgoing::to_queue("invoices", order.body().clone()));
    ///     Ok(())
    /// }
    /// ```
    ///
    /// The delivery is acked when every message is confirmed. What is not confirmed is sent again,
    /// with back-off and the same id, for as long as it takes; the delivery is held meanwhile, like
    /// one whose retry copy is not stored yet. So for each delivery that is acked all its messages
    /// were stored, some perhaps more than once. When the handler does not return `Ok`, none is sent.
    ///
    /// A message that no queue takes makes this a failed attempt, retried by the queue's policy; one
    /// that can never be sent (too large, refused) a permanent failure. Messages that were confirmed
    /// before are then sent again by the next attempt.
    ///
    /// What is given after the handler has returned, by a task that it left behind, is not sent and
    /// is logged (`outgoing_too_late`).
    ///
    /// [`Outgoing::after`] has it sent later, and [`Outgoing::derived`] gives it an id by which it is
    /// recognised when it is sent more than once. Both may be said:
    ///
    /// ```
    /// # use garenne::prelude::*;
    /// # fn remind(order: &Delivery<Text>) {
    /// let reminder = Outgoing::to_queue("reminders", order.body().clone());
    /// order.publish(reminder.derived().after(72.hours()));
    /// # }
    /// ```
    pub fn publish(&self, message: impl Into<Publication>) {
        let Publication {
            message,
            delay,
            is_derived,
        } = message.into();
        let way = delay.map_or(Way::Now, Way::After);
        if is_derived {
            self.put_derived(way, message);
        } else {
            self.put(way, |_| message);
        }
    }

    fn put_derived(&self, way: Way, message: Outgoing) {
        self.put(way, |position| match derived_id(self.meta(), position) {
            Some(id) => message.message_id(id),
            None => message,
        });
    }

    /// The queue that a reply is expected in, if the message is a request and names it in UTF-8.
    #[must_use]
    pub fn reply_to(&self) -> Option<&str> {
        text(self.meta().list().reply_to()?)
    }

    /// Replies to a request: to the queue that it names, with its correlation id (or, if it has none,
    /// its message id). For a message that asks for no reply it does nothing.
    ///
    /// ```
    /// # use garenne::prelude::*;
    /// async fn price(question: Delivery<Json<String>>) -> Result<(), Failure> {
    ///     question.reply(Json(question.len()));
    ///     Ok(())
    /// }
    /// ```
    ///
    /// The sender of the request decides where its reply goes, and the service's rights count there. So
    /// only an address that a broker has given is taken: one for direct replies (`amq.rabbitmq.reply-to…`),
    /// or a queue that it has named (`amq.gen-…`).
    /// [`SystemBuilder::allow_replies_to`](crate::SystemBuilder::allow_replies_to) allows more. With any other
    /// the reply is not sent, and the request fails for good, with an error that says so.
    ///
    /// Like [`Delivery::publish`], it is sent when the handler has returned `Ok`, and before the
    /// request is acked; a request that is retried is answered when an attempt succeeds, perhaps
    /// too late for its sender. A reply that nobody waits for any more is dropped by the broker, and
    /// that is no failure. A run that is repeated sends it with the same message id.
    pub fn reply(&self, payload: impl Payload) {
        let Some(reply_to) = self.reply_to() else {
            return;
        };
        // Nothing says that an address for direct replies has a queue behind it: a mandatory reply
        // would come back as unroutable even where it was taken.
        let mut reply = Outgoing::to_queue(reply_to, payload).not_mandatory();
        let id = self.meta().list().correlation_id();
        if let Some(id) = id.or(self.message_id().map(str::as_bytes)) {
            reply = reply.correlation_bytes(id);
        }
        self.put_derived(Way::Reply(reply_to.to_owned()), reply);
    }
}

impl<B> Deref for Delivery<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.body
    }
}

impl<B: fmt::Debug> fmt::Debug for Delivery<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("queue", &self.queue())
            .field("message_id", &self.meta().message_id())
            .field("attempt", &self.meta().attempt)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// Sees how a delivery ends: dropped in passing, or torn down by a panic. When an actor dies with
/// several messages in its hands, this tells the one that killed it from its neighbours.
struct Witness {
    meta: Arc<Meta>,
    neighbours: Option<Arc<AtomicBool>>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        // The one whose handler panicked is torn down first; then the actor is, with all the others.
        if std::thread::panicking()
            && self
                .neighbours
                .as_ref()
                .is_none_or(|known| !known.swap(true, Ordering::Relaxed))
        {
            self.meta.unwound.store(true, Ordering::Relaxed);
        }
    }
}
