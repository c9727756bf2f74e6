//! A message as a handler receives it.

mod meta;
mod outbox;
mod witness;

pub(crate) use meta::{Meta, Source};
pub(crate) use outbox::{Outbox, Parcel, Way};
pub(crate) use witness::{CallNumber, Culprit};

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
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
use witness::Witness;

/// A message as a handler receives it: a typed body, the broker's metadata, and the number of this attempt.
///
/// A delivery dereferences to its body. Dropping it settles nothing: the handler's *return value* decides
/// how the message is settled. A delivery may be moved to another thread when `B` can.
pub struct Delivery<B> {
    body: B,
    run: RunId,
    meta: Arc<Meta>,
    witness: Option<Witness>,
}

impl<B: 'static> Message for Delivery<B> {
    type Result = Result<(), Failure>;
}

impl<B> Delivery<B> {
    pub(crate) fn new(body: B, meta: Arc<Meta>) -> Self {
        Self {
            body,
            run: meta.outbox.run(),
            meta,
            witness: None,
        }
    }

    /// Marks this call as the culprit if a panic drops the delivery, so that garenne knows which message
    /// its handler actor was lost over.
    pub(crate) fn seen_by(&mut self, culprit: &Arc<Culprit>, call: CallNumber) {
        let culprit = Arc::clone(culprit);
        self.witness = Some(Witness { culprit, call });
    }

    pub(crate) fn meta(&self) -> &Arc<Meta> {
        &self.meta
    }

    /// Adds a message that this run wants sent.
    fn put(&self, way: Way, finish: impl FnOnce(usize) -> Outgoing) {
        self.meta().outbox.put(self.run, way, finish);
    }

    /// For test kits: shows the messages that the handler of a fabricated delivery wants sent, after the
    /// delivery was handed over. Each message comes with its delay.
    #[doc(hidden)]
    pub fn watch_outgoing(&self) -> impl Fn() -> Vec<(Outgoing, Option<Duration>)> + use<B> {
        let meta = Arc::clone(self.meta());
        move || meta.outbox.so_far()
    }

    /// Makes a delivery by hand, to test a handler without a broker. The body is decoded from the bytes, as
    /// in a running system.
    ///
    /// # Errors
    ///
    /// [`Undecodable`] from the body's decoder; no handler would have seen this message.
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

    /// The number of this run of a handler on this message; the first run is 1.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        self.meta().attempt
    }

    /// The queue that the message was consumed from.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.meta().queue
    }

    /// The exchange that the message was published to; `""` is the default exchange. A retried or replayed
    /// message comes through the default exchange, but this still names the original exchange. Bytes that
    /// are not UTF-8 are shown as `\xe9`.
    ///
    /// A message's own statement of its original exchange counts only if the message came as garenne sends
    /// its copies: see [`is_copy`](garenne_core::is_copy). Only a producer that may write to the default
    /// exchange can send such a message; that producer can state any exchange here.
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

    /// Whether the broker has delivered this message before and has not seen it settled. It says nothing
    /// about retries: a retry is a new message (see [`Delivery::attempt`]).
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.meta().redelivered
    }

    /// The message id, if the producer gave an id. A message without an id gets an id at its first retry
    /// and keeps it from then on, so a handler can recognise a message that it has handled before.
    ///
    /// Bytes that are not UTF-8 are shown as `\xe9`.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.meta().message_id()
    }

    /// A header of the message. `None` also for a header that cannot be read: see [`Delivery::unread`].
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Value> {
        self.meta().list().header(name)?.decode().ok()
    }

    /// All AMQP properties and headers of the message. Every call reads them anew; for a single header
    /// [`Delivery::header`] is cheaper.
    #[must_use]
    pub fn properties(&self) -> Properties {
        self.meta().properties()
    }

    /// The parts of the properties and headers that cannot be read, each with its original bytes: a text
    /// that is not UTF-8, a header that is nested deeper than 100 levels, a header that comes twice. Nearly
    /// always there are none. A handler gets its messages even with such parts. Retry copies and parked
    /// messages carry these parts untouched.
    ///
    /// A printed part says which part it is and why it cannot be read.
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

    /// Sends a message if the handler succeeds: after it has returned `Ok`, and before the delivery is
    /// acked.
    ///
    /// ```
    /// # use garenne::prelude::*;
    /// async fn charge(order: Delivery<Text>) -> Result<(), Failure> {
    ///     order.publish(Outgoing::to_queue("invoices", order.body().clone()));
    ///     Ok(())
    /// }
    /// ```
    ///
    /// The delivery is acked when every message is confirmed. A message that is not confirmed is sent
    /// again, with back-off and the same id, for as long as it takes; the delivery is held meanwhile, like
    /// a delivery whose retry copy is not stored yet. So for each acked delivery all its messages were
    /// stored, some perhaps more than once. When the handler does not return `Ok`, no message is sent.
    ///
    /// A message that reaches no queue makes this a failed attempt, retried by the queue's policy. A
    /// message that can never be sent (too large, refused) makes it a permanent failure. The next attempt
    /// then sends again the messages that were confirmed before.
    ///
    /// A message that is given after the handler has returned, by a task that the handler left behind, is
    /// not sent; this is logged (`outgoing_too_late`).
    ///
    /// [`Outgoing::after`] sends the message later. [`Outgoing::derived`] gives the message an id by which
    /// a receiver recognises it when it is sent more than once. Both can be combined:
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

    /// The queue that the sender expects the reply in, if the message is a request and names that queue in
    /// UTF-8.
    #[must_use]
    pub fn reply_to(&self) -> Option<&str> {
        text(self.meta().list().reply_to()?)
    }

    /// Replies to a request: to the queue that the request names, with its correlation id (or, without a
    /// correlation id, its message id). For a message that asks for no reply it does nothing.
    ///
    /// ```
    /// # use garenne::prelude::*;
    /// async fn price(question: Delivery<Json<String>>) -> Result<(), Failure> {
    ///     question.reply(Json(question.len()));
    ///     Ok(())
    /// }
    /// ```
    ///
    /// The sender of the request decides where its reply goes, but the reply is sent with the service's
    /// rights. So garenne accepts only an address that a broker has given: an address for direct replies
    /// (`amq.rabbitmq.reply-to…`), or a queue that the broker has named (`amq.gen-…`).
    /// [`SystemBuilder::allow_replies_to`](crate::SystemBuilder::allow_replies_to) allows more. To any
    /// other address the reply is not sent, and the request fails permanently, with an error that says so.
    ///
    /// Like a message of [`Delivery::publish`], the reply is sent when the handler has returned `Ok`, and
    /// before the request is acked. A retried request is answered when an attempt succeeds, perhaps too
    /// late for its sender. The broker drops a reply whose sender no longer waits for it; that is no
    /// failure. A repeated run sends the reply with the same message id.
    pub fn reply(&self, payload: impl Payload) {
        let Some(reply_to) = self.reply_to() else {
            return;
        };
        // The broker counts no queue behind an address for direct replies: a mandatory reply would be
        // returned as unroutable even when it was delivered.
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
