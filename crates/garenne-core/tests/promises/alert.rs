//! Alerts: nothing goes uncounted, nobody is called too often, memory does not grow.

use std::collections::VecDeque;
use std::time::Duration;

use garenne_core::alert::{Digest, News, Pace, Pager, Step, Subject};
use garenne_core::{DurationExt, FailReason, Moment};
use proptest::prelude::*;

fn at(millis: u64) -> Moment {
    Moment::default() + millis.millis()
}

fn failed(error: &str) -> News {
    News::failure("orders", FailReason::Exhausted, error)
}

fn gave_up() -> News {
    News::new(Subject::GaveUp, "gave up on the broker")
}

fn pager(pace: Pace) -> Pager {
    Pager::new(pace, "order-service", "web-1")
}

#[track_caller]
fn tells(pager: &mut Pager, now: Moment) -> Digest {
    match pager.next(now) {
        Step::Tell(digest) => digest,
        other => panic!("{other:?} instead of a call"),
    }
}

#[test]
fn a_burst_is_one_call_and_the_rest_of_it_another_five_minutes_later() {
    let mut pager = pager(Pace::default());
    for n in 0..10_000 {
        pager.note(at(n), &failed("card declined"));
        if n == 2_000 {
            let digest = tells(&mut pager, at(n));
            assert_eq!(digest.count(), 2_001);
            pager.told(at(n));
        } else {
            assert!(!matches!(pager.next(at(n)), Step::Tell(_)), "{n}");
        }
    }
    let again = at(2_000) + 5.minutes();
    assert_eq!(pager.next(at(10_000)), Step::Until(again));
    let digest = tells(&mut pager, again);
    assert_eq!((digest.number, digest.count()), (1, 7_999));
    pager.told(again);
    assert_eq!(pager.tally().told, 10_000);
    assert_eq!(pager.next(again), Step::Rest);
}

#[test]
fn what_comes_during_a_call_does_not_make_another_one_at_once() {
    let mut pager = pager(Pace::default());
    pager.note(at(0), &failed("declined"));
    let _ = tells(&mut pager, at(2_000));
    pager.note(at(3_000), &failed("declined"));
    pager.told(at(9_000));
    assert_eq!(pager.next(at(9_000)), Step::Until(at(9_000) + 5.minutes()));
}

#[test]
fn critical_news_wait_neither_for_others_nor_for_a_back_off() {
    let mut pager = pager(Pace::default());
    pager.note(at(0), &failed("declined"));
    let _ = tells(&mut pager, at(2_000));
    pager.failed(at(2_000), None, 0.9);
    assert!(matches!(pager.next(at(2_000)), Step::Until(_)));
    assert!(pager.note(at(2_001), &gave_up()));
    let digest = tells(&mut pager, at(2_001));
    let subjects: Vec<_> = digest
        .items
        .iter()
        .map(|item| item.subject.as_str())
        .collect();
    assert_eq!(subjects, ["gave-up", "failures"]);
}

#[test]
fn a_call_that_failed_is_repeated_with_the_same_number_and_what_came_since() {
    let mut pager = pager(Pace::default());
    pager.note(at(0), &failed("declined 1"));
    let first = tells(&mut pager, at(2_000));
    pager.note(at(2_500), &failed("declined 2"));
    let pause = pager.failed(at(3_000), None, 0.0);
    assert_eq!(pause, 1.secs());
    assert_eq!(pager.next(at(3_000)), Step::Until(at(4_000)));
    let second = tells(&mut pager, at(4_000));
    assert_eq!((first.number, second.number), (0, 0));
    assert_eq!((first.count(), second.count()), (1, 2));
    assert_eq!(second.items[0].lasting, 2500.millis());
    assert_eq!(second.items[0].newest, "declined 2");
}

#[test]
fn who_says_later_is_not_called_before() {
    let mut pager = pager(Pace::default());
    pager.note(at(0), &failed("declined"));
    let _ = tells(&mut pager, at(2_000));
    assert_eq!(pager.failed(at(2_000), Some(90.secs()), 0.0), 90.secs());
    pager.note(at(3_000), &gave_up());
    pager.close(at(3_000));
    assert_eq!(pager.next(at(3_000)), Step::Until(at(92_000)));
}

#[test]
fn what_could_not_be_told_in_time_is_dropped_and_the_next_alert_says_how_much() {
    let mut pager = pager(Pace::default().keep(10.secs()));
    pager.note(at(0), &failed("declined"));
    let _ = tells(&mut pager, at(2_000));
    pager.failed(at(2_000), None, 0.0);
    assert_eq!(pager.next(at(12_000)), Step::Rest);
    assert_eq!(pager.tally().dropped, 1);
    pager.note(at(20_000), &failed("declined"));
    let digest = tells(&mut pager, at(22_000));
    assert_eq!((digest.count(), digest.dropped), (1, 1));
    pager.told(at(22_000));
    pager.note(at(22_000), &gave_up());
    assert_eq!(tells(&mut pager, at(22_000)).dropped, 0);
}

#[test]
fn the_last_call_of_a_limit_is_kept_for_critical_news() {
    let pace = Pace::default().gather(Duration::ZERO).every(Duration::ZERO);
    let mut pager = pager(pace.limit(3, 60.secs()));
    for _ in 0..2 {
        pager.note(at(0), &failed("declined"));
        let _ = tells(&mut pager, at(0));
        pager.told(at(0));
    }
    pager.note(at(1), &failed("declined"));
    assert_eq!(pager.next(at(1)), Step::Until(at(60_000)));
    pager.note(at(2), &gave_up());
    assert_eq!(tells(&mut pager, at(2)).count(), 2);
}

#[test]
fn at_the_end_everything_is_due() {
    let mut pager = pager(Pace::default());
    pager.note(at(0), &failed("declined"));
    assert_eq!(pager.next(at(0)), Step::Until(at(2_000)));
    pager.close(at(1));
    let _ = tells(&mut pager, at(1));
    pager.told(at(1));
    assert_eq!(pager.next(at(1)), Step::Rest);
}

#[derive(Clone, Debug)]
enum Event {
    Note(u16, u8),
    Pass(u32),
    CallSucceeds,
    CallFails(Option<u8>),
    Critical,
    Close,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (1..20_u16, any::<u8>()).prop_map(|(count, kind)| Event::Note(count, kind)),
        4 => (0..90_000_u32).prop_map(Event::Pass),
        3 => Just(Event::CallSucceeds),
        2 => prop::option::of(any::<u8>()).prop_map(Event::CallFails),
        1 => Just(Event::Critical),
        1 => Just(Event::Close),
    ];
    prop::collection::vec(event, 1..80)
}

proptest! {
    #[test]
    fn nothing_goes_uncounted_nobody_is_called_too_often_and_memory_is_bounded(
        events in events(),
        (calls, per) in (1..6_u32, 1..120_u64),
        (gather, every, keep) in (0..5_u64, 0..300_u64, 1..600_u64),
    ) {
        let pace = Pace::default().limit(calls, per.secs()).gather(gather.secs());
        let pace = pace.every(every.secs()).keep(keep.secs()).subjects(8);
        let mut pager = pager(pace);
        let (mut now, mut noted, mut told, mut dropped_told) = (0_u64, 0, 0, 0);
        let mut calling: Option<Digest> = None;
        let mut begun: VecDeque<u64> = VecDeque::new();
        for event in events {
            match event {
                Event::Note(count, kind) => for _ in 0..count {
                    // Letters only: digits do not make a kind.
                    let kind = "abcdefghijklmnop".get(usize::from(kind % 16)..).unwrap();
                    pager.note(at(now), &failed(kind));
                    noted += 1;
                },
                Event::Critical => {
                    pager.note(at(now), &gave_up());
                    noted += 1;
                }
                Event::Pass(millis) => now += u64::from(millis),
                Event::Close => pager.close(at(now)),
                Event::CallSucceeds => if let Some(digest) = calling.take() {
                    pager.told(at(now));
                    told += digest.count();
                    dropped_told += digest.dropped;
                },
                Event::CallFails(retry_after) => if calling.take().is_some() {
                    pager.failed(at(now), retry_after.map(|s| u64::from(s).secs()), 0.5);
                },
            }
            if calling.is_none() && let Step::Tell(digest) = pager.next(at(now)) {
                begun.push_back(now);
                if let Some(&earlier) = begun.iter().rev().nth(calls as usize) {
                    prop_assert!(now - earlier >= per * 1000, "{calls} calls per {per} s: {begun:?}");
                }
                prop_assert!(!digest.items.is_empty());
                prop_assert!(digest.text(400).len() <= 400);
                calling = Some(digest);
            }
            let tally = pager.tally();
            prop_assert_eq!(tally.noted, noted);
            prop_assert_eq!(tally.told, told);
            let telling = calling.as_ref().map_or(0, Digest::count);
            prop_assert!(tally.pending() >= telling);
            prop_assert!(dropped_told <= tally.dropped);
            // Eight kinds, and one subject each for the rest and for giving up.
            prop_assert!(pager.subjects() <= 10, "{}", pager.subjects());
        }
        let left = pager.tally().pending();
        prop_assert_eq!(pager.give_up(), left);
        prop_assert_eq!(pager.tally().told + pager.tally().dropped, noted);
    }

    #[test]
    fn every_news_is_told_when_calls_succeed(
        batches in prop::collection::vec((0..60_000_u64, 1..10_u64, 0..20_usize), 1..20),
    ) {
        let mut pager = pager(Pace::default().subjects(4));
        let (mut now, mut noted, mut told) = (0, 0, 0);
        for (pause, count, kind) in batches {
            now += pause;
            for _ in 0..count {
                pager.note(at(now), &failed(&"x".repeat(kind)));
            }
            noted += count;
        }
        pager.close(at(now));
        // Far more steps than a limit of 20 per minute can take.
        for _ in 0..100 {
            match pager.next(at(now)) {
                Step::Tell(digest) => {
                    told += digest.count();
                    pager.told(at(now));
                }
                Step::Until(_) => now += 1_000,
                Step::Rest => break,
            }
        }
        prop_assert_eq!(told, noted);
    }
}
