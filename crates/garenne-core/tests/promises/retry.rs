//! Retry policies: what they say, and how they are spelt.

use std::time::Duration;

use garenne_core::{Attempt, DurationExt, Retry};
use proptest::prelude::*;

/// The delays of a policy in order, until it is exhausted.
fn schedule(policy: &Retry) -> Vec<Duration> {
    (0..)
        .map_while(|failed| policy.delay_after(Attempt::from_failed(failed)))
        .collect()
}

#[test]
fn by_default_a_message_is_retried_three_times_every_twenty_seconds() {
    assert_eq!(schedule(&Retry::default()), [20.secs(); 3]);
    assert_eq!(Retry::default(), Retry::every(20.secs()));
}

#[test]
fn none_retries_nothing_whatever_the_times() {
    assert_eq!(schedule(&Retry::none()), []);
    assert_eq!(schedule(&Retry::none().times(5)), []);
    assert_eq!(
        Retry::every(1.secs()).times(0).delay_after(Attempt::FIRST),
        None
    );
}

#[test]
fn a_list_has_one_delay_per_retry() {
    let policy = Retry::delays([1.secs(), 10.secs(), 1.secs()]);
    assert_eq!(schedule(&policy), [1.secs(), 10.secs(), 1.secs()]);
    assert_eq!(policy.lanes(), [1.secs(), 10.secs()]);
}

#[test]
fn times_cuts_a_list_or_repeats_its_last_delay() {
    let policy = Retry::delays([1.secs(), 10.secs()]);
    assert_eq!(schedule(&policy.clone().times(1)), [1.secs()]);
    assert_eq!(
        schedule(&policy.times(4)),
        [1.secs(), 10.secs(), 10.secs(), 10.secs()]
    );
}

#[test]
fn exponential_delays_double_up_to_their_ceiling() {
    let policy = Retry::exponential(1.secs(), 5.secs()).times(5);
    assert_eq!(
        schedule(&policy),
        [1.secs(), 2.secs(), 4.secs(), 5.secs(), 5.secs()]
    );
    assert_eq!(policy.lanes(), [1.secs(), 2.secs(), 4.secs(), 5.secs()]);
}

#[test]
fn doubling_for_long_does_not_overflow() {
    let policy = Retry::exponential(1.millis(), 24.hours()).times(1000);
    assert_eq!(
        policy.delay_after(Attempt::from_failed(999)),
        Some(24.hours())
    );
    let endless = Retry::exponential(Duration::MAX, Duration::MAX).times(u32::MAX);
    assert_eq!(
        endless.delay_after(Attempt::from_failed(40)),
        Some(Duration::MAX)
    );
}

#[test]
fn delays_are_whole_milliseconds_so_that_each_is_a_lane() {
    let policy = Retry::delays([Duration::from_micros(1), Duration::from_micros(900)]);
    assert_eq!(policy.lanes(), [1.millis()]);
}

#[test]
fn what_no_broker_can_do_is_a_fault() {
    let faulty = [
        (Retry::every(Duration::ZERO), "retry delay is `0s`"),
        (
            Retry::every(4_294_967_296.millis()),
            "retry delay is `4294967296ms`",
        ),
        (Retry::every(1.secs()).times(1001), "retry times is `1001`"),
        (
            Retry::delays([1.secs()]).times(u32::MAX),
            "retry times is `1001`",
        ),
        (
            Retry::exponential(2.secs(), 1.secs()),
            "first retry delay is `2s`",
        ),
    ];
    for (policy, expected) in faulty {
        let faults = policy.faults();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].to_string().starts_with(expected), "{}", faults[0]);
    }
    let sound = [
        Retry::none(),
        Retry::every(1.millis()).times(1000),
        Retry::every(4_294_967_295.millis()),
    ];
    for policy in sound {
        assert_eq!(policy.faults(), []);
    }
}

#[test]
fn policies_are_read_as_people_write_them() {
    let policies = [
        ("20s*3", Retry::every(20.secs())),
        ("500ms*2", Retry::every(500.millis()).times(2)),
        (" 2m * 4 ", Retry::every(2.minutes()).times(4)),
        ("none", Retry::none()),
        (
            "1s,10s, 1m",
            Retry::delays([1.secs(), 10.secs(), 60.secs()]),
        ),
        ("1s..1m*8", Retry::exponential(1.secs(), 60.secs()).times(8)),
    ];
    for (text, policy) in policies {
        assert_eq!(text.parse(), Ok(policy), "{text}");
    }
}

#[test]
fn a_refusal_names_the_value_and_what_is_accepted() {
    for wrong in [
        "",
        "20*3",
        "20s*",
        "20s*three",
        "20s*-1",
        "1s..*3",
        "1s,,2s",
        "always",
    ] {
        let error = wrong.parse::<Retry>().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("`{wrong}` is not a retry policy")),
            "{error}"
        );
        assert!(error.contains("`20s*3`"), "{error}");
    }
}

fn policy() -> impl Strategy<Value = Retry> {
    let delay = || (0_u64..10_000_000).prop_map(Duration::from_micros);
    prop_oneof![
        (delay(), 0_u32..1000).prop_map(|(delay, times)| Retry::every(delay).times(times)),
        prop::collection::vec(delay(), 0..10).prop_map(Retry::delays),
        (delay(), delay(), 0_u32..1000)
            .prop_map(|(first, ceiling, times)| Retry::exponential(first, ceiling).times(times)),
    ]
}

proptest! {
    #[test]
    fn a_policy_is_read_as_it_is_written(policy in policy()) {
        prop_assert_eq!(policy.to_string().parse(), Ok(policy));
    }

    #[test]
    fn every_delay_of_a_policy_is_one_of_its_lanes(policy in policy()) {
        let lanes = policy.lanes();
        prop_assert!(lanes.is_sorted_by(|a, b| a < b));
        let delays = schedule(&policy);
        prop_assert_eq!(delays.len(), policy.retries() as usize);
        prop_assert!(delays.iter().all(|delay| lanes.contains(delay)));
    }
}
