//! The supervisor's messages, and the parts that it passes them on to.

use std::pin::Pin;
use std::task;

use actix::{ActorFuture, Context, Handler, Message};
use garenne_core::StopReason;

use super::ConnectionSupervisor;
use crate::consumer::{WorkerNews, WorkerReport};
use crate::link::Happened;

/// Ends the system: drain, then exit. The first reason counts.
pub(crate) struct Stop(pub(crate) StopReason);

impl Message for Stop {
    type Result = ();
}

impl Handler<Stop> for ConnectionSupervisor {
    type Result = ();

    fn handle(&mut self, Stop(reason): Stop, ctx: &mut Self::Context) {
        self.stop(reason, ctx);
    }
}

/// Ends the system without waiting for anything.
pub(crate) struct StopNow;

impl Message for StopNow {
    type Result = ();
}

impl Handler<StopNow> for ConnectionSupervisor {
    type Result = ();

    fn handle(&mut self, _: StopNow, ctx: &mut Self::Context) {
        self.stop(StopReason::Requested, ctx);
        self.ending.silence();
        self.abandon(ctx);
    }
}

/// Hears what happens to the links, for as long as the actor lives.
pub(super) struct Links;

impl ActorFuture<ConnectionSupervisor> for Links {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        supervisor: &mut ConnectionSupervisor,
        ctx: &mut Context<ConnectionSupervisor>,
        task: &mut task::Context<'_>,
    ) -> task::Poll<()> {
        while let task::Poll::Ready(happened) = supervisor.dialling.keeper.poll_next(task) {
            supervisor.on_links(happened, ctx);
        }
        task::Poll::Pending
    }
}

impl ConnectionSupervisor {
    fn on_links(&mut self, happened: Happened, ctx: &mut Context<Self>) {
        match happened {
            Happened::Changed => self.look_whether_consuming(),
            Happened::Stable(ended) => self.dialling.ended(&ended),
            Happened::Misconfigured(error) => {
                self.stop(StopReason::Configuration(error.to_string()), ctx);
            }
            Happened::GaveUp(why, _) => self.stop(StopReason::GaveUp(why), ctx),
        }
        self.show();
    }
}

impl Handler<WorkerReport> for ConnectionSupervisor {
    type Result = ();

    fn handle(&mut self, WorkerReport { worker, news }: WorkerReport, ctx: &mut Self::Context) {
        match news {
            WorkerNews::Consuming(epoch) => {
                self.workers.consumes(worker, epoch);
                self.look_whether_consuming();
                self.show();
            }
            WorkerNews::Progress(epoch) => {
                if self.is_consuming() && self.dialling.epoch() == Some(epoch) {
                    self.dialling.keeper.progress();
                }
            }
            WorkerNews::Lost(why) => {
                let lost = self.workers.lost(worker);
                // If the worker's link is gone too, the report of that loss says it better.
                if !self.ending.has_begun() && lost.is_some() && lost == self.consume_epoch() {
                    let error = self.workers.log_loss(worker, &why);
                    self.dialling.keeper.lost(&error);
                }
            }
            WorkerNews::Refused(error) => {
                let _ = self.workers.lost(worker);
                if self.dialling.keeper.refused(&error) {
                    self.workers.log_refusal(worker, &error);
                }
                self.show();
            }
            WorkerNews::NoHandler(why) => {
                let queue = self.workers.queue_of(worker);
                self.stop(StopReason::Internal(format!("queue `{queue}`: {why}")), ctx);
            }
            WorkerNews::Died if !self.ending.has_begun() => self.recreate(worker, ctx),
            WorkerNews::Drained | WorkerNews::Died => {
                self.workers.drained(worker);
                self.finish_if_drained(ctx);
            }
        }
    }
}
