//! The workers: started on their threads, watched, and started again when they die.

use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, Handler, Recipient};
use actix_rt::{Arbiter, ArbiterHandle};
use garenne_core::alert::{News, Subject};
use garenne_core::{Epoch, Queue, RestartLimit, StopReason};
use tracing::{error, warn};

use super::ConnectionSupervisor;
use crate::consumer::{
    DirectReplies, Hub, Recall, Resubscribe, Settings, Sharing, WorkerId, WorkerNews, WorkerReport,
};
use crate::link::Destination;
use crate::publish::RetryPublisher;
use crate::quiet::QueueLog;
use crate::sink::{FailSink, Parking};
use crate::status::QueueCounters;

/// A queue with its handler, as it was registered.
pub(crate) struct Registration {
    pub(crate) queue: Arc<Queue>,
    pub(crate) settings: Settings,
    pub(crate) workers: u16,
    pub(crate) counters: Arc<QueueCounters>,
    pub(crate) recall: Arc<Recall>,
    pub(crate) log: Arc<QueueLog>,
    pub(crate) sharing: Arc<Sharing>,
    pub(crate) start: StartWorker,
}

/// Starts one worker of a queue on a thread. It knows the types of handler and body.
pub(crate) type StartWorker =
    Arc<dyn Fn(WorkerStart, &ArbiterHandle) -> Recipient<Resubscribe> + Send + Sync>;

/// What a worker is started with.
pub(crate) struct WorkerStart {
    pub(crate) id: WorkerId,
    pub(crate) queue: Arc<Queue>,
    pub(crate) settings: Settings,
    pub(crate) hub: Hub,
    pub(crate) counters: Arc<QueueCounters>,
    pub(crate) recall: Arc<Recall>,
    pub(crate) log: Arc<QueueLog>,
    pub(crate) sharing: Arc<Sharing>,
    pub(crate) cautious: bool,
}

/// One worker, as the supervisor holds it.
pub(super) struct WorkerSlot {
    /// The index of its registration.
    pub(super) queue: usize,
    thread: usize,
    /// Keeps the actor alive: actix's `Supervisor` ends with the last address.
    pub(super) actor: Recipient<Resubscribe>,
    /// The epoch in which it is subscribed.
    pub(super) consuming: Option<Epoch>,
    pub(super) drained: bool,
    restarts: RestartLimit,
}

/// A thread of workers.
pub(super) struct WorkerThread {
    arbiter: Arbiter,
    /// With a publisher of retry copies on the same thread.
    hub: Hub,
}

impl ConnectionSupervisor {
    /// Starts the fail sink, the alerts, and on their threads the publishers of retry copies and all
    /// workers.
    ///
    /// # Errors
    ///
    /// A thread cannot be made.
    pub(super) fn start_children(&mut self, ctx: &mut Context<Self>) -> std::io::Result<()> {
        self.tellers.start();
        let (consume, publish) = (
            self.consume.announce.subscribe(),
            self.publish.announce.subscribe(),
        );
        let parking = Parking::new(self.parked.clone(), publish.clone(), consume.clone());
        let sink = FailSink::new(parking, self.desk.clone(), self.plan.sinks.clone())?.start();
        let direct_replies = Arc::new(DirectReplies::new(Destination {
            brokers: self.plan.brokers.clone(),
            tls: self.plan.tls.clone(),
            name: self.plan.identity.link_name("addresses for replies"),
            runtime: self.runtime.clone(),
        }));
        let hub = |arbiter: &Arbiter| {
            let (limits, copies, lanes) = (self.plan.limits, publish.clone(), consume.clone());
            let retry = RetryPublisher::start_in_arbiter(&arbiter.handle(), move |_| {
                RetryPublisher::new(copies, lanes, limits)
            });
            Hub {
                consume: consume.clone(),
                publish: publish.clone(),
                mode: self.mode.subscribe(),
                supervisor: ctx.address().recipient(),
                retry,
                sink: sink.clone(),
                desk: self.desk.clone(),
                publisher: self.publisher.clone(),
                identity: Arc::clone(&self.plan.identity),
                replies: Arc::clone(&self.plan.replies),
                direct_replies: Arc::clone(&direct_replies),
            }
        };
        let total: usize = self
            .plan
            .queues
            .iter()
            .map(|queue| usize::from(queue.workers))
            .sum();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (0..total.min(cores).max(1)).map(|_| {
            let arbiter = Arbiter::try_new()?;
            let hub = hub(&arbiter);
            Ok(WorkerThread { arbiter, hub })
        });
        self.threads = threads.collect::<std::io::Result<_>>()?;

        let plan = Arc::clone(&self.plan);
        let owners = plan
            .queues
            .iter()
            .enumerate()
            .flat_map(|(index, r)| (0..r.workers).map(move |_| index));
        for (number, queue) in owners.enumerate() {
            let (id, thread) = (WorkerId(number), number % self.threads.len());
            let actor = self.start_worker(id, queue, &self.threads[thread], true);
            let slot = WorkerSlot {
                queue,
                thread,
                actor,
                consuming: None,
                drained: false,
                restarts: RestartLimit::default(),
            };
            self.workers.insert(id, slot);
        }
        Ok(())
    }

    fn start_worker(
        &self,
        id: WorkerId,
        queue: usize,
        thread: &WorkerThread,
        cautious: bool,
    ) -> Recipient<Resubscribe> {
        let registration = &self.plan.queues[queue];
        let start = WorkerStart {
            id,
            queue: Arc::clone(&registration.queue),
            settings: registration.settings,
            hub: thread.hub.clone(),
            counters: Arc::clone(&registration.counters),
            recall: Arc::clone(&registration.recall),
            log: Arc::clone(&registration.log),
            sharing: Arc::clone(&registration.sharing),
            cautious,
        };
        (registration.start)(start, &thread.arbiter.handle())
    }

    /// The publishers of retry copies and the fail sink do nothing that can panic but in futures, which
    /// does not end them. Without them every failed message would be held for ever, so their end is
    /// the system's.
    pub(super) fn watch_children(&mut self, ctx: &mut Context<Self>) {
        let mut hubs = self.threads.iter().map(|thread| &thread.hub);
        if hubs.any(|hub| !hub.retry.connected() || !hub.sink.connected()) {
            let why = "a retry publisher or the fail sink died; this is a bug in garenne";
            self.stop(StopReason::Internal(why.to_owned()), ctx);
        }
    }

    /// A worker's actor is gone, which takes a panic in the framework. actix's `Supervisor` does not
    /// survive one, so it is made again here, within a limit.
    fn recreate(&mut self, id: WorkerId, ctx: &mut Context<Self>) {
        let now = self.now();
        let Some(slot) = self.workers.get_mut(&id) else {
            return;
        };
        let name = self.plan.queues[slot.queue].queue.name();
        if !slot.restarts.allow(now) {
            let why = format!(
                "a worker of queue `{name}` died too often in a short time; this is a bug in garenne"
            );
            return self.stop(StopReason::Internal(why), ctx);
        }
        error!(
            event = "worker_died",
            queue = name,
            worker = id.0,
            "a worker panicked and is started again"
        );
        let subject = Subject::WorkerDied {
            queue: name.to_owned(),
        };
        let why = "it panicked and is started again";
        self.desk.tell(&News::new(subject, why));
        slot.consuming = None;
        let (queue, thread) = (slot.queue, &self.threads[slot.thread]);
        let actor = self.start_worker(id, queue, thread, true);
        if let Some(slot) = self.workers.get_mut(&id) {
            slot.actor = actor;
        }
        self.lost("a worker panicked", ctx);
    }
}

impl Handler<WorkerReport> for ConnectionSupervisor {
    type Result = ();

    fn handle(&mut self, WorkerReport { worker, news }: WorkerReport, ctx: &mut Self::Context) {
        let consuming = self.is_consuming().then_some(self.consume.epoch);
        let Some(slot) = self.workers.get_mut(&worker) else {
            return;
        };
        let registration = &self.plan.queues[slot.queue];
        let queue = registration.queue.name().to_owned();
        let log = Arc::clone(&registration.log);
        match news {
            WorkerNews::Consuming(epoch) => {
                slot.consuming = Some(epoch);
                self.look_whether_consuming();
            }
            WorkerNews::Progress(epoch) if consuming == Some(epoch) => {
                if let Some(ended) = self.outage.progress(self.now()) {
                    self.on_stable(&ended);
                    self.show();
                }
            }
            WorkerNews::Progress(_) => {}
            WorkerNews::Lost(why) => {
                let was = slot.consuming.take();
                let current = self.consume.link().map(|link| link.epoch);
                // With its link gone too, the link's own news says it better.
                if self.stopping.is_none() && was.is_some() && was == current {
                    log.lost.log(|repeated| warn!(event = "worker_lost", queue, worker = worker.0, error = %why, repeated, "a worker lost its channel; subscribing again"));
                    self.lost(
                        &format!("a worker of queue `{queue}` lost its channel: {why}"),
                        ctx,
                    );
                }
            }
            WorkerNews::Refused(error) => {
                slot.consuming = None;
                if self.refused(&error, ctx) {
                    log.refused.log(|repeated| warn!(event = "worker_refused", queue, worker = worker.0, %error, repeated, "cannot consume; trying again"));
                }
                self.show();
            }
            WorkerNews::Drained => {
                slot.drained = true;
                self.finish_if_drained(ctx);
            }
            WorkerNews::NoHandler(why) => {
                self.stop(StopReason::Internal(format!("queue `{queue}`: {why}")), ctx);
            }
            WorkerNews::Died if self.stopping.is_none() => self.recreate(worker, ctx),
            WorkerNews::Died => {
                slot.drained = true;
                self.finish_if_drained(ctx);
            }
        }
    }
}
