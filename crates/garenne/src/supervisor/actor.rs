//! The supervisor's parts, and the routes of news between them.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, WrapFuture};
use garenne_core::{Epoch, StopReason};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::debug;

use super::dialling::Dialling;
use super::ending::{Ending, LAST_WORDS};
use super::messages::Links;
use super::plan::Plan;
use super::words::starting;
use super::workers::Workers;
use super::zombie::{ZombieWatch, look};
use crate::alert::{Desk, Tellers};
use crate::consumer::{Mode, WorkerId};
use crate::link::{Link, LinkError, Purpose};
use crate::publish::Publisher;
use crate::resources::no_thread;
use crate::status::{Board, Phase, Status};

/// How often the supervisor looks around.
const TICK: Duration = Duration::from_secs(1);

/// Owns both links. Its children follow the links that it announces. It tries to restore a lost link within
/// the outage window; after the window it ends the system with a reason.
pub(crate) struct ConnectionSupervisor {
    plan: Arc<Plan>,
    /// The links' own runtime: no handler can starve a heartbeat.
    runtime: Handle,
    board: Arc<Board>,
    pub(super) dialling: Dialling,
    pub(super) workers: Workers,
    zombies: ZombieWatch,
    pub(super) ending: Ending,
}

impl ConnectionSupervisor {
    /// `publish` announces the publish link, to the user's own publisher as well.
    pub(crate) fn new(
        plan: Arc<Plan>,
        runtime: Handle,
        board: Arc<Board>,
        publish: watch::Sender<Option<Arc<Link>>>,
        publisher: Publisher,
        (desk, tellers): (Desk, Tellers),
        stopped: watch::Sender<Option<StopReason>>,
    ) -> Self {
        Self {
            dialling: Dialling::new(&plan, &runtime, publish, desk.clone()),
            workers: Workers::new(Arc::clone(&plan), publisher.clone(), desk.clone()),
            zombies: ZombieWatch::new(),
            ending: Ending::new((desk, tellers), publisher, stopped),
            plan,
            runtime,
            board,
        }
    }

    /// With both links up and every worker subscribed, consumption is provisional.
    pub(super) fn look_whether_consuming(&mut self) {
        if self.is_consuming() {
            self.dialling.keeper.consuming();
        }
    }

    pub(super) fn is_consuming(&self) -> bool {
        let epoch = self.dialling.epoch();
        epoch.is_some_and(|epoch| self.workers.all_consume(epoch))
    }

    /// The epoch of the link that messages come over, while it is up.
    pub(super) fn consume_epoch(&self) -> Option<Epoch> {
        let link = self.dialling.keeper.link(Purpose::Consume);
        link.map(|link| link.epoch)
    }

    /// Makes a worker again whose actor is gone.
    pub(super) fn recreate(&mut self, worker: WorkerId, ctx: &mut Context<Self>) {
        let (_, now) = self.dialling.keeper.outage();
        match self.workers.recreate(worker, now) {
            Ok(()) => {
                let error = LinkError::transient("a worker panicked");
                self.dialling.keeper.lost(&error);
            }
            Err(why) => self.stop(StopReason::Internal(why), ctx),
        }
    }

    /// Begins to stop. The first reason counts.
    pub(super) fn stop(&mut self, reason: StopReason, ctx: &mut Context<Self>) {
        let (drain, in_flight) = (self.plan.drain_deadline, self.board.status().in_flight());
        if !self.ending.begin(reason, drain, in_flight) {
            return;
        }
        self.dialling.keeper.stop_dialling();
        self.show();
        self.workers.end(Mode::Drain);
        ctx.run_later(drain, |supervisor, ctx| {
            let left = supervisor.board.status().in_flight();
            if supervisor.ending.is_overdue(left) {
                supervisor.abandon(ctx);
            }
        });
        self.finish_if_drained(ctx);
    }

    /// Lets go of everything; the broker redelivers it.
    pub(super) fn abandon(&mut self, ctx: &mut Context<Self>) {
        self.workers.end(Mode::Abandon);
        ctx.run_later(LAST_WORDS, |supervisor, ctx| supervisor.finish(ctx));
    }

    pub(super) fn finish_if_drained(&mut self, ctx: &mut Context<Self>) {
        if self.ending.has_begun() && self.workers.are_drained() {
            self.finish(ctx);
        }
    }

    /// Closes the links and answers.
    fn finish(&mut self, ctx: &mut Context<Self>) {
        if !self.ending.may_close() {
            return;
        }
        let links = self.dialling.keeper.take_links();
        let closing = self.ending.close(links);
        ctx.spawn(closing.into_actor(self).map(|(), supervisor, _| {
            supervisor
                .board
                .update(|status| status.phase = Phase::Stopped);
            supervisor.ending.announce();
        }));
    }

    fn watch_for_zombies(&mut self, ctx: &mut Context<Self>) {
        if !self.is_consuming() {
            return;
        }
        let Some(link) = self.dialling.keeper.link(Purpose::Consume) else {
            return;
        };
        if !self.zombies.is_due() {
            return;
        }
        let looking = self.runtime.spawn(look(Arc::clone(&self.plan), link));
        ctx.spawn(looking.into_actor(self).map(|loads, supervisor, _| {
            for (queue, load) in loads.into_iter().flatten().enumerate() {
                let registration = &supervisor.plan.queues[queue];
                match load {
                    Ok(load) if supervisor.zombies.is_zombie(queue, registration, load) => {
                        supervisor.workers.resubscribe(queue);
                    }
                    Ok(_) => {}
                    Err(error) => debug!(queue, %error, "cannot ask for the queue's depth"),
                }
            }
        }));
    }

    /// Writes the state down for all readers.
    pub(super) fn show(&self) {
        let phase = match self.ending.has_begun() {
            true => Phase::Stopping,
            false => self.dialling.phase(),
        };
        let outage = self.dialling.outage();
        let state = |purpose| self.dialling.state(purpose);
        let (consume, publish) = (state(Purpose::Consume), state(Purpose::Publish));
        self.board.update(|status| {
            *status = Status {
                phase,
                consume,
                publish,
                outage,
                ..Status::default()
            };
        });
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        if self.ending.has_begun() {
            return;
        }
        self.dialling.keeper.tick();
        self.dialling.look_at_the_alarm();
        if let Some(why) = self.workers.lost_children() {
            self.stop(StopReason::Internal(why.to_owned()), ctx);
        }
        self.watch_for_zombies(ctx);
        self.show();
    }
}

impl Actor for ConnectionSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Links);
        starting(&self.plan);
        self.ending.start_alerts();
        let (links, reports) = (self.dialling.watches(), ctx.address().recipient());
        if let Err(error) = self.workers.start(&self.runtime, links, &reports) {
            let why = no_thread("the threads of workers", &error);
            return self.stop(StopReason::Internal(why), ctx);
        }
        ctx.run_interval(TICK, Self::tick);
        self.dialling.keeper.dial();
    }
}
