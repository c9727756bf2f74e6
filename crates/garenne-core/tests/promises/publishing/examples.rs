//! The publisher's decisions, each in a story that a person can follow.

use std::time::Duration;

use garenne_core::publishing::{Answer, Gate, PAUSE, TICK, WINDOW};

use super::scene::{Ending, Scene, TIMEOUT};
use super::{SECOND, Wait};

const PATIENT: Wait = Wait::For(Duration::from_secs(3600));

fn breaks(code: u16, loses_link: bool) -> Ending {
    Ending {
        code,
        names: None,
        loses_link,
    }
}

impl Scene {
    fn answer_to(&self, id: usize) -> Option<&Answer> {
        self.records[id].answer.as_ref().map(|(answer, _)| answer)
    }

    fn break_and_open(&mut self, code: u16, loses_link: bool) {
        self.break_channel(&breaks(code, loses_link));
        self.set_link(true);
        self.pass(PAUSE);
        self.open();
    }
}

fn no_confirm_came(answer: Option<&Answer>) -> bool {
    let gate = Gate::Open;
    answer == Some(&Answer::NotTaken { gate, sent: true })
}

#[test]
fn a_confirm_means_its_message_or_all_up_to_it() {
    let mut scene = Scene::opened();
    let ids: Vec<_> = (0..4).map(|_| scene.send_own(Wait::FailFast)).collect();
    scene.confirm(2, false, true);
    assert_eq!(scene.answer_to(ids[1]), Some(&Answer::Confirmed));
    assert!([0, 2, 3].iter().all(|n| scene.answer_to(ids[*n]).is_none()));
    scene.confirm(3, true, false);
    assert!(
        [0, 2]
            .iter()
            .all(|n| scene.answer_to(ids[*n]) == Some(&Answer::Nacked))
    );
    assert_eq!(scene.answer_to(ids[3]), None);
}

#[test]
fn time_while_the_broker_blocks_is_not_counted() {
    let mut scene = Scene::opened();
    let id = scene.send_own(PATIENT);
    scene.pass(TIMEOUT - SECOND);
    scene.block(true);
    scene.pass(100 * TIMEOUT);
    scene.block(false);
    assert_eq!(scene.answer_to(id), None);
    scene.pass(SECOND + TICK);
    assert!(no_confirm_came(scene.answer_to(id)));
}

#[test]
fn a_confirm_that_is_late_frees_the_place_in_the_window_and_answers_nobody() {
    let mut scene = Scene::opened();
    let ids: Vec<_> = (0..=WINDOW).map(|_| scene.send_own(PATIENT)).collect();
    assert_eq!(scene.last_number, WINDOW as u64);
    scene.confirm(WINDOW as u64 - 10, true, true);
    assert_eq!(scene.last_number, WINDOW as u64 + 1);
    scene.pass(TIMEOUT + TICK);
    assert!(no_confirm_came(scene.answer_to(ids[WINDOW])));
    assert_eq!(scene.unconfirmed.len(), 11);
    scene.confirm(WINDOW as u64 + 1, true, true);
    assert!(scene.unconfirmed.is_empty());
    assert!(no_confirm_came(scene.answer_to(ids[WINDOW])));
}

#[test]
fn when_half_of_the_window_has_no_confirm_in_time_the_channel_is_given_up() {
    let mut scene = Scene::opened();
    for _ in 0..=WINDOW / 2 {
        scene.send_own(PATIENT);
    }
    scene.pass(TIMEOUT - TICK);
    assert!(scene.has_channel);
    scene.pass(2 * TICK);
    assert!(!scene.has_channel);
}

#[test]
fn what_broke_three_channels_alone_is_refused_and_its_neighbours_are_sent() {
    let mut scene = Scene::opened();
    let ids: Vec<_> = (0..3).map(|_| scene.send_own(PATIENT)).collect();
    scene.break_and_open(406, false);
    scene.break_and_open(406, false);
    assert_eq!(scene.published_here, [ids[0]]);
    scene.break_and_open(406, false);
    assert!(matches!(scene.answer_to(ids[0]), Some(Answer::Refused(_))));
    assert_eq!(scene.published_here, [ids[1]]);
    scene.confirm(1, false, true);
    assert_eq!(scene.published_here, [ids[1], ids[2]]);
}

#[test]
fn a_lost_link_and_a_channel_that_was_left_cost_no_try() {
    let mut scene = Scene::opened();
    let ids: Vec<_> = (0..2).map(|_| scene.send_own(PATIENT)).collect();
    for _ in 0..5 {
        scene.break_and_open(320, true);
        assert_eq!(scene.published_here, ids);
    }
    scene.break_and_open(406, false);
    assert_eq!(scene.published_here, ids);
    // Refusals that go on have the channel left, with both messages in flight.
    for _ in 0..5 {
        scene.pass(SECOND);
        scene.send_own(Wait::FailFast);
        if let Some(refused) = scene.unconfirmed.keys().nth(2).copied() {
            scene.confirm(refused, false, false);
        }
    }
    assert_eq!(scene.renewals, 1);
    scene.open();
    assert!(scene.published_here.starts_with(&ids));
}

#[test]
fn what_ends_two_links_alone_is_sent_no_more() {
    let mut scene = Scene::opened();
    let ids: Vec<_> = (0..3).map(|_| scene.send_own(PATIENT)).collect();
    scene.break_and_open(541, true);
    assert_eq!(scene.published_here, [ids[0]]);
    scene.break_and_open(541, true);
    assert_eq!(scene.published_here, [ids[0]]);
    scene.break_and_open(541, true);
    assert!(matches!(
        scene.answer_to(ids[0]),
        Some(Answer::EndsLinks(_))
    ));
    assert_eq!(scene.published_here, [ids[1]]);
}

#[test]
fn a_suspect_waits_until_it_is_alone_on_the_link_but_not_for_ever() {
    let mut scene = Scene::opened();
    let id = scene.send_own(PATIENT);
    scene.break_channel(&breaks(541, true));
    scene.set_link(true);
    scene.link.others.set(1);
    scene.open();
    scene.pass(SECOND);
    assert!(scene.published_here.is_empty());
    scene.pass(2 * SECOND);
    assert_eq!(scene.published_here, [id]);
}

#[test]
fn a_channel_that_ends_over_no_message_is_opened_again_after_a_pause() {
    let mut scene = Scene::opened();
    scene.break_channel(&breaks(0, false));
    scene.open();
    assert!(!scene.has_channel);
    scene.pass(PAUSE);
    scene.open();
    assert!(scene.has_channel);
}

#[test]
fn a_machine_with_nothing_to_wait_for_is_not_woken() {
    let mut scene = Scene::opened();
    assert_eq!(scene.machine.wakes_at(), None);
    scene.send_own(Wait::FailFast);
    assert!(scene.machine.wakes_at().is_some());
    scene.confirm(1, false, true);
    assert_eq!(scene.machine.wakes_at(), None);
    scene.break_channel(&breaks(320, true));
    assert_eq!(scene.machine.wakes_at(), None);
}

#[test]
fn what_no_queue_takes_is_told_so_and_makes_no_channel_new() {
    let mut scene = Scene::opened();
    for number in 1..10 {
        let id = scene.send_own(Wait::FailFast);
        scene.bounce(number);
        scene.confirm(number, false, false);
        let told = scene.answer_to(id);
        assert!(matches!(told, Some(Answer::Unroutable(_))), "{told:?}");
        scene.pass(SECOND);
    }
    assert_eq!(scene.renewals, 0);
}
