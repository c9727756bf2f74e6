//! The outcome table: every outcome, at every attempt, under each kind of policy.

use std::fmt::Write;

use garenne_core::{Attempt, DurationExt, Outcome, Retry, Settlement, Wish, compact, decide};
use proptest::prelude::*;

const OUTCOMES: [(&str, Outcome); 10] = [
    ("done", Outcome::Done),
    ("failed: retry", Outcome::Failed(Wish::Retry)),
    (
        "failed: retry after 10s",
        Outcome::Failed(Wish::RetryAfter(std::time::Duration::from_secs(10))),
    ),
    (
        "failed: retry after 11s",
        Outcome::Failed(Wish::RetryAfter(std::time::Duration::from_secs(11))),
    ),
    ("failed: permanent", Outcome::Failed(Wish::Permanent)),
    ("failed: discard", Outcome::Failed(Wish::Discard)),
    ("panicked", Outcome::Panicked),
    ("deadline exceeded", Outcome::DeadlineExceeded),
    ("undecodable", Outcome::Undecodable),
    ("requeued", Outcome::Requeued),
];

fn cell(settlement: Settlement) -> String {
    match settlement {
        Settlement::Ack => "ack".into(),
        Settlement::Retry(delay) => format!("retry {}", compact(delay)),
        Settlement::Fail(reason) => format!("fail {reason}"),
        Settlement::Requeue => "requeue".into(),
        Settlement::Discard => "discard".into(),
    }
}

fn table(policy: &Retry) -> String {
    let attempts: Vec<_> = (0..5).map(Attempt::from_failed).collect();
    let mut table = format!("\n{:24}", format!("policy {policy}"));
    for attempt in &attempts {
        write!(table, "| {:17}", format!("attempt {attempt}")).unwrap();
    }
    for (name, outcome) in OUTCOMES {
        write!(table, "\n{name:24}").unwrap();
        for attempt in &attempts {
            write!(table, "| {:17}", cell(decide(&outcome, *attempt, policy))).unwrap();
        }
    }
    table
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
        + "\n"
}

#[test]
fn every_outcome_is_settled_as_the_table_says() {
    let policies = [
        Retry::none(),
        Retry::every(20.secs()).times(3),
        Retry::delays([1.secs(), 10.secs(), 60.secs()]),
        Retry::exponential(1.secs(), 3.secs()).times(4),
    ];
    insta::assert_snapshot!(policies.iter().map(table).collect::<String>());
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let after = any::<u64>().prop_map(|millis| Outcome::Failed(Wish::RetryAfter(millis.millis())));
    prop_oneof![
        prop::sample::select(OUTCOMES.map(|(_, outcome)| outcome).to_vec()),
        after
    ]
}

proptest! {
    #[test]
    fn no_outcome_is_retried_more_often_than_the_policy_says(
        outcome in outcome(),
        times in 0_u32..20,
        delay in 1_u64..100_000,
        failed in 0_u32..40,
    ) {
        let policy = Retry::every(delay.millis()).times(times);
        let settlement = decide(&outcome, Attempt::from_failed(failed), &policy);
        if let Settlement::Retry(_) = settlement {
            prop_assert!(failed < times);
        }
    }
}
