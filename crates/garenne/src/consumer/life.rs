//! The life of a delivery: received → recalled → decoded → run → sent → decided → settled.
//!
//! This file decides everything that garenne promises about a message. The channel's task makes a [`Life`]
//! of each message, drives [`Life::live`], and tells the broker its result; nothing else acks. Each step is
//! a function below, in this order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Context, Handler};
use garenne_core::reader::Message;
use garenne_core::wire::readable;
use garenne_core::{Outcome, Settlement, TextProperty, decide};
use tokio::sync::{SemaphorePermit, TryAcquireError};
use tracing::{Span, info_span};

use super::attempt_result::AttemptResult;
use super::channel_alive::{ChannelAlive, ChannelGone};
use super::handler::HandlerLost;
use super::settle::Settled;
use super::stage::Stage;
use super::{Worker, WorkerNews};
use crate::body::{Body, Undecodable};
use crate::delivery::{Delivery, Meta};
use crate::panics::panic_text;

/// How many times the handler may be lost over other messages while it handles this message, before that
/// costs this message an attempt.
const MOST_LOST: u32 = 3;

/// A delivery, from its message to its settlement.
pub(super) struct Life<A, B> {
    pub(super) worker: Rc<Worker<A, B>>,
    pub(super) channel: Rc<ChannelAlive>,
    pub(super) meta: Arc<Meta>,
    pub(super) stage: Rc<Stage>,
    pub(super) span: Span,
}

/// Makes the future of a life: see [`Life::live`].
pub(super) type Live<A, B, L> = fn(Life<A, B>) -> L;

impl<A, B> Life<A, B>
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: Body,
{
    /// *received*: a life begins with a message as it came. Of its properties only the attempt's number is
    /// read.
    pub(super) fn received(
        worker: &Rc<Worker<A, B>>,
        channel: &Rc<ChannelAlive>,
        stage: Rc<Stage>,
        message: Message,
    ) -> Self {
        let meta = Meta::new(Arc::clone(&worker.name), message);
        let span = info_span!(
            "delivery",
            queue = %meta.queue,
            message_id = &*meta.id_to_show(),
            attempt = meta.attempt.number()
        );
        Self {
            worker: Rc::clone(worker),
            channel: Rc::clone(channel),
            meta: Arc::new(meta),
            stage,
            span,
        }
    }

    /// From the message to the answer for the broker. Calls only go down.
    ///
    /// Dropping the future abandons the message: the broker redelivers it. Steps that few messages reach
    /// are boxed, so that the future, which is made and moved for each message, stays small.
    pub(super) async fn live(self) -> Settled {
        let Ok(mut result) = self.attempted().await else {
            // The next redelivery asks again.
            return Settled::Nothing;
        };
        self.stage.end();
        if !result.outgoing.is_empty() {
            result = Box::pin(self.sent(result)).await;
        }
        let settlement = self.decided(&result);
        self.settled(result, settlement).await
    }

    /// The result of an attempt: a recalled result of an earlier attempt, or else the result of a new
    /// attempt.
    async fn attempted(&self) -> Result<AttemptResult, ChannelGone> {
        if let Some(earlier) = self.recalled().await? {
            return Ok(earlier);
        }
        let body = match self.decoded() {
            Ok(body) => body,
            Err(undecodable) => return Ok(undecodable),
        };
        Ok(self.run(body).await)
    }

    /// *recalled*: the result of an earlier attempt on this same message, if its ack was lost with its
    /// channel.
    async fn recalled(&self) -> Result<Option<AttemptResult>, ChannelGone> {
        let Some(earlier) = self.worker.recall.earlier(&self.meta) else {
            return Ok(None);
        };
        let result = Box::pin(self.channel.while_alive(earlier)).await?;
        if result.is_some() {
            self.worker.counters.on_recalled();
        }
        Ok(result)
    }

    /// *decoded*: the body as the handler wants it. A decoder is user code, so it may panic.
    fn decoded(&self) -> Result<B, AttemptResult> {
        let Meta { bytes, .. } = &*self.meta;
        catch_unwind(AssertUnwindSafe(|| {
            B::decode(bytes, self.meta.content_type())
        }))
        .unwrap_or_else(|panic| Err(Undecodable::new(panic_text(&*panic))))
        .map_err(|why| AttemptResult::undecodable(&encoded(&self.meta, why)))
    }

    /// *run*: the handler's result, its panic or its deadline; or requeue, when no handler has begun.
    async fn run(&self, mut body: B) -> AttemptResult {
        // The permit is held until the handler has ended, not until the message is settled: a message that
        // waits until its copy is stored must not keep the next handler from beginning.
        let Some(_permit) = self.permit().await else {
            return AttemptResult::requeued();
        };
        self.stage.begin();
        let mut lost_over_others = 0;
        loop {
            let run = self.worker.handler.run(self, body).await;
            let outgoing = self.meta.outbox.close();
            match run {
                Ok(result) if result.outcome == Outcome::Done => {
                    return AttemptResult { outgoing, ..result };
                }
                Ok(result) => {
                    if result.outcome == Outcome::Panicked {
                        self.worker.handler_died(&result.error);
                    }
                    return result;
                }
                // Over whichever messages the handler is lost, this must not go on for ever.
                Err(HandlerLost::OverAnother) if lost_over_others == MOST_LOST => {
                    return AttemptResult::panicked(
                        "the handler actor was lost again and again while it handled this message",
                    );
                }
                Err(HandlerLost::OverAnother) => lost_over_others += 1,
                Err(HandlerLost::BeforeItBegan) => {}
                Err(HandlerLost::ForGood(why)) => {
                    self.worker.report(WorkerNews::NoHandler(why));
                    return AttemptResult::requeued();
                }
            }
            // The handler was lost, which is not this message's fault: the message begins again with a new
            // handler, unless the worker requeues messages that were not begun.
            if self.worker.permits.is_closed() || !self.channel.is_alive() {
                return AttemptResult::requeued();
            }
            body = match self.decoded() {
                Ok(body) => body,
                Err(undecodable) => return undecodable,
            };
        }
    }

    /// The right to run a handler; the worker has as many permits as its concurrency. `None`: the worker
    /// stops or its channel is gone, and a message that was not begun must not begin.
    async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        let permits = &self.worker.permits;
        match permits.try_acquire() {
            Ok(permit) => self.channel.is_alive().then_some(permit),
            Err(TryAcquireError::Closed) => None,
            Err(TryAcquireError::NoPermits) => {
                let permit = self.channel.while_alive(permits.acquire()).await;
                permit.ok()?.ok()
            }
        }
    }

    /// *decided*: the settlement that follows from the attempt's result by the queue's retry policy.
    fn decided(&self, result: &AttemptResult) -> Settlement {
        decide(&result.outcome, self.meta.attempt, &self.worker.queue.retry)
    }
}

/// A body may be unreadable because it is encoded, and its message says so. garenne decodes no encoding.
fn encoded(meta: &Meta, why: Undecodable) -> Undecodable {
    let encoding = meta.list().text(TextProperty::ContentEncoding);
    let encoding = readable(encoding.unwrap_or_default());
    if ["", "identity", "utf-8"].contains(&encoding.to_ascii_lowercase().as_str()) {
        return why;
    }
    Undecodable::new(format_args!(
        "{} (its content-encoding is `{encoding}`)",
        why.as_str()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::FnHandler;
    use crate::{Failure, Text};

    /// It is made and moved for each message. It once had 1,000 bytes.
    const SMALL: usize = 700;

    async fn charge(_: Delivery<Text>) -> Result<(), Failure> {
        Ok(())
    }

    fn size_of_future<A, B, L>(_: Live<A, B, L>) -> usize {
        size_of::<L>()
    }

    fn live_of<A, B>(_: &A) -> Live<A, B, impl Future<Output = Settled>>
    where
        A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
        A::Result: 'static,
        B: Body,
    {
        Life::<A, B>::live
    }

    #[test]
    fn the_future_of_a_life_stays_small() {
        let size = size_of_future(live_of(&FnHandler::new(charge)));
        assert!(size <= SMALL, "{size} bytes");
    }
}
