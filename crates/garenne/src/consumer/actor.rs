//! The actor of a worker: subscribes, restarts, drains and reports. Its channel task handles the messages.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Supervised, WrapFuture,
};
use garenne_core::Backoff;
use tokio::sync::Notify;
use tracing::warn;

use super::channel::ChannelTask;
use super::life::Life;
use super::settle::Settled;
use super::subscription::End;
use super::{Mode, Worker, WorkerNews, WorkerReport};
use crate::body::Body;
use crate::delivery::Delivery;
use crate::link::{Link, LinkError, declare_queue, find_out};

/// A subscription that lasted this long while its link lived was good: the next subscription may follow at
/// once.
const GOOD: Duration = Duration::from_secs(10);

/// A worker. actix's `Supervisor` restarts it whenever its channel or link is gone: same value, same
/// handler, new subscription.
pub(crate) struct ConsumerActor<A, B> {
    worker: Rc<Worker<A, B>>,
    /// The waiting messages may have killed the previous process, or this worker's own link or channel.
    cautious: bool,
    backoff: Backoff,
    /// Since when no subscription was good.
    in_trouble: Option<Instant>,
    pause: Duration,
    redeclare: bool,
    lingering: Rc<Lingering>,
    /// The task that serves at the moment.
    serving: Option<tokio::task::AbortHandle>,
    _watch: Watch,
}

/// Drops the subscription and makes a new subscription: the old one gets no messages although it should.
pub(crate) struct Resubscribe;

impl actix::Message for Resubscribe {
    type Result = ();
}

/// Tells the supervisor when the actor is gone, which only a panic can cause: actix's `Supervisor` does not
/// survive a panic.
struct Watch(actix::Recipient<WorkerReport>, super::WorkerId);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.do_send(WorkerReport {
            worker: self.1,
            news: WorkerNews::Died,
        });
    }
}

/// Channels whose subscription has ended and whose deliveries have not.
#[derive(Default)]
struct Lingering {
    channels: Cell<usize>,
    ended: Notify,
}

impl<A, B> ConsumerActor<A, B>
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: Body,
{
    pub(crate) fn new(worker: Worker<A, B>, cautious: bool) -> Self {
        let watch = Watch(worker.hub.supervisor.clone(), worker.id);
        Self {
            worker: Rc::new(worker),
            cautious,
            backoff: Backoff::default(),
            in_trouble: None,
            pause: Duration::ZERO,
            redeclare: false,
            lingering: Rc::default(),
            serving: None,
            _watch: watch,
        }
    }

    fn serve(&mut self, ctx: &mut Context<Self>) {
        let cautious = self.cautious;
        let serving = serve(
            Rc::clone(&self.worker),
            Rc::clone(&self.lingering),
            cautious,
            self.pause,
            self.redeclare,
        );
        // A task of its own, so that the hot path is not polled through the actor's context.
        let task = actix_rt::spawn(serving);
        self.serving = Some(task.abort_handle());
        ctx.spawn(
            task.into_actor(self)
                .map(|served, actor, ctx| match served {
                    Ok((end, lasted)) => actor.ended(end, lasted, ctx),
                    Err(error) => {
                        let why = if error.is_cancelled() {
                            "nothing came through it"
                        } else {
                            actor.cautious = true;
                            "the channel's task panicked"
                        };
                        actor.worker.report(WorkerNews::Lost(why.to_owned()));
                        actor.restart(Duration::ZERO, ctx);
                    }
                }),
        );
    }

    /// Acts on the end of this start, after it lasted this long.
    fn ended(&mut self, end: End, lasted: Duration, ctx: &mut Context<Self>) {
        self.redeclare = matches!(end, End::Cancelled | End::Refused(_));
        let news = match end {
            End::Drained | End::Abandoned => {
                return self.worker.report(WorkerNews::Drained);
            }
            End::Lost(why) => {
                self.cautious = true;
                WorkerNews::Lost(why)
            }
            End::Cancelled => {
                self.cautious = false;
                self.worker.log.cancelled.log(|repeated| {
                    warn!(
                        event = "consumer_cancelled",
                        queue = self.worker.queue.name(),
                        repeated,
                        "the broker cancelled the consumer (queue deleted or moved); subscribing again"
                    );
                });
                WorkerNews::Lost("the broker cancelled the consumer".to_owned())
            }
            End::Refused(error) => WorkerNews::Refused(error),
        };
        self.worker.report(news);
        self.restart(lasted, ctx);
    }

    /// Stops; actix's `Supervisor` starts it again.
    fn restart(&mut self, lasted: Duration, ctx: &mut Context<Self>) {
        if lasted >= GOOD {
            self.backoff.reset();
            self.in_trouble = None;
            self.pause = Duration::ZERO;
        } else {
            // As for links: a long pause must not overrun the outage window.
            let since = self.in_trouble.get_or_insert_with(Instant::now);
            let lasting = since.elapsed();
            self.pause = self.backoff.next_within(fastrand::f64(), lasting);
        }
        ctx.stop();
    }
}

impl<A, B> Actor for ConsumerActor<A, B>
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: Body,
{
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.serve(ctx);
    }
}

impl<A, B> Handler<Resubscribe> for ConsumerActor<A, B>
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: Body,
{
    type Result = ();

    fn handle(&mut self, _: Resubscribe, _: &mut Self::Context) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}

impl<A, B> Supervised for ConsumerActor<A, B>
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: Body,
{
}

/// Runs a start of a worker: waits for a link, subscribes, consumes. Returns how the start ended, and how
/// long it lasted.
async fn serve<A, B>(
    worker: Rc<Worker<A, B>>,
    lingering: Rc<Lingering>,
    cautious: bool,
    pause: Duration,
    redeclare: bool,
) -> (End, Duration)
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    A::Result: 'static,
    B: Body,
{
    let link = tokio::select! {
        link = next_link(&worker, pause) => link,
        () = stopping(&worker) => None,
    };
    let Some(link) = link else {
        worker.permits.close();
        worker.handler.requeue();
        lingering.all_ended(&worker).await;
        return (End::Drained, GOOD);
    };
    if let Err(error) = get_to_know(&worker, &link, redeclare).await {
        return refused(&link, error);
    }
    let caution = worker.caution(cautious);
    let subscribing = ChannelTask::subscribe(Rc::clone(&worker), Life::live, &link, caution);
    let mut task = match link.while_up(subscribing).await {
        Ok(task) => task,
        Err(error) => return refused(&link, error),
    };
    worker.report(WorkerNews::Consuming(link.epoch));
    // The task keeps the channel; the supervisor keeps the link.
    let link = Arc::downgrade(&link);
    let since = Instant::now();
    let end = task.run().await;
    // If the link is gone, the next start waits for a new link: the supervisor's back-off is enough.
    let link_lives = link.upgrade().is_some_and(|link| link.is_up());
    // A queue that is deleted from time to time is no trouble if its messages are handled in between.
    let was_good = matches!(end, End::Cancelled) && task.progressed;
    let lasted = if link_lives && !was_good {
        since.elapsed()
    } else {
        GOOD
    };
    if let End::Lost(_) | End::Cancelled = end {
        lingering.adopt(task);
        if *worker.hub.mode.borrow() != Mode::Run {
            lingering.all_ended(&worker).await;
            return (End::Drained, lasted);
        }
    } else {
        lingering.all_ended(&worker).await;
    }
    (end, lasted)
}

/// Learns the facts about the queue that are needed before it is consumed.
async fn get_to_know<A, B>(
    worker: &Worker<A, B>,
    link: &Link,
    redeclare: bool,
) -> Result<(), LinkError> {
    let Worker { queue, sharing, .. } = worker;
    if redeclare {
        let consumers = declare_queue(link, queue).await?;
        // The queue may have been deleted and made anew.
        sharing.forget();
        sharing.learn(consumers);
    }
    if sharing.is_unknown() {
        sharing.learn(find_out(link, queue).await?);
    }
    Ok(())
}

/// There is no subscription. If the link was lost, that is the link's loss and not the queue's fault; and a
/// message may have been delivered already.
fn refused(link: &Link, error: LinkError) -> (End, Duration) {
    if link.is_up() {
        (End::Refused(error), Duration::ZERO)
    } else {
        (End::Lost(error.to_string()), GOOD)
    }
}

/// The link of the current epoch, as soon as there is a link. `None`: there will be no link any more.
async fn next_link<A, B>(worker: &Worker<A, B>, pause: Duration) -> Option<Arc<Link>> {
    tokio::time::sleep(pause).await;
    let mut links = worker.hub.consume.clone();
    let link = links
        .wait_for(|link| link.as_ref().is_some_and(|link| link.is_up()))
        .await
        .ok()?;
    link.clone()
}

async fn stopping<A, B>(worker: &Worker<A, B>) {
    let mut mode = worker.hub.mode.clone();
    // An error means that the supervisor is gone, and with it the system.
    let _ = mode.wait_for(|mode| *mode != Mode::Run).await;
}

impl Lingering {
    fn adopt<A, B, L>(self: &Rc<Self>, task: ChannelTask<A, B, L>)
    where
        A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
        A::Result: 'static,
        B: Body,
        L: Future<Output = Settled> + 'static,
    {
        self.channels.set(self.channels.get() + 1);
        let lingering = Rc::clone(self);
        actix_rt::spawn(async move {
            task.linger().await;
            lingering.channels.set(lingering.channels.get() - 1);
            lingering.ended.notify_waiters();
        });
    }

    async fn all_ended<A, B>(&self, worker: &Worker<A, B>) {
        let mut mode = worker.hub.mode.clone();
        loop {
            let ended = self.ended.notified();
            if self.channels.get() == 0 || *mode.borrow_and_update() == Mode::Abandon {
                return;
            }
            tokio::select! {
                () = ended => {}
                changed = mode.changed() => if changed.is_err() { return },
            }
        }
    }
}
