//! Where types of handlers and bodies end: from here on a worker is a worker.

use std::sync::Arc;

use actix::{Actor, Context, Handler, Supervisor};
use tokio::sync::Semaphore;

use super::{ConsumerActor, HandlerCell, Worker};
use crate::body::Body;
use crate::delivery::{Delivery, Source};
use crate::supervisor::{StartWorker, WorkerStart};

/// What starts a worker of this handler.
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
