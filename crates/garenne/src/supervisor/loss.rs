//! What follows from a link that is lost, and from an attempt that failed: the next one at once, after a
//! pause, or the end.

use std::time::Duration;

use actix::Context;
use garenne_core::{Next, RestartLimit, StopReason};
use tracing::warn;

use super::ConnectionSupervisor;
use super::words::millis;
use crate::link::{Kind, LinkError, Purpose};

/// A loss after stable consumption is answered at once, but not more often than this. One ack makes
/// consumption stable: while another queue is being consumed, a message that kills every link that it is
/// delivered over would meet no pause at all.
pub(super) fn at_once() -> RestartLimit {
    RestartLimit::new(5, Duration::from_secs(60))
}

/// When a link is made again.
#[derive(Clone, Copy)]
enum Again {
    AtOnce,
    After(Duration),
    /// The other one is waited for already, or being made: both often go together. Or the system stops.
    WithTheOther,
}

impl ConnectionSupervisor {
    /// An attempt to get links back did not work: says how long to wait before the next one, or ends the
    /// system.
    pub(super) fn failed(
        &mut self,
        error: &LinkError,
        ctx: &mut Context<Self>,
    ) -> Option<Duration> {
        let pause = self.next_pause();
        self.weigh(error, pause, ctx)
    }

    /// The pause before the next attempt; there is one last attempt at the deadline.
    fn next_pause(&mut self) -> Duration {
        let now = self.now();
        let lasting = self
            .outage
            .summary()
            .map_or(Duration::ZERO, |s| now.saturating_since(s.since));
        let pause = self.backoff.next_within(fastrand::f64(), lasting);
        match self.outage.deadline() {
            Some(deadline) => pause.min(deadline.saturating_since(now)),
            None => pause,
        }
    }

    /// A worker cannot consume; it has a back-off of its own. False if that ends the system.
    pub(super) fn refused(&mut self, error: &LinkError, ctx: &mut Context<Self>) -> bool {
        self.weigh(error, Duration::ZERO, ctx).is_some()
    }

    fn weigh(
        &mut self,
        error: &LinkError,
        pause: Duration,
        ctx: &mut Context<Self>,
    ) -> Option<Duration> {
        if self.stopping.is_some() {
            return None;
        }
        if error.kind == Kind::Configuration && !self.outage.had_started() {
            self.stop(StopReason::Configuration(error.to_string()), ctx);
            return None;
        }
        match self
            .outage
            .attempt_failed(self.now(), error.to_string(), pause)
        {
            Next::RetryAfter(pause) => Some(pause),
            Next::GiveUp(gave_up) => {
                self.stop(StopReason::GaveUp(gave_up), ctx);
                None
            }
        }
    }

    /// A link is lost: it is made again at once if it was good for something, else after a pause.
    pub(super) fn link_lost(
        &mut self,
        purpose: Purpose,
        error: &LinkError,
        ctx: &mut Context<Self>,
    ) {
        // It may have been stable for a moment, and nobody has asked.
        if let Some(ended) = self.outage.tick(self.now()) {
            self.on_stable(&ended);
        }
        let slot = self.slot(purpose);
        if slot.announce.send_replace(None).is_none() {
            return;
        }
        let (was_stable, epoch) = (slot.was_stable, slot.epoch.0);
        let again = self.when_again(was_stable);
        let retry_in_ms = match again {
            Again::After(pause) => Some(millis(pause)),
            Again::AtOnce | Again::WithTheOther => None,
        };
        let gives_up_in_ms = self.outage.gives_up_in(self.now()).map(millis);
        let name = purpose.as_str();
        self.slot(purpose).log_lost.log(|repeated| {
            warn!(event = "link_lost", purpose = name, epoch, %error, retry_in_ms, gives_up_in_ms, repeated, "the {name} link is lost; reconnecting");
        });
        let error = error
            .clone()
            .while_doing(format_args!("the {name} link was lost"));
        self.lost(&error.to_string(), ctx);
        match again {
            Again::AtOnce => self.connect(ctx),
            Again::After(pause) => self.came_and_went(&error, pause, ctx),
            Again::WithTheOther if self.connecting && !was_stable => {
                self.lost_meanwhile = Some(error);
            }
            Again::WithTheOther => {}
        }
        self.show();
    }

    /// When a link is made again that was lost now. Whatever ends it may end the next one too: where no
    /// consumption was stable with it, it is made less and less often.
    fn when_again(&mut self, was_stable: bool) -> Again {
        let now = self.now();
        if self.connecting || self.stopping.is_some() {
            Again::WithTheOther
        } else if was_stable && self.at_once.allow(now) {
            Again::AtOnce
        } else if self.retry_timer.is_some() {
            Again::WithTheOther
        } else {
            Again::After(self.next_pause())
        }
    }

    /// That a link comes and goes counts like an attempt that failed.
    fn came_and_went(&mut self, error: &LinkError, pause: Duration, ctx: &mut Context<Self>) {
        if let Some(pause) = self.weigh(error, pause, ctx) {
            self.connect_later(pause, ctx);
        }
    }

    /// The attempt that was under way when a link came and went has made the other one.
    pub(super) fn went_meanwhile(&mut self, error: &LinkError, ctx: &mut Context<Self>) {
        let pause = self.next_pause();
        self.came_and_went(error, pause, ctx);
    }
}
