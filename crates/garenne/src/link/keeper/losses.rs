//! The effect of a lost link, and of an attempt to get links back: the next attempt at once, the next attempt
//! after a pause, or the end.

use std::time::Duration;

use garenne_core::{AfterFailure, Again, UnderWay};
use tokio::time::sleep;
use tracing::warn;

use super::attempt::Brought;
use super::{Happened, Keeper, Work};
use crate::link::{Kind, LinkError, Purpose};
use crate::quiet::millis;

impl Keeper {
    /// A link is lost: it is made again at once if it had been useful, otherwise after a pause.
    pub(super) fn on_loss(&mut self, purpose: Purpose, error: &LinkError) {
        // The link may have become stable since the last tick.
        self.tick();
        let now = self.now();
        let Some(kept) = self.kept(purpose) else {
            return;
        };
        // If the link was never announced, the attempt that made it reports the loss.
        if kept.withdraw().is_none() {
            return;
        }
        let (was_stable, epoch, name) = (kept.was_stable, kept.epoch.0, purpose.as_str());
        let under_way = self.work.under_way();
        let again = self
            .redial
            .again(now, fastrand::f64(), was_stable, under_way);
        let retry_in_ms = match again {
            Again::After(pause) => Some(millis(pause)),
            Again::AtOnce | Again::WithTheOther => None,
        };
        let gives_up_in_ms = self.redial.outage().gives_up_in(now).map(millis);
        if let Some(kept) = self.kept(purpose) {
            kept.log_lost.log(|repeated| {
                warn!(
                    event = "link_lost",
                    purpose = name,
                    epoch,
                    %error,
                    retry_in_ms,
                    gives_up_in_ms,
                    repeated,
                    "the {name} link is lost; reconnecting"
                );
            });
        }
        let error = error
            .clone()
            .while_doing(format_args!("the {name} link was lost"));
        self.lost(&error);
        match (again, &mut self.work) {
            (Again::AtOnce, _) => self.dial(),
            (Again::After(pause), _) => self.came_and_went(pause, &error),
            (Again::WithTheOther, Work::Attempt { lost_meanwhile, .. }) if !was_stable => {
                *lost_meanwhile = Some(error);
            }
            (Again::WithTheOther, _) => {}
        }
    }

    pub(super) fn on_attempt(&mut self, brought: Brought) {
        let Brought {
            links,
            mut error,
            is_unready,
        } = brought;
        let work = std::mem::replace(&mut self.work, Work::Nothing);
        for link in links {
            // The loss was reported before the link was known.
            if !link.is_up() {
                error.get_or_insert_with(|| link.why_lost());
            } else if let Some(kept) = self.kept_mut(link.purpose) {
                kept.announce(link);
            }
        }
        self.tell(Happened::Changed);
        let lost_meanwhile = match work {
            Work::Attempt { lost_meanwhile, .. } => lost_meanwhile,
            _ => None,
        };
        match (error, lost_meanwhile) {
            // The pause is for both.
            (Some(error), _) => self.failed(&error, is_unready),
            (None, Some(error)) => {
                let pause = self.redial.next_pause(self.now(), fastrand::f64());
                self.came_and_went(pause, &error);
            }
            // One link may have been lost while the other was dialled.
            (None, None) => self.dial(),
        }
    }

    fn failed(&mut self, error: &LinkError, is_unready: bool) {
        let pause = self.redial.next_pause(self.now(), fastrand::f64());
        let after = self.fail(pause, error);
        let Some(pause) = self.judge(after, error) else {
            return;
        };
        let (outage, now) = self.outage();
        let summary = outage.summary();
        let lasting = summary.as_ref().map(|o| now.saturating_since(o.since));
        let what = if is_unready {
            "the broker is there, but not what the queues need; trying again"
        } else {
            "no link to the broker; trying again"
        };
        self.log_attempt.log(|repeated| {
            warn!(
                event = "link_attempt_failed",
                %error,
                attempts = summary.map(|outage| outage.attempts),
                lasting_ms = lasting.map(millis),
                retry_in_ms = millis(pause),
                gives_up_in_ms = outage.gives_up_in(now).map(millis),
                repeated,
                "{what}"
            );
        });
        self.pause(pause);
    }

    /// A link that comes and goes counts like an attempt that failed.
    fn came_and_went(&mut self, pause: Duration, error: &LinkError) {
        if matches!(self.work, Work::Ended) {
            return;
        }
        let after = self.fail(pause, error);
        if let Some(pause) = self.judge(after, error) {
            self.pause(pause);
        }
    }

    pub(super) fn fail(&mut self, pause: Duration, error: &LinkError) -> AfterFailure {
        let is_configuration = error.kind == Kind::Configuration;
        let (now, text) = (self.now(), error.to_string());
        self.redial.failed(now, pause, &text, is_configuration)
    }

    /// How long to wait; `None` if that was the last attempt.
    pub(super) fn judge(&mut self, after: AfterFailure, error: &LinkError) -> Option<Duration> {
        match after {
            AfterFailure::Wait(pause) => return Some(pause),
            AfterFailure::Misconfigured => self.end(Happened::Misconfigured(error.clone())),
            AfterFailure::GiveUp(why) => self.end(Happened::GaveUp(why, error.clone())),
        }
        None
    }

    fn pause(&mut self, pause: Duration) {
        self.work = Work::Pause(Box::pin(sleep(pause)));
        self.tell(Happened::Changed);
    }
}

impl Work {
    const fn under_way(&self) -> UnderWay {
        match self {
            Self::Nothing => UnderWay::Nothing,
            Self::Pause(_) => UnderWay::Pause,
            Self::Attempt { .. } | Self::Ended => UnderWay::Attempt,
        }
    }
}
