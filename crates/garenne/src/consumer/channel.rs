//! The task of one channel: the only one that acks on it.
//!
//! It takes deliveries from the consumer's stream, drives their lives, keeps the ledger, and writes
//! acks: one at a time, and whatever finishes meanwhile goes into the next one, so acks coalesce by
//! themselves the busier the channel is.

use std::cell::Cell;
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use actix::{Actor, Context, Handler};
use futures_util::StreamExt;
use futures_util::future::{LocalBoxFuture, try_join_all};
use futures_util::stream::FuturesUnordered;
use garenne_core::{Ack, Caution, Epoch, Ledger};
use lapin::message::Delivery as Received;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::sync::Notify;
use tracing::{debug, error, info, warn};

use super::life::{live, received};
use super::settle::Settled;
use super::{Mode, Worker, WorkerNews};
use crate::body::Body;
use crate::delivery::{Delivery, Meta};
use crate::link::{Link, LinkError, call};
use crate::wire::short;

/// How many deliveries are taken before the handlers get their turn on this thread.
const BATCH: usize = 64;
/// How long a finished message may wait behind an unfinished one before it is acked by itself.
const STRAGGLER: Duration = Duration::from_millis(20);
/// How often the handler is looked after.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One incarnation of a worker's channel, as the lives of its deliveries see it.
pub(super) struct Line {
    alive: Cell<bool>,
    cut: Notify,
}

impl Line {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            alive: Cell::new(true),
            cut: Notify::new(),
        })
    }

    pub(super) fn is_alive(&self) -> bool {
        self.alive.get()
    }

    /// Returns when nothing can be settled on this channel any more.
    pub(super) async fn gone(&self) {
        let cut = self.cut.notified();
        if self.alive.get() {
            cut.await;
        }
    }

    fn cut(&self) {
        self.alive.set(false);
        self.cut.notify_waiters();
    }
}

/// How the subscription of a channel ended.
#[derive(Debug)]
pub(super) enum End {
    /// The channel or its link is gone.
    Lost(String),
    /// The broker cancelled the consumer: the queue was deleted or moved. The channel lives.
    Cancelled,
    /// Nothing is left in its hands.
    Drained,
    /// The drain deadline passed before that.
    Abandoned,
}

pub(super) struct ChannelTask<A, B> {
    worker: Rc<Worker<A, B>>,
    line: Rc<Line>,
    epoch: Epoch,
    channel: Channel,
    /// `None` once the stream has ended: it must never be polled again.
    consumer: Option<Consumer>,
    caution: Caution,
    ledger: Ledger,
    /// What is in hand, by delivery tag.
    open: HashMap<u64, Arc<Meta>>,
    lives: FuturesUnordered<LocalBoxFuture<'static, (u64, Settled)>>,
    give_back: Vec<u64>,
    /// The acks that are being written; at most one batch at a time.
    writing: Option<Write>,
    stragglers_due: Option<Pin<Box<tokio::time::Sleep>>>,
    cancelling: Option<LocalBoxFuture<'static, Result<(), LinkError>>>,
    draining: bool,
    progressed: bool,
}

struct Write {
    acked: u64,
    done: LocalBoxFuture<'static, lapin::Result<()>>,
}

/// What a turn ended with, beyond having moved messages on.
enum Turn {
    Lost(String),
    Cancelled,
    /// The caution is over: go to this prefetch.
    Promote(u16),
    Drained,
}

impl<A, B> ChannelTask<A, B>
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: Body,
{
    /// Opens a channel on the link and subscribes.
    pub(super) async fn subscribe(
        worker: Rc<Worker<A, B>>,
        link: &Link,
        caution: Caution,
    ) -> Result<Self, LinkError> {
        let channel = link.open_channel().await?;
        let consumer = consume(&channel, &worker, caution.prefetch()).await?;
        info!(event = "consuming", queue = worker.queue.name(), worker = worker.id.0, epoch = %link.epoch, prefetch = caution.prefetch(), "consuming");
        Ok(Self {
            line: Line::new(),
            epoch: link.epoch,
            channel,
            consumer: Some(consumer),
            caution,
            ledger: Ledger::new(),
            open: HashMap::new(),
            lives: FuturesUnordered::new(),
            give_back: Vec::new(),
            writing: None,
            stragglers_due: None,
            cancelling: None,
            draining: false,
            progressed: false,
            worker,
        })
    }

    /// Consumes until the subscription ends. What is still in hand then is for [`Self::linger`].
    pub(super) async fn run(&mut self) -> End {
        let mut mode = self.worker.hub.mode.clone();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let turn = tokio::select! {
                biased;
                now = changed_to(&mut mode) => match now {
                    Mode::Run => continue,
                    Mode::Drain => {
                        self.drain();
                        continue;
                    }
                    Mode::Abandon => {
                        self.log_abandoned();
                        return End::Abandoned;
                    }
                },
                turn = std::future::poll_fn(|cx| self.poll_turn(cx)) => turn,
                _ = look.tick() => {
                    self.look_after_handler();
                    continue;
                }
            };
            match turn {
                Turn::Promote(full) => {
                    if let Err(error) = self.promote(full).await {
                        return self.lost(error.to_string());
                    }
                }
                Turn::Lost(why) => return self.lost(why),
                Turn::Cancelled => return End::Cancelled,
                Turn::Drained => {
                    self.close().await;
                    return End::Drained;
                }
            }
        }
    }

    /// Sees what is in hand to its end after the subscription is gone: acks it while the channel
    /// lives, else lets the handlers finish and remembers how.
    pub(super) async fn linger(mut self) {
        if self.open.is_empty() && self.writing.is_none() {
            return;
        }
        debug!(
            queue = self.worker.queue.name(),
            in_hand = self.open.len(),
            "finishing what is in hand"
        );
        self.consumer = None;
        self.draining = true;
        let mut mode = self.worker.hub.mode.clone();
        if *mode.borrow_and_update() == Mode::Abandon {
            return self.log_abandoned();
        }
        loop {
            tokio::select! {
                biased;
                now = changed_to(&mut mode) => if now == Mode::Abandon {
                    return self.log_abandoned();
                },
                turn = std::future::poll_fn(|cx| self.poll_turn(cx)) => match turn {
                    Turn::Lost(why) => {
                        self.lost(why);
                    }
                    Turn::Drained => return self.close().await,
                    Turn::Cancelled | Turn::Promote(_) => {}
                }
            }
        }
    }

    /// Moves everything on that can be moved: from the broker into hands, from hands into the
    /// ledger, from the ledger to the broker. Then the handlers get the thread.
    fn poll_turn(&mut self, cx: &mut TaskContext<'_>) -> Poll<Turn> {
        let mut moved = false;
        for _ in 0..BATCH {
            let Some(consumer) = &mut self.consumer else {
                break;
            };
            match consumer.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(delivery))) => {
                    moved = true;
                    if let Some(full) = self.admit(delivery) {
                        return Poll::Ready(Turn::Promote(full));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    self.consumer = None;
                    return Poll::Ready(Turn::Lost(LinkError::of(&error).to_string()));
                }
                Poll::Ready(None) => {
                    self.consumer = None;
                    if !self.draining {
                        return Poll::Ready(Turn::Cancelled);
                    }
                }
                Poll::Pending => break,
            }
        }
        while let Poll::Ready(Some((tag, settled))) = self.lives.poll_next_unpin(cx) {
            moved = true;
            if let Some(full) = self.finish(tag, settled) {
                return Poll::Ready(Turn::Promote(full));
            }
        }
        if let Some(cancelling) = &mut self.cancelling
            && let Poll::Ready(result) = cancelling.as_mut().poll(cx)
        {
            self.cancelling = None;
            moved = true;
            if let Err(error) = result {
                return Poll::Ready(Turn::Lost(error.to_string()));
            }
        }
        if self.line.is_alive() {
            match self.poll_write(cx) {
                Ok(wrote) => moved |= wrote,
                Err(error) => return Poll::Ready(Turn::Lost(LinkError::of(&error).to_string())),
            }
        }
        if self.is_drained() {
            return Poll::Ready(Turn::Drained);
        }
        if moved {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// *admitted*: into the ledger, and on its way. Returns the new prefetch when it ends the caution.
    fn admit(&mut self, delivery: Received) -> Option<u16> {
        let (tag, meta) = received(&self.worker.name, delivery)?;
        if let Err(error) = self.ledger.admit(tag) {
            error!(event = "ledger", %error, "a delivery tag came twice");
            return None;
        }
        if self.draining {
            self.worker.counters.on_requeued();
            self.return_to_broker(tag);
            return None;
        }
        let redelivered = meta.redelivered;
        let meta = Arc::new(meta);
        self.open.insert(tag, Arc::clone(&meta));
        self.worker.counters.on_delivered();
        let life = live(Rc::clone(&self.worker), Rc::clone(&self.line), meta);
        self.lives.push(Box::pin(async move { (tag, life.await) }));
        self.caution.delivered(redelivered)
    }

    /// *settled*: what its life ended with goes into the ledger.
    fn finish(&mut self, tag: u64, settled: Settled) -> Option<u16> {
        let meta = self.open.remove(&tag)?;
        self.worker.counters.on_ended();
        match settled {
            Settled::Ack => {
                if let Err(error) = self.ledger.finish(tag) {
                    error!(event = "ledger", %error, "a delivery was settled twice");
                }
                return self.caution.succeeded(meta.redelivered);
            }
            Settled::GiveBack => self.return_to_broker(tag),
            Settled::Nothing => {}
        }
        None
    }

    fn return_to_broker(&mut self, tag: u64) {
        match self.ledger.give_back(tag) {
            Ok(()) => self.give_back.push(tag),
            Err(error) => error!(event = "ledger", %error, "a delivery was settled twice"),
        }
    }

    /// Writes acks, one batch at a time.
    fn poll_write(&mut self, cx: &mut TaskContext<'_>) -> lapin::Result<bool> {
        let mut moved = false;
        loop {
            if let Some(writing) = &mut self.writing {
                let Poll::Ready(result) = writing.done.as_mut().poll(cx) else {
                    return Ok(moved);
                };
                result?;
                let acked = writing.acked;
                self.writing = None;
                self.wrote(acked);
            }
            self.writing = self.next_write(cx);
            if self.writing.is_none() {
                return Ok(moved);
            }
            moved = true;
        }
    }

    /// The contiguous finished prefix as one ack. What finished behind an unfinished message joins
    /// it when a quarter of the prefetch waits so, or after 20 ms.
    fn next_write(&mut self, cx: &mut TaskContext<'_>) -> Option<Write> {
        let mut acks: Vec<Ack> = self.ledger.next_ack().into_iter().collect();
        if self.stragglers_are_due(cx) {
            acks.extend(std::iter::from_fn(|| self.ledger.next_straggler()));
            self.stragglers_due = None;
        }
        let give_back = std::mem::take(&mut self.give_back);
        if acks.is_empty() && give_back.is_empty() {
            return None;
        }
        let acked = acks.iter().map(|ack| u64::from(ack.count)).sum();
        let channel = self.channel.clone();
        let done: LocalBoxFuture<'static, lapin::Result<()>> = match (&acks[..], &give_back[..]) {
            (&[Ack { tag, multiple, .. }], &[]) => {
                Box::pin(async move { channel.basic_ack(tag, BasicAckOptions { multiple }).await })
            }
            _ => Box::pin(async move {
                // Polled in this order, so written in this order.
                let acks = acks.iter().map(|ack| {
                    channel.basic_ack(
                        ack.tag,
                        BasicAckOptions {
                            multiple: ack.multiple,
                        },
                    )
                });
                let requeue = BasicNackOptions {
                    requeue: true,
                    multiple: false,
                };
                let nacks = give_back
                    .iter()
                    .map(|tag| channel.basic_nack(*tag, requeue));
                futures_util::future::try_join(try_join_all(acks), try_join_all(nacks))
                    .await
                    .map(drop)
            }),
        };
        Some(Write { acked, done })
    }

    fn stragglers_are_due(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let waiting = self.ledger.stragglers();
        if waiting == 0 {
            self.stragglers_due = None;
            return false;
        }
        if waiting >= usize::from(self.worker.settings.prefetch / 4).max(1) {
            return true;
        }
        let due = self
            .stragglers_due
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(STRAGGLER)));
        due.as_mut().poll(cx).is_ready()
    }

    fn wrote(&mut self, acked: u64) {
        self.worker.counters.on_acked(acked);
        if acked > 0 && !self.progressed {
            self.progressed = true;
            self.worker.report(WorkerNews::Progress(self.epoch));
        }
    }

    /// Takes nothing new, and gives back what has not begun.
    fn drain(&mut self) {
        self.draining = true;
        self.worker.permits.close();
        self.worker.handler.give_back();
        if let Some(consumer) = &self.consumer {
            let (channel, tag) = (self.channel.clone(), consumer.tag());
            self.cancelling = Some(Box::pin(async move {
                call(
                    "cancelling the consumer",
                    channel.basic_cancel(tag, BasicCancelOptions::default()),
                )
                .await
            }));
        }
    }

    fn is_drained(&self) -> bool {
        let nothing_in_hand = self.open.is_empty() && self.writing.is_none();
        let settled =
            !self.line.is_alive() || (self.ledger.is_empty() && self.give_back.is_empty());
        self.draining
            && self.consumer.is_none()
            && self.cancelling.is_none()
            && nothing_in_hand
            && settled
    }

    /// Subscribes again with the full prefetch: `basic.qos` holds for new consumers only.
    async fn promote(&mut self, full: u16) -> Result<(), LinkError> {
        let Some(mut consumer) = self.consumer.take() else {
            return Ok(());
        };
        let cancelled = self
            .channel
            .basic_cancel(consumer.tag(), BasicCancelOptions::default());
        call("cancelling the cautious consumer", cancelled).await?;
        while let Some(delivery) = call("reading the last deliveries", async {
            consumer.next().await.transpose()
        })
        .await?
        {
            self.admit(delivery);
        }
        self.consumer = Some(consume(&self.channel, &self.worker, full).await?);
        debug!(
            event = "full_prefetch",
            queue = self.worker.queue.name(),
            prefetch = full,
            "caution is over"
        );
        Ok(())
    }

    /// Nothing can be settled any more. The broker will hand out again what is in hand; what is
    /// known of it is remembered for then.
    fn lost(&mut self, why: String) -> End {
        if self.line.is_alive() {
            for meta in self.open.values() {
                self.worker.recall.still_running(meta);
            }
            self.line.cut();
            self.writing = None;
            if !self.open.is_empty() {
                info!(
                    event = "deliveries_cut_off",
                    queue = self.worker.queue.name(),
                    in_hand = self.open.len(),
                    "the channel is gone; the broker will hand these messages out again"
                );
            }
        }
        End::Lost(why)
    }

    fn look_after_handler(&self) {
        let deadline = self.worker.settings.deadline;
        if self.worker.handler.replace_if_stuck(deadline) {
            error!(
                event = "handler_stuck",
                queue = self.worker.queue.name(),
                "the handler actor has not begun with a waiting message for its whole deadline; it is replaced"
            );
        }
    }

    fn log_abandoned(&self) {
        for meta in self.open.values() {
            warn!(event = "message_abandoned", queue = %meta.queue, message_id = meta.message_id().unwrap_or_default(), attempt = %meta.attempt, "not finished by the drain deadline; the broker hands it out again");
        }
    }

    async fn close(&self) {
        if self.line.is_alive() {
            let _ = call("closing the channel", self.channel.close(200, "OK".into())).await;
        }
    }
}

async fn consume<A, B>(
    channel: &Channel,
    worker: &Worker<A, B>,
    prefetch: u16,
) -> Result<Consumer, LinkError> {
    call(
        "setting the prefetch",
        channel.basic_qos(prefetch, BasicQosOptions::default()),
    )
    .await?;
    // The broker names the consumer: two incarnations on one channel must not share a tag.
    let consuming = channel.basic_consume(
        short(worker.queue.name()),
        "".into(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    call(
        &format!("consuming from queue `{}`", worker.queue.name()),
        consuming,
    )
    .await
}

async fn changed_to(mode: &mut tokio::sync::watch::Receiver<Mode>) -> Mode {
    match mode.changed().await {
        Ok(()) => *mode.borrow_and_update(),
        // The supervisor is gone; so is the system.
        Err(_) => Mode::Abandon,
    }
}
