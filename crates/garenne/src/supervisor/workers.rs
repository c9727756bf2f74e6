//! The workers: started on their threads, watched, and started again when they die.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use actix::{Actor, Recipient};
use actix_rt::Arbiter;
use garenne_core::alert::{News, Subject};
use garenne_core::{Epoch, Moment, RestartLimit};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::{error, warn};

use super::plan::{Plan, Registration};
use crate::alert::Desk;
use crate::consumer::{DirectReplies, Hub, Mode, Resubscribe, WorkerId, WorkerReport, WorkerStart};
use crate::link::{Destination, LinkError, LinkWatch};
use crate::publish::{Publisher, RetryPublisher};
use crate::sink::{FailSink, Parking};

/// All workers, and the threads that they live on.
pub(super) struct Workers {
    plan: Arc<Plan>,
    /// The user's own publisher, for messages that handlers send.
    publisher: Publisher,
    desk: Desk,
    mode: watch::Sender<Mode>,
    slots: BTreeMap<WorkerId, WorkerSlot>,
    threads: Vec<WorkerThread>,
}

/// A worker, as the supervisor holds it.
struct WorkerSlot {
    /// The index of its registration.
    queue: usize,
    thread: usize,
    /// Keeps the actor alive: actix's `Supervisor` ends with the last address.
    actor: Recipient<Resubscribe>,
    /// The epoch in which it is subscribed.
    consuming: Option<Epoch>,
    drained: bool,
    restarts: RestartLimit,
}

/// A thread of workers.
struct WorkerThread {
    arbiter: Arbiter,
    /// It has a publisher of retry copies on the same thread.
    hub: Hub,
}

impl Workers {
    pub(super) fn new(plan: Arc<Plan>, publisher: Publisher, desk: Desk) -> Self {
        Self {
            plan,
            publisher,
            desk,
            mode: watch::Sender::new(Mode::Run),
            slots: BTreeMap::new(),
            threads: Vec::new(),
        }
    }

    /// Starts the fail sink, and on their threads the publishers of retry copies and all workers. The
    /// channel for parked messages lives on `runtime`.
    ///
    /// # Errors
    ///
    /// A thread cannot be made.
    pub(super) fn start(
        &mut self,
        runtime: &Handle,
        (consume, publish): (LinkWatch, LinkWatch),
        reports: &Recipient<WorkerReport>,
    ) -> io::Result<()> {
        let plan = Arc::clone(&self.plan);
        let (parked, jobs) = crate::publish::channel();
        crate::publish::start(runtime, jobs, publish.clone(), plan.limits);
        let parking = Parking::new(parked, publish.clone(), consume.clone());
        let sink = FailSink::new(parking, self.desk.clone(), plan.sinks.clone())?.start();
        let direct_replies = Arc::new(DirectReplies::new(Destination {
            brokers: plan.brokers.clone(),
            tls: plan.tls.clone(),
            name: plan.identity.link_name("addresses for replies"),
            runtime: runtime.clone(),
        }));
        let hub = |arbiter: &Arbiter| {
            let (limits, copies, lanes) = (plan.limits, publish.clone(), consume.clone());
            let retry = RetryPublisher::start_in_arbiter(&arbiter.handle(), move |_| {
                RetryPublisher::new(copies, lanes, limits)
            });
            Hub {
                consume: consume.clone(),
                publish: publish.clone(),
                mode: self.mode.subscribe(),
                supervisor: reports.clone(),
                retry,
                sink: sink.clone(),
                desk: self.desk.clone(),
                publisher: self.publisher.clone(),
                identity: Arc::clone(&plan.identity),
                replies: Arc::clone(&plan.replies),
                direct_replies: Arc::clone(&direct_replies),
            }
        };
        let workers = plan.queues.iter().map(|queue| usize::from(queue.workers));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (0..workers.sum::<usize>().min(cores).max(1)).map(|_| {
            let arbiter = Arbiter::try_new()?;
            let hub = hub(&arbiter);
            Ok(WorkerThread { arbiter, hub })
        });
        self.threads = threads.collect::<io::Result<_>>()?;
        let owners = plan
            .queues
            .iter()
            .enumerate()
            .flat_map(|(index, r)| (0..r.workers).map(move |_| index));
        for (number, queue) in owners.enumerate() {
            let (id, thread) = (WorkerId(number), number % self.threads.len());
            let slot = WorkerSlot {
                queue,
                thread,
                actor: self.start_one(id, queue, thread),
                consuming: None,
                drained: false,
                restarts: RestartLimit::default(),
            };
            self.slots.insert(id, slot);
        }
        Ok(())
    }

    fn start_one(&self, id: WorkerId, queue: usize, thread: usize) -> Recipient<Resubscribe> {
        let (registration, thread) = (&self.plan.queues[queue], &self.threads[thread]);
        let start = WorkerStart {
            id,
            queue: Arc::clone(&registration.queue),
            settings: registration.settings,
            hub: thread.hub.clone(),
            counters: Arc::clone(&registration.counters),
            recall: Arc::clone(&registration.recall),
            log: Arc::clone(&registration.log),
            sharing: Arc::clone(&registration.sharing),
            cautious: true,
        };
        (registration.start)(start, &thread.arbiter.handle())
    }

    /// Tells all workers how the system ends.
    pub(super) fn end(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Whether every worker is subscribed in this epoch.
    pub(super) fn all_consume(&self, epoch: Epoch) -> bool {
        let mut slots = self.slots.values();
        slots.all(|worker| worker.consuming == Some(epoch))
    }

    /// Whether the hands of all workers are empty.
    pub(super) fn are_drained(&self) -> bool {
        self.slots.values().all(|worker| worker.drained)
    }

    /// The publishers of retry copies and the fail sink can panic only in futures, and that does not end
    /// them. Without them every failed message would be held for ever, so their end is the system's end.
    pub(super) fn lost_children(&self) -> Option<&'static str> {
        let mut hubs = self.threads.iter().map(|thread| &thread.hub);
        hubs.any(|hub| !hub.retry.connected() || !hub.sink.connected())
            .then_some("a retry publisher or the fail sink died; this is a bug in garenne")
    }

    /// A worker is subscribed.
    pub(super) fn consumes(&mut self, id: WorkerId, epoch: Epoch) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.consuming = Some(epoch);
        }
    }

    /// A worker is not subscribed any more. Returns the epoch in which it was.
    pub(super) fn lost(&mut self, id: WorkerId) -> Option<Epoch> {
        self.slots.get_mut(&id)?.consuming.take()
    }

    /// A worker has nothing left in its hands.
    pub(super) fn drained(&mut self, id: WorkerId) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.drained = true;
        }
    }

    /// Makes the workers of a queue subscribe anew.
    pub(super) fn resubscribe(&self, queue: usize) {
        for worker in self.slots.values().filter(|worker| worker.queue == queue) {
            worker.actor.do_send(Resubscribe);
        }
    }

    /// The name of a worker's queue.
    pub(super) fn queue_of(&self, id: WorkerId) -> &str {
        let registration = self.registration(id);
        registration.map_or("", |registration| registration.queue.name())
    }

    /// Logs that a worker lost its channel, and returns that as a loss.
    pub(super) fn log_loss(&self, id: WorkerId, why: &str) -> LinkError {
        let queue = self.queue_of(id);
        if let Some(registration) = self.registration(id) {
            registration.log.lost.log(|repeated| {
                warn!(
                    event = "worker_lost",
                    queue,
                    worker = id.0,
                    error = %why,
                    repeated,
                    "a worker lost its channel; subscribing again"
                );
            });
        }
        LinkError::transient(format!(
            "a worker of queue `{queue}` lost its channel: {why}"
        ))
    }

    /// Logs that a worker cannot consume.
    pub(super) fn log_refusal(&self, id: WorkerId, error: &LinkError) {
        if let Some(registration) = self.registration(id) {
            registration.log.refused.log(|repeated| {
                warn!(
                    event = "worker_refused",
                    queue = registration.queue.name(),
                    worker = id.0,
                    %error,
                    repeated,
                    "cannot consume; trying again"
                );
            });
        }
    }

    /// A worker's actor is gone, which only a panic in the framework can cause. actix's `Supervisor` does
    /// not survive a panic, so the actor is made again here, within a limit.
    ///
    /// # Errors
    ///
    /// The actor died too often.
    pub(super) fn recreate(&mut self, id: WorkerId, now: Moment) -> Result<(), String> {
        let Some(slot) = self.slots.get_mut(&id) else {
            return Ok(());
        };
        let name = self.plan.queues[slot.queue].queue.name();
        if !slot.restarts.allow(now) {
            return Err(format!(
                "a worker of queue `{name}` died too often in a short time; this is a bug in garenne"
            ));
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
        let (queue, thread) = (slot.queue, slot.thread);
        let actor = self.start_one(id, queue, thread);
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.actor = actor;
        }
        Ok(())
    }

    fn registration(&self, id: WorkerId) -> Option<&Registration> {
        self.plan.queues.get(self.slots.get(&id)?.queue)
    }
}
