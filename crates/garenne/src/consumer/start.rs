//! Hides the types of handlers and bodies: the code beyond this file knows only workers.

use std::sync::Arc;

use actix::{Actor, Context, Handler, Recipient, Supervisor};
use actix_rt::ArbiterHandle;
use garenne_core::Queue;
use tokio::sync::Semaphore;

use super::{
    ConsumerActor, HandlerCell, Hub, Recall, Resubscribe, Settings, Sharing, Worker, WorkerId,
};
use crate::body::Body;
use crate::delivery::{Delivery, Source};
use crate::quiet::QueueLog;
use crate::status::QueueCounters;

/// Starts a worker of a queue on a thread. It knows the types of handler and body.
pub(crate) type StartWorker =
    Arc<dyn Fn(WorkerStart, &ArbiterHandle) -> Recipient<Resubscribe> + Send + Sync>;

/// The values that a worker is started with.
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

/// The function that starts a worker of this handler.
pub(crate) fn start_worker<A, B>(factory: Arc<dyn Fn() -> A + Send + Sync>) -> StartWorker
where
    A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
    <A as Handler<Delivery<B>>>::Result: 'static,
    B: Body,
{
    Arc::new(move |start: WorkerStart, arbiter| {
        let factory = Arc::clone(&factory);
        let actor = Supervisor::start_in_arbiter(arbiter, move |_| {
            let WorkerStart {
                id,
                queue,
                settings,
                hub,
                counters,
                recall,
                log,
                sharing,
                cautious,
            } = start;
            let worker = Worker {
                id,
                name: Arc::new(Source::of(&queue)),
                queue,
                settings,
                hub,
                counters,
                recall,
                log,
                sharing,
                handler: HandlerCell::<A, B>::new(factory),
                permits: Semaphore::new(settings.concurrency.into()),
            };
            ConsumerActor::new(worker, cautious)
        });
        actor.recipient()
    })
}
