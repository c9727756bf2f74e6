//! The task of a channel: the only task that acks on it.
//!
//! It takes messages as they come, drives the lives of their deliveries, and passes the end of each life on
//! to [`Acks`].

mod ending;

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use actix::{Actor, Context, Handler};
use futures_util::future::LocalBoxFuture;
use garenne_core::reader::Message;
use garenne_core::{Caution, Epoch};
use tracing::{debug, info};

use super::acks::Acks;
use super::channel_alive::ChannelAlive;
use super::in_hand::{InHand, Reminder, Watched};
use super::life::{Life, Live};
use super::settle::Settled;
use super::subscription::End;
use super::{Mode, Worker, WorkerNews};
use crate::body::Body;
use crate::delivery::{Delivery, Meta};
use crate::link::{Incoming, Link, LinkError, Loss, Port, Subscription};

/// How many deliveries are taken before the handlers get their turn on this thread.
const BATCH: usize = 64;
/// How often the task checks whether the handler hangs.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) struct ChannelTask<A, B, L> {
    worker: Rc<Worker<A, B>>,
    live: Live<A, B, L>,
    channel: Rc<ChannelAlive>,
    epoch: Epoch,
    loss: Loss,
    port: Port,
    /// `None` once no more messages come through it.
    subscription: Option<Subscription>,
    caution: Caution,
    acks: Acks,
    in_hand: InHand<L>,
    cancelling: Option<LocalBoxFuture<'static, Result<(), LinkError>>>,
    draining: bool,
    reminder: Reminder,
    /// The task drains, and must not end its subscription before it is done.
    keeps_the_queue: bool,
    /// An ack got through.
    pub(super) progressed: bool,
}

/// Why a turn ended although there may be more to move on.
enum Turn {
    Lost(String),
    Cancelled,
    /// The caution is over: go to this prefetch.
    Promote(u16),
    Drained,
}

impl<A, B, L> ChannelTask<A, B, L>
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: Body,
    L: Future<Output = Settled>,
{
    /// Opens a channel on the link and subscribes.
    pub(super) async fn subscribe(
        worker: Rc<Worker<A, B>>,
        live: Live<A, B, L>,
        link: &Link,
        caution: Caution,
    ) -> Result<Self, LinkError> {
        let queue = worker.queue.name();
        let port = link.open_port(format!("queue `{queue}`")).await?;
        let subscribing = port.consume(queue, caution.prefetch()).await;
        let subscription = subscribing.map_err(LinkError::advised)?;
        worker.log.consuming.log(|repeated| {
            info!(
                event = "consuming",
                queue,
                worker = worker.id.0,
                epoch = link.epoch.0,
                prefetch = caution.prefetch(),
                repeated,
                "consuming"
            );
        });
        Ok(Self {
            channel: ChannelAlive::new(),
            epoch: link.epoch,
            loss: link.loss(),
            acks: Acks::new(caution.full(), Arc::clone(&worker.counters)),
            port,
            subscription: Some(subscription),
            caution,
            in_hand: InHand::new(),
            cancelling: None,
            draining: false,
            reminder: Reminder::default(),
            keeps_the_queue: false,
            progressed: false,
            worker,
            live,
        })
    }

    /// Consumes until the subscription ends. [`Self::linger`] takes care of the messages that are in hand
    /// then.
    pub(super) async fn run(&mut self) -> End {
        let mut mode = self.worker.hub.mode.clone();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let turn = tokio::select! {
                biased;
                now = Mode::changed(&mut mode) => match now {
                    Mode::Run => continue,
                    Mode::Drain => {
                        self.drain();
                        continue;
                    }
                    Mode::Abandon => {
                        self.in_hand.log_abandoned();
                        return End::Abandoned;
                    }
                },
                turn = std::future::poll_fn(|cx| self.poll_turn(cx)) => turn,
                _ = look.tick() => {
                    self.worker.look_after_handler();
                    self.say_what_is_awaited();
                    continue;
                }
            };
            match turn {
                Turn::Promote(full) => {
                    if let Err(error) = self.loss.clone().or(self.promote(full)).await {
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

    /// Takes the messages in hand to their end after the subscription is gone: acks them while the channel
    /// lives, otherwise lets the handlers finish and remembers their results.
    pub(super) async fn linger(mut self) {
        if self.in_hand.is_empty() && (self.acks.is_empty() || !self.channel.is_alive()) {
            return;
        }
        debug!(
            queue = self.worker.queue.name(),
            in_hand = self.in_hand.len(),
            "finishing what is in hand"
        );
        self.subscription = None;
        self.draining = true;
        let mut mode = self.worker.hub.mode.clone();
        let mut look = tokio::time::interval(LOOK_EVERY);
        if *mode.borrow_and_update() == Mode::Abandon {
            return self.in_hand.log_abandoned();
        }
        loop {
            tokio::select! {
                biased;
                now = Mode::changed(&mut mode) => match now {
                    Mode::Abandon => return self.in_hand.log_abandoned(),
                    Mode::Drain => self.reminder.begin(),
                    Mode::Run => {}
                },
                _ = look.tick() => self.say_what_is_awaited(),
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

    /// Moves on everything that can be moved: from the broker into hands, from hands into the ledger, from
    /// the ledger to the broker. Then the handlers get the thread.
    fn poll_turn(&mut self, cx: &mut TaskContext<'_>) -> Poll<Turn> {
        let mut moved = false;
        for _ in 0..BATCH {
            if !self.channel.is_alive() {
                break;
            }
            match self.port.poll_next(cx) {
                Poll::Ready(Incoming::Message(message)) => {
                    moved = true;
                    if let Some(full) = self.admit(message) {
                        return Poll::Ready(Turn::Promote(full));
                    }
                }
                Poll::Ready(Incoming::Closed(error)) => {
                    self.subscription = None;
                    return Poll::Ready(Turn::Lost(error.advised().to_string()));
                }
                Poll::Ready(Incoming::ConsumerEnded) => {
                    self.subscription = None;
                    if !self.draining {
                        return Poll::Ready(Turn::Cancelled);
                    }
                }
                // Nothing is published here.
                Poll::Ready(Incoming::Returned(_) | Incoming::Confirmed { .. }) => {}
                Poll::Pending => break,
            }
        }
        while let Poll::Ready((meta, settled)) = self.in_hand.poll_ended(cx) {
            moved = true;
            if let Some(full) = self.finish(meta, settled) {
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
        while self.channel.is_alive()
            && let Poll::Ready(acked) = self
                .acks
                .poll(cx, self.port.writer(), moved, &|tag| self.in_hand.find(tag))
        {
            moved = true;
            self.wrote(acked);
        }
        if self.is_drained() {
            return Poll::Ready(Turn::Drained);
        }
        if moved {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Takes a message into the ledger, and begins its life. Returns the new prefetch when it ends the
    /// caution.
    fn admit(&mut self, message: Message) -> Option<u16> {
        let tag = message.tag;
        if !self.acks.admit(tag) {
            return None;
        }
        self.worker.counters.on_delivered();
        if self.draining {
            self.worker.counters.on_requeued();
            self.requeue(tag);
            return None;
        }
        let redelivered = message.redelivered;
        let life = Life::received(&self.worker, &self.channel, self.in_hand.stage(), message);
        let watched = Watched {
            meta: Arc::clone(&life.meta),
            stage: Rc::clone(&life.stage),
        };
        self.in_hand.take(watched, (self.live)(life));
        self.caution.delivered(redelivered)
    }

    /// Enters the end of a life into the ledger. Returns the new prefetch when this ends the caution.
    fn finish(&mut self, meta: Arc<Meta>, settled: Settled) -> Option<u16> {
        if !self.channel.is_alive() {
            self.worker.counters.on_ended(1);
            // It is too late to tell the broker; the redelivery waits for this result.
            self.worker.recall.settled(&meta, settled);
            return None;
        }
        match settled {
            Settled::Ack => {
                let redelivered = meta.redelivered;
                self.acks.finish(meta);
                return self.caution.succeeded(redelivered);
            }
            Settled::Requeue => self.requeue(meta.tag()),
            Settled::Nothing => self.worker.counters.on_ended(1),
        }
        None
    }

    /// The broker has been told of settled messages, and `acked` acks were written.
    fn wrote(&mut self, acked: u64) {
        if acked > 0 && !self.progressed {
            self.progressed = true;
            self.worker.report(WorkerNews::Progress(self.epoch));
        }
    }

    /// Logs from time to time during a stop.
    fn say_what_is_awaited(&mut self) {
        if self.reminder.is_due() && !self.in_hand.is_empty() {
            let queue = self.worker.queue.name();
            self.in_hand.log_draining(queue, self.worker.id);
        }
    }

    /// Subscribes again with the full prefetch: `basic.qos` holds for new consumers only.
    async fn promote(&mut self, full: u16) -> Result<(), LinkError> {
        // A task that drains takes nothing new: a new subscription would fetch the messages that were just
        // requeued.
        if self.draining {
            return Ok(());
        }
        let Some(subscription) = self.subscription.take() else {
            return Ok(());
        };
        self.port.cancel(&subscription).await?;
        while let Some(last) = self.port.try_next() {
            match last {
                Incoming::Message(message) => drop(self.admit(message)),
                Incoming::Closed(error) => return Err(error),
                _ => {}
            }
        }
        self.subscription = Some(self.port.consume(self.worker.queue.name(), full).await?);
        debug!(
            event = "full_prefetch",
            queue = self.worker.queue.name(),
            prefetch = full,
            "caution is over"
        );
        Ok(())
    }
}
