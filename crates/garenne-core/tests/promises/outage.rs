//! The outage window, step by step and over random events.

use std::time::Duration;

use garenne_core::{
    DurationExt, Ended, GaveUp, Moment, Next, Outage, OutageWindow, Phase, STABLE_AFTER,
};
use proptest::prelude::*;

const WINDOW: Duration = Duration::from_secs(60);

fn at(secs: u64) -> Moment {
    Moment::from_origin(secs.secs())
}

fn starting(window: OutageWindow) -> Outage {
    Outage::starting(window, STABLE_AFTER, at(0))
}

/// An outage machine that has been stable since second 10.
fn stable(window: OutageWindow) -> Outage {
    let mut outage = starting(window);
    outage.consuming(at(0));
    outage
        .tick(at(10))
        .expect("ten seconds without a loss are stable");
    outage
}

fn gave_up(next: Next) -> GaveUp {
    match next {
        Next::GiveUp(gave_up) => gave_up,
        Next::RetryAfter(pause) => panic!("goes on for {pause:?}"),
    }
}

#[test]
fn a_start_is_an_outage_that_ends_like_any_other() {
    let mut outage = starting(OutageWindow::For(WINDOW));
    assert_eq!(outage.phase(), Phase::Down { since: at(0) });
    assert_eq!(outage.deadline(), Some(at(60)));
    assert!(!outage.had_started());

    assert_eq!(
        outage.attempt_failed(at(1), "refused", 2.secs()),
        Next::RetryAfter(2.secs())
    );
    outage.consuming(at(3));
    assert!(outage.had_started());
    assert_eq!(outage.next_tick(), Some(at(13)));
    assert_eq!(outage.tick(at(12)), None);
    let ended = outage.tick(at(13));
    assert_eq!(
        ended,
        Some(Ended {
            lasted: 13.secs(),
            attempts: 1,
            losses: 0
        })
    );
    assert_eq!(outage.phase(), Phase::Stable);
    assert_eq!(
        (outage.deadline(), outage.next_tick(), outage.summary()),
        (None, None, None)
    );
}

#[test]
fn there_is_one_last_attempt_exactly_at_the_deadline() {
    let mut outage = stable(OutageWindow::For(WINDOW));
    outage.lost(at(100), "connection reset");
    assert_eq!(
        outage.attempt_failed(at(150), "refused", 30.secs()),
        Next::RetryAfter(10.secs())
    );
    let gave_up = gave_up(outage.attempt_failed(at(160), "still refused", 30.secs()));
    assert_eq!(gave_up.lasted, WINDOW);
    assert_eq!((gave_up.attempts, gave_up.losses), (2, 1));
    assert_eq!(gave_up.last_error, "still refused");
}

#[test]
fn a_link_that_comes_and_goes_adds_up_in_one_outage() {
    let mut outage = stable(OutageWindow::For(WINDOW));
    for second in (100..160).step_by(4) {
        outage.lost(at(second), "connection reset");
        assert_eq!(outage.verdict(at(second)), None);
        assert_eq!(outage.phase(), Phase::Down { since: at(100) });
        outage.consuming(at(second + 2));
    }
    outage.lost(at(160), "connection reset");
    let gave_up = outage.verdict(at(160)).expect("the window is over");
    assert_eq!((gave_up.lasted, gave_up.losses), (WINDOW, 16));
}

#[test]
fn while_consumption_is_provisional_the_deadline_gives_nothing_up() {
    let mut outage = stable(OutageWindow::For(WINDOW));
    outage.lost(at(100), "connection reset");
    outage.consuming(at(159));
    assert_eq!(outage.tick(at(165)), None);
    assert_eq!(outage.verdict(at(165)), None);
    let ended = outage
        .tick(at(169))
        .expect("ten seconds without a loss are stable");
    assert_eq!(ended.lasted, 69.secs());
}

#[test]
fn one_successful_ack_ends_the_outage() {
    let mut outage = stable(OutageWindow::For(WINDOW));
    outage.lost(at(100), "connection reset");
    outage.consuming(at(101));
    let ended = outage.progress(at(102));
    assert_eq!(
        ended,
        Some(Ended {
            lasted: 2.secs(),
            attempts: 0,
            losses: 1
        })
    );
    assert_eq!(outage.progress(at(103)), None);
    assert_eq!(outage.phase(), Phase::Stable);
}

#[test]
fn an_ack_of_a_link_that_is_gone_ends_nothing() {
    let mut outage = stable(OutageWindow::For(WINDOW));
    outage.lost(at(100), "connection reset");
    assert_eq!(outage.progress(at(101)), None);
    assert_eq!(outage.phase(), Phase::Down { since: at(100) });
}

#[test]
fn a_loss_that_several_notice_is_one_loss() {
    let mut outage = stable(OutageWindow::For(WINDOW));
    outage.lost(at(100), "connection reset");
    outage.lost(at(100), "channel closed");
    let summary = outage.summary().expect("an outage");
    assert_eq!(summary.losses, 1);
    assert_eq!(summary.last_error.as_deref(), Some("connection reset"));
}

#[test]
fn a_loss_after_stability_that_nobody_had_asked_about_is_a_new_outage() {
    let mut outage = starting(OutageWindow::For(WINDOW));
    outage.consuming(at(0));
    let ended = outage.lost(at(500), "connection reset");
    assert_eq!(
        ended,
        Some(Ended {
            lasted: STABLE_AFTER,
            attempts: 0,
            losses: 0
        })
    );
    assert_eq!(outage.phase(), Phase::Down { since: at(500) });
}

#[test]
fn an_attempt_that_fails_while_consumption_goes_on_is_a_loss() {
    let mut outage = stable(OutageWindow::For(WINDOW));
    assert_eq!(
        outage.attempt_failed(at(20), "gone", 1.secs()),
        Next::RetryAfter(1.secs())
    );
    let summary = outage.summary().expect("an outage");
    assert_eq!(
        (summary.since, summary.losses, summary.attempts),
        (at(20), 1, 1)
    );
}

#[test]
fn fail_fast_gives_up_at_the_first_failure_of_a_start() {
    let mut outage = starting(OutageWindow::FailFast);
    assert_eq!(outage.verdict(at(1)), None, "nothing has failed yet");
    let gave_up = gave_up(outage.attempt_failed(at(1), "refused", 1.secs()));
    assert_eq!(gave_up.last_error, "refused");
}

#[test]
fn fail_fast_gives_up_at_the_first_loss() {
    let mut provisional = starting(OutageWindow::FailFast);
    provisional.consuming(at(1));
    for mut outage in [provisional, stable(OutageWindow::FailFast)] {
        assert_eq!(outage.verdict(at(12)), None);
        outage.lost(at(12), "connection reset");
        assert!(outage.verdict(at(12)).is_some());
    }
}

#[test]
fn never_does_not_give_up() {
    let mut outage = stable(OutageWindow::Never);
    outage.lost(at(100), "connection reset");
    let a_year_later = at(365 * 24 * 3600);
    assert_eq!(outage.verdict(a_year_later), None);
    let next = outage.attempt_failed(a_year_later, "refused", 30.secs());
    assert_eq!(next, Next::RetryAfter(30.secs()));
    assert_eq!(outage.deadline(), None);
}

#[derive(Clone, Debug)]
enum Event {
    Wait(Duration),
    Lost,
    AttemptFailed { wanted_pause: Duration },
    Consuming,
    Progress,
}

fn event() -> impl Strategy<Value = Event> {
    let millis = |most: u64| (0..most).prop_map(Duration::from_millis);
    prop_oneof![
        4 => millis(15_000).prop_map(Event::Wait),
        2 => Just(Event::Lost),
        3 => millis(40_000).prop_map(|wanted_pause| Event::AttemptFailed { wanted_pause }),
        2 => Just(Event::Consuming),
        1 => Just(Event::Progress),
    ]
}

/// The sentence that defines an outage, written down as plainly as it can be: from the first loss
/// until consumption has gone on for ten seconds, or an ack.
#[derive(Default)]
struct Definition {
    first_loss: Option<Moment>,
    consuming_since: Option<Moment>,
}

impl Definition {
    fn lost(&mut self, now: Moment) {
        self.first_loss.get_or_insert(now);
        self.consuming_since = None;
    }

    fn consuming(&mut self, now: Moment) {
        self.consuming_since.get_or_insert(now);
    }

    fn acked(&mut self) {
        if self.consuming_since.is_some() {
            self.first_loss = None;
        }
    }

    fn waited_until(&mut self, now: Moment) {
        if self
            .consuming_since
            .is_some_and(|since| now >= since + STABLE_AFTER)
        {
            self.first_loss = None;
        }
    }
}

fn check_pause(now: Moment, deadline: Moment, wanted: Duration, next: &Next) {
    match next {
        Next::GiveUp(_) => assert!(now >= deadline, "gives up too early"),
        Next::RetryAfter(pause) => {
            assert!(now < deadline, "goes on past the deadline");
            assert!(now + *pause <= deadline, "sleeps past the deadline");
            let cut_to_deadline = now + *pause == deadline && *pause < wanted;
            assert!(
                *pause == wanted || cut_to_deadline,
                "{wanted:?} became {pause:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn an_outage_lasts_from_its_first_loss_until_stable_and_no_pause_ends_past_its_deadline(
        events in prop::collection::vec(event(), 0..100),
    ) {
        let mut now = at(0);
        let mut outage = starting(OutageWindow::For(WINDOW));
        let mut definition = Definition { first_loss: Some(now), consuming_since: None };
        for event in events {
            match event {
                Event::Wait(duration) => {
                    now = now + duration;
                    definition.waited_until(now);
                    outage.tick(now);
                }
                Event::Lost => {
                    definition.lost(now);
                    outage.lost(now, "lost");
                }
                Event::AttemptFailed { wanted_pause } => {
                    definition.lost(now);
                    let deadline = definition.first_loss.unwrap() + WINDOW;
                    let next = outage.attempt_failed(now, "refused", wanted_pause);
                    check_pause(now, deadline, wanted_pause, &next);
                }
                Event::Consuming => {
                    definition.consuming(now);
                    outage.consuming(now);
                }
                Event::Progress => {
                    definition.acked();
                    outage.progress(now);
                }
            }
            let since = definition.first_loss;
            prop_assert_eq!(outage.summary().map(|summary| summary.since), since);
            let is_down = definition.consuming_since.is_none();
            prop_assert_eq!(matches!(outage.phase(), Phase::Down { .. }), is_down);
            let over = is_down && since.is_some_and(|since| now >= since + WINDOW);
            prop_assert_eq!(outage.verdict(now).is_some(), over);
        }
    }
}
