//! Stopping: drain, close, answer.

use std::time::{Duration, Instant};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use garenne_core::StopReason;
use garenne_core::alert::{News, Subject};
use tracing::{error, info, warn};

use super::ConnectionSupervisor;
use super::words::millis;
use crate::consumer::Mode;
use crate::status::Phase;

/// How long closing a link may take; a broker that hangs must not delay a stop.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// How long, from the beginning of a stop, alerts may take to tell what they know. The drain of the
/// handlers goes on meanwhile.
const ALERT_PATIENCE: Duration = Duration::from_secs(5);
/// How long the workers may take to say what they abandoned.
const LAST_WORDS: Duration = Duration::from_millis(500);

impl ConnectionSupervisor {
    /// Begins to stop. The first reason counts.
    pub(super) fn stop(&mut self, reason: StopReason, ctx: &mut Context<Self>) {
        if self.stopping.is_some() {
            return;
        }
        let subject = match &reason {
            StopReason::Requested => {
                info!(
                    event = "stopping",
                    in_flight = self.board.status().in_flight(),
                    gives_up_in_ms = millis(self.plan.drain_deadline),
                    "stopping on request; finishing what is in hand"
                );
                None
            }
            StopReason::GaveUp(why) => {
                error!(event = "gave_up", exit_code = reason.code(), "{why}");
                Some(Subject::GaveUp)
            }
            StopReason::Configuration(why) => {
                error!(event = "configuration", exit_code = reason.code(), "{why}");
                Some(Subject::Configuration)
            }
            StopReason::Internal(why) => {
                error!(event = "internal", exit_code = reason.code(), "{why}");
                Some(Subject::Internal)
            }
        };
        if let Some(subject) = subject {
            let text = format!("{reason} (exit code {})", reason.code());
            self.desk.tell(&News::new(subject, &text));
        }
        self.last_words = Some(Instant::now() + ALERT_PATIENCE);
        self.stopping = Some(reason);
        self.show();
        self.mode.send_replace(Mode::Drain);
        ctx.run_later(self.plan.drain_deadline, |supervisor, ctx| {
            if !supervisor.finishing {
                let left = supervisor.board.status().in_flight();
                warn!(
                    event = "drain_deadline",
                    in_flight = left,
                    "the drain deadline has passed; abandoning what is in hand"
                );
                supervisor.abandon(ctx);
            }
        });
        self.finish_if_drained(ctx);
    }

    /// Lets go of everything; the broker hands it out again.
    pub(super) fn abandon(&mut self, ctx: &mut Context<Self>) {
        self.mode.send_replace(Mode::Abandon);
        ctx.run_later(LAST_WORDS, |supervisor, ctx| supervisor.finish(ctx));
    }

    pub(super) fn finish_if_drained(&mut self, ctx: &mut Context<Self>) {
        if self.stopping.is_some() && self.workers.values().all(|worker| worker.drained) {
            self.finish(ctx);
        }
    }

    /// Closes the links and answers.
    fn finish(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.finishing, true) {
            return;
        }
        let links = [
            self.consume.announce.send_replace(None),
            self.publish.announce.send_replace(None),
        ];
        let publisher = self.publisher.clone();
        // What was told about while handlers finished gets as long as closing the links may take.
        let until = self
            .last_words
            .map(|until| until.max(Instant::now() + CLOSE_PATIENCE).into());
        let telling = std::mem::take(&mut self.tellers).finish(until);
        let closing = async move {
            // The program's own sends may still be waiting for their confirms.
            let _ = tokio::time::timeout(CLOSE_PATIENCE, publisher.idle()).await;
            let closing = links
                .iter()
                .flatten()
                .map(|link| link.close(CLOSE_PATIENCE));
            futures_util::future::join_all(closing).await;
        };
        let ending = futures_util::future::join(closing, telling);
        ctx.spawn(ending.into_actor(self).map(|_, supervisor, _| {
            supervisor
                .board
                .update(|status| status.phase = Phase::Stopped);
            // Whoever learns of the end may end the process, and the log with it.
            crate::logging::flush_logging();
            supervisor.stopped.send_replace(supervisor.stopping.clone());
        }));
    }
}
