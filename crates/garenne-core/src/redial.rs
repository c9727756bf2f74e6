//! When a link is dialled again: after a loss, and after a failed attempt.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::outage::{Ended, GaveUp, Next, Outage, STABLE_AFTER};
use crate::restart::RestartLimit;
use crate::time::Moment;
use crate::window::OutageWindow;

/// At most this many losses in this time may be answered at once. A single ack makes consumption stable. So,
/// while another queue is consumed, a message that kills every link would otherwise meet no pause at all.
const AT_ONCE: (usize, Duration) = (5, Duration::from_secs(60));

/// The rule by which the owners of links dial again: a system, and a publisher without a system.
///
/// An error of configuration ends the attempts when no link has worked yet. Pauses grow, and none ends past
/// the deadline of the outage. The same cause may end the next link too, so a loss that [`AtOnce`] does not
/// cover waits for the next pause.
///
/// It owns the [`Outage`]: an attempt and a loss count against the same window.
#[derive(Clone, Debug)]
pub struct Redial {
    outage: Outage,
    backoff: Backoff,
    limit: RestartLimit,
    at_once: AtOnce,
}

/// Which losses may be answered at once, at most five in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtOnce {
    /// The loss of a link with which consumption was stable.
    AfterStable,
    /// The loss of any link.
    Always,
}

/// The activity at the moment when a link is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnderWay {
    /// No activity.
    Nothing,
    /// The pause before an attempt, which makes all missing links.
    Pause,
    /// An attempt, or the end of all links.
    Attempt,
}

/// When a lost link is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// At once.
    AtOnce,
    /// After this pause. The loss counts like a failed attempt: call [`Redial::failed`].
    After(Duration),
    /// With the activity that goes on already: links are often lost together.
    WithTheOther,
}

/// The next step after a failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum AfterFailure {
    /// The next attempt, after this pause.
    Wait(Duration),
    /// The end: a person must change the configuration first.
    Misconfigured,
    /// The end: the outage window is over.
    GiveUp(GaveUp),
}

impl Redial {
    /// The rule for an owner that begins to dial now, which is an outage from its first moment.
    #[must_use]
    pub const fn starting(window: OutageWindow, at_once: AtOnce, now: Moment) -> Self {
        Self {
            outage: Outage::starting(window, STABLE_AFTER, now),
            backoff: Backoff::standard(),
            limit: RestartLimit::new(AT_ONCE.0, AT_ONCE.1),
            at_once,
        }
    }

    /// The outage, read-only.
    #[must_use]
    pub const fn outage(&self) -> &Outage {
        &self.outage
    }

    /// From now on no outage is too long. It is for an owner that limits the start only.
    pub const fn never_give_up(&mut self) {
        self.outage.never_give_up();
    }

    /// An attempt failed. `pause` is [`Redial::next_pause`], or that of [`Again::After`], or zero when the
    /// caller tries again by itself. `is_configuration`: the same attempt works only after a person has
    /// changed the configuration.
    pub fn failed(
        &mut self,
        now: Moment,
        pause: Duration,
        error: &str,
        is_configuration: bool,
    ) -> AfterFailure {
        if is_configuration && !self.outage.had_started() {
            return AfterFailure::Misconfigured;
        }
        match self.outage.attempt_failed(now, error, pause) {
            Next::RetryAfter(pause) => AfterFailure::Wait(pause),
            Next::GiveUp(gave_up) => AfterFailure::GiveUp(gave_up),
        }
    }

    /// A link is lost: returns when it is made again. `was_stable`: consumption was stable with it. Call
    /// [`Redial::lost`] as well.
    pub fn again(
        &mut self,
        now: Moment,
        random: f64,
        was_stable: bool,
        under_way: UnderWay,
    ) -> Again {
        let may = was_stable || self.at_once == AtOnce::Always;
        match under_way {
            UnderWay::Attempt => Again::WithTheOther,
            _ if may && self.limit.allow(now) => Again::AtOnce,
            UnderWay::Pause => Again::WithTheOther,
            UnderWay::Nothing => Again::After(self.next_pause(now, random)),
        }
    }

    /// A link or its consumption is lost. Returns the outage that had ended before, if that was not reported
    /// yet, and whether it is time to give up.
    pub fn lost(&mut self, now: Moment, reason: &str) -> (Option<Ended>, Option<GaveUp>) {
        let ended = self.outage.lost(now, reason);
        (self.settle(ended), self.outage.verdict(now))
    }

    /// All links and their consumption are there. See [`Outage::consuming`].
    pub fn consuming(&mut self, now: Moment) {
        self.outage.consuming(now);
    }

    /// See [`Outage::progress`].
    pub fn progress(&mut self, now: Moment) -> Option<Ended> {
        let ended = self.outage.progress(now);
        self.settle(ended)
    }

    /// See [`Outage::tick`].
    pub fn tick(&mut self, now: Moment) -> Option<Ended> {
        let ended = self.outage.tick(now);
        self.settle(ended)
    }

    fn settle(&mut self, ended: Option<Ended>) -> Option<Ended> {
        if ended.is_some() {
            self.backoff.reset();
        }
        ended
    }

    /// The pause before the next attempt; `random` is uniform in [0, 1). A last attempt is made at the
    /// deadline.
    pub fn next_pause(&mut self, now: Moment, random: f64) -> Duration {
        let since = self.outage.since();
        let lasting = since.map_or(Duration::ZERO, |since| now.saturating_since(since));
        let pause = self.backoff.next_within(random, lasting);
        match self.outage.deadline() {
            Some(deadline) => pause.min(deadline.saturating_since(now)),
            None => pause,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::backoff::DEFAULT_FLOOR;
    use crate::duration::DurationExt;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(secs: u64) -> Moment {
        Moment::from_origin(secs.secs())
    }

    fn failed(
        redial: &mut Redial,
        now: Moment,
        random: f64,
        error: &str,
        is_configuration: bool,
    ) -> AfterFailure {
        let pause = redial.next_pause(now, random);
        redial.failed(now, pause, error, is_configuration)
    }

    /// An owner whose links have worked and were stable.
    fn stable(at_once: AtOnce) -> Redial {
        let window = OutageWindow::For(2 * MINUTE);
        let mut redial = Redial::starting(window, at_once, at(0));
        redial.consuming(at(0));
        assert!(redial.progress(at(0)).is_some());
        redial
    }

    #[test]
    fn a_fault_of_the_configuration_ends_a_start_and_counts_like_any_other_failure_later() {
        let window = OutageWindow::For(MINUTE);
        let mut redial = Redial::starting(window, AtOnce::AfterStable, at(0));
        let refused = failed(&mut redial, at(1), 0.5, "no such vhost", true);
        assert_eq!(refused, AfterFailure::Misconfigured);
        redial.consuming(at(2));
        let _ = redial.lost(at(3), "the broker restarts");
        let refused = failed(&mut redial, at(4), 0.5, "no such vhost", true);
        assert!(matches!(refused, AfterFailure::Wait(_)), "{refused:?}");
    }

    #[test]
    fn without_a_window_the_first_failure_is_the_last_and_after_a_start_none_is() {
        let mut redial = Redial::starting(OutageWindow::For(0.secs()), AtOnce::Always, at(0));
        let verdict = failed(&mut redial, at(0), 0.5, "refused", false);
        assert!(matches!(verdict, AfterFailure::GiveUp(_)), "{verdict:?}");
        redial.never_give_up();
        redial.consuming(at(1));
        let (_, gave_up) = redial.lost(at(2), "cut");
        assert_eq!(gave_up, None);
        let verdict = failed(&mut redial, at(9_999), 1.0, "refused", false);
        assert!(matches!(verdict, AfterFailure::Wait(_)), "{verdict:?}");
    }

    #[test]
    fn a_loss_is_answered_at_once_five_times_a_minute_and_then_after_a_pause() {
        for at_once in [AtOnce::AfterStable, AtOnce::Always] {
            let mut redial = stable(at_once);
            for _ in 0..5 {
                let again = redial.again(at(1), 0.0, true, UnderWay::Nothing);
                assert_eq!(again, Again::AtOnce);
            }
            let again = redial.again(at(2), 0.0, true, UnderWay::Nothing);
            assert_eq!(again, Again::After(DEFAULT_FLOOR));
            let again = redial.again(at(61), 0.0, true, UnderWay::Nothing);
            assert_eq!(again, Again::AtOnce);
        }
    }

    #[test]
    fn a_link_that_was_not_stable_is_made_again_after_a_pause_unless_any_may_be_at_once() {
        let again = |at_once| stable(at_once).again(at(1), 0.0, false, UnderWay::Nothing);
        assert_eq!(again(AtOnce::AfterStable), Again::After(DEFAULT_FLOOR));
        assert_eq!(again(AtOnce::Always), Again::AtOnce);
    }

    #[test]
    fn what_is_lost_while_another_link_is_waited_for_comes_with_it() {
        let mut redial = stable(AtOnce::AfterStable);
        let again = redial.again(at(1), 0.0, true, UnderWay::Attempt);
        assert_eq!(again, Again::WithTheOther);
        let again = redial.again(at(1), 0.0, false, UnderWay::Pause);
        assert_eq!(again, Again::WithTheOther);
        let again = redial.again(at(1), 0.0, true, UnderWay::Pause);
        assert_eq!(again, Again::AtOnce);
    }

    proptest! {
        /// However links come and go, the broker is dialled without a pause at most five times a minute, no
        /// pause ends past the deadline, and the outage is over at the deadline.
        #[test]
        fn whatever_ends_links_they_are_made_again_within_the_window_and_with_pauses(
            lives in prop::collection::vec((0_u64..3_000, any::<bool>(), 0.0..1.0_f64), 1..200),
            always: bool,
        ) {
            let window = Duration::from_secs(30);
            let at_once = if always { AtOnce::Always } else { AtOnce::AfterStable };
            let mut redial = Redial::starting(OutageWindow::For(window), at_once, at(0));
            let (mut now, mut dialled_at_once) = (at(0), Vec::new());
            for (lived, comes_up, random) in lives {
                let verdict = if comes_up {
                    redial.consuming(now);
                    now = now + lived.millis();
                    let was_stable = redial.tick(now).is_some();
                    let again = redial.again(now, random, was_stable, UnderWay::Nothing);
                    let (_, gave_up) = redial.lost(now, "lost");
                    match (again, gave_up) {
                        (_, Some(gave_up)) => AfterFailure::GiveUp(gave_up),
                        (Again::After(pause), None) => redial.failed(now, pause, "lost", false),
                        (_, None) => {
                            dialled_at_once.push(now);
                            continue;
                        }
                    }
                } else {
                    failed(&mut redial, now, random, "refused", false)
                };
                let deadline = redial.outage().deadline().expect("there is an outage");
                match verdict {
                    AfterFailure::Wait(pause) => {
                        prop_assert!(now < deadline && now + pause <= deadline);
                        now = now + pause;
                    }
                    AfterFailure::GiveUp(_) => {
                        prop_assert!(now >= deadline);
                        break;
                    }
                    AfterFailure::Misconfigured => prop_assert!(false, "nobody has said so"),
                }
            }
            for six in dialled_at_once.windows(6) {
                prop_assert!(six[5].saturating_since(six[0]) >= MINUTE);
            }
        }
    }
}
