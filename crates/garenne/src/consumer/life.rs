//! The life of a delivery: received → admitted → decoded → handled → decided → settled.
//!
//! Everything that garenne promises about one message is decided on this page. The channel's task
//! drives one [`live`] per delivery and sends what it returns to the broker; nothing else acks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::{Actor, Context, Handler};
use garenne_core::reader::Message;
use garenne_core::wire::readable;
use garenne_core::{Outcome, TextProperty, decide};
use tokio::sync::TryAcquireError;
use tracing::{Span, info_span};

use super::handler::{Lost, Run};
use super::line::Line;
use super::outbox::sent;
use super::settle::{Settled, settle};
use super::{Worker, WorkerNews};
use crate::body::{Body, Undecodable};
use crate::delivery::{Delivery, Meta, Parcel, Source};
use crate::panics::panic_text;

/// How many times the handler may be lost over other messages while it handles this one, before it
/// costs this one an attempt.
const MOST_TORN_DOWN: u32 = 3;

/// How a handler's run ended, and the words for it.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) error: String,
    pub(crate) chain: Vec<String>,
    /// What the handler wants sent if it has succeeded.
    pub(super) outgoing: Vec<Parcel>,
    /// It is part of the counters already.
    pub(crate) counted: bool,
}

/// Makes the life of a delivery: see [`live`].
pub(super) type Live<A, B, L> = fn(Rc<Worker<A, B>>, Rc<Line>, Arc<Meta>) -> L;

/// From the delivery to the order to ack. Calls only go down.
///
/// Dropping the future abandons the message: the broker hands it out again. Steps that few messages come
/// to are boxed. So the future, which is made and moved for each message, stays small.
pub(super) async fn live<A, B>(worker: Rc<Worker<A, B>>, line: Rc<Line>, meta: Arc<Meta>) -> Settled
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: Body,
{
    let span = span_of(&meta);
    let recalled = match worker.recall.of(&meta) {
        None => None,
        Some(earlier) => match Box::pin(line.while_alive(earlier.ended())).await {
            Some(ran) => ran,
            // The next redelivery asks again.
            None => return Settled::Nothing,
        },
    };
    let ran = match recalled {
        Some(ran) => {
            worker.counters.on_recalled();
            ran
        }
        None => match decoded::<B>(&meta) {
            Ok(body) => handled(&worker, &line, &meta, body, &span).await,
            Err(why) => Ran::of(Outcome::Undecodable, why.as_str()),
        },
    };
    meta.ended.store(true, Ordering::Relaxed);
    let ran = if ran.outgoing.is_empty() {
        ran
    } else {
        Box::pin(sent(&worker, &line, ran, &span)).await
    };
    let settlement = decide(&ran.outcome, meta.attempt, &worker.queue.retry);
    settle(&worker, &line, &meta, ran, settlement, &span).await
}

/// *received*: what the broker handed out, as it came. Of its properties nothing is read but the number
/// of the attempt.
pub(super) fn received(queue: &Arc<Source>, message: Message) -> Arc<Meta> {
    Arc::new(Meta::new(Arc::clone(queue), message))
}

/// *decoded*: the body as the handler wants it. A decoder is user code: it may panic.
fn decoded<B: Body>(meta: &Meta) -> Result<B, Undecodable> {
    catch_unwind(AssertUnwindSafe(|| {
        B::decode(&meta.bytes, meta.content_type())
    }))
    .unwrap_or_else(|panic| Err(Undecodable::new(panic_text(&*panic))))
    .map_err(|why| encoded(meta, why))
}

/// A body may be unreadable because it is encoded, and its message says so. garenne decodes nothing.
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

/// *handled*: the handler's result, its panic, its deadline, or that it never began.
async fn handled<A, B>(
    worker: &Worker<A, B>,
    line: &Line,
    meta: &Arc<Meta>,
    body: B,
    span: &Span,
) -> Ran
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: Body,
{
    let permit = match worker.permits.try_acquire() {
        Ok(permit) => line.is_alive().then_some(permit),
        Err(TryAcquireError::Closed) => None,
        Err(TryAcquireError::NoPermits) => {
            let permit = line.while_alive(worker.permits.acquire()).await;
            permit.and_then(Result::ok)
        }
    };
    // Held until the handler has ended, not until the message is settled: a message that waits for
    // the broker to take its copy must not keep the next handler from beginning.
    let Some(_permit) = permit else {
        // What has not begun when its link goes shall not begin: the broker hands it out again.
        return Ran::not_begun();
    };
    meta.begun.store(true, Ordering::Relaxed);
    let mut torn_down = 0;
    let mut next = Ok(body);
    loop {
        let delivery = match next {
            Ok(body) => Delivery::new(body, Arc::clone(meta)),
            Err(why) => return Ran::of(Outcome::Undecodable, Undecodable::as_str(&why)),
        };
        let run = worker
            .handler
            .run(delivery, meta, worker.settings.deadline, span)
            .await;
        let outgoing = meta.outbox.close();
        match run {
            Ok(Run::Finished(Ok(()))) => {
                return Ran {
                    outgoing,
                    ..Ran::of(Outcome::Done, "")
                };
            }
            Ok(Run::Finished(Err(failure))) => {
                return Ran {
                    chain: failure.chain().to_vec(),
                    ..Ran::of(Outcome::Failed(failure.wish()), failure.error())
                };
            }
            Ok(Run::Panicked(text)) => {
                worker.handler_died(&text);
                return Ran::of(Outcome::Panicked, text);
            }
            Ok(Run::DeadlineExceeded) => {
                let deadline = humantime::format_duration(worker.settings.deadline);
                return Ran::of(
                    Outcome::DeadlineExceeded,
                    format!("no result within the handler's deadline of {deadline}"),
                );
            }
            // Whoever is to blame each time, it cannot go on for ever.
            Ok(Run::TornDown) if torn_down == MOST_TORN_DOWN => {
                let why =
                    "the handler actor was lost again and again while it handled this message";
                return Ran::of(Outcome::Panicked, why);
            }
            // The handler was lost, not this message's fault: begin again with a new one, unless the
            // worker is giving back what has not begun.
            Ok(end @ (Run::NotBegun | Run::TornDown))
                if !worker.permits.is_closed() && line.is_alive() =>
            {
                torn_down += u32::from(matches!(end, Run::TornDown));
                next = decoded::<B>(meta);
            }
            Ok(Run::NotBegun | Run::TornDown) => return Ran::not_begun(),
            Err(Lost(why)) => {
                worker.report(WorkerNews::NoHandler(why));
                return Ran::not_begun();
            }
        }
    }
}

fn span_of(meta: &Meta) -> Span {
    info_span!(
        "delivery",
        queue = %meta.queue,
        message_id = &*meta.id_to_show(),
        attempt = meta.attempt.number()
    )
}

impl Ran {
    fn of(outcome: Outcome, error: impl Into<String>) -> Self {
        Self {
            outcome,
            error: error.into(),
            chain: Vec::new(),
            outgoing: Vec::new(),
            counted: false,
        }
    }

    /// Nothing is left to do but to ack.
    pub(super) fn settled() -> Self {
        Self {
            counted: true,
            ..Self::of(Outcome::Done, "")
        }
    }

    fn not_begun() -> Self {
        Self::of(Outcome::NotBegun, "")
    }
}
