//! Events of one kind, thinned out.

use std::time::Duration;

use garenne_core::{Moment, Throttle};
use proptest::prelude::*;

fn at(ms: u64) -> Moment {
    Moment::from_origin(Duration::from_millis(ms))
}

/// When events were told, in milliseconds, and with which counts.
fn told(throttle: &mut Throttle, events: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
    let told = |ms| throttle.happened(at(ms)).map(|left_out| (ms, left_out));
    events.into_iter().filter_map(told).collect()
}

#[test]
fn a_burst_is_told_as_it_comes_and_then_one_a_second_with_a_count() {
    let told = told(&mut Throttle::new(3), (0..5_000).step_by(100));
    let counts = [
        (0, 0),
        (100, 0),
        (200, 0),
        (1_000, 7),
        (2_000, 9),
        (3_000, 9),
        (4_000, 9),
    ];
    assert_eq!(told, counts);
}

#[test]
fn what_was_left_out_is_told_with_the_next_event_however_late() {
    let mut throttle = Throttle::new(1);
    assert_eq!(told(&mut throttle, [0, 1, 2, 3]), [(0, 0)]);
    assert_eq!(throttle.happened(at(3_600_000)), Some(3));
    assert_eq!(throttle.happened(at(7_200_000)), Some(0));
}

#[test]
fn after_a_quiet_time_a_whole_burst_is_told_again() {
    let mut throttle = Throttle::new(5);
    assert_eq!(told(&mut throttle, [0; 20]).len(), 5);
    assert_eq!(told(&mut throttle, [5_000; 20]).len(), 5);
}

#[test]
fn a_burst_of_none_is_a_burst_of_one() {
    assert_eq!(told(&mut Throttle::new(0), [0, 0, 1_000]).len(), 2);
}

#[test]
fn the_longest_burst_at_the_end_of_time_is_no_overflow() {
    let end = Moment::from_origin(Duration::MAX);
    let mut throttle = Throttle::new(u32::MAX);
    assert_eq!(throttle.happened(end), Some(0));
    assert_eq!(throttle.happened(end), Some(0));
}

proptest! {
    #[test]
    fn in_no_stretch_of_time_is_more_told_than_a_burst_and_one_a_second(
        burst in 1_u32..20,
        gaps in prop::collection::vec(0_u64..1_500, 1..200),
    ) {
        let events = gaps.iter().scan(0, |now, gap| { *now += gap; Some(*now) });
        let told = told(&mut Throttle::new(burst), events);
        for (from, &(begin, _)) in told.iter().enumerate() {
            for (more, &(end, _)) in told[from..].iter().enumerate() {
                let most = u64::from(burst) + (end - begin) / 1_000;
                prop_assert!((more as u64) < most, "{told:?}");
            }
        }
    }

    #[test]
    fn every_event_is_told_or_counted_by_the_next_one_that_is(
        burst in 1_u32..20,
        gaps in prop::collection::vec(0_u64..1_500, 1..200),
    ) {
        let mut throttle = Throttle::new(burst);
        let (mut now, mut left_out) = (0, 0);
        for gap in gaps {
            now += gap;
            match throttle.happened(at(now)) {
                Some(counted) => {
                    prop_assert_eq!(counted, left_out);
                    left_out = 0;
                }
                None => left_out += 1,
            }
        }
        prop_assert_eq!(throttle.happened(at(now + 3_600_000)), Some(left_out));
    }

    #[test]
    fn events_a_second_apart_are_all_told(
        burst in 1_u32..20,
        gaps in prop::collection::vec(1_000_u64..100_000, 1..200),
    ) {
        let mut now = 0;
        let mut throttle = Throttle::new(burst);
        for gap in gaps {
            now += gap;
            prop_assert_eq!(throttle.happened(at(now)), Some(0));
        }
    }
}
