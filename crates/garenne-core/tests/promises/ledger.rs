//! The ledger against a broker that knows which tags are outstanding.

use std::collections::BTreeSet;

use garenne_core::{Ack, Ledger, LedgerError};
use proptest::prelude::*;

/// What can happen on a channel. Handlers are picked by place among those that run.
#[derive(Clone, Debug)]
enum Event {
    Deliver,
    Finish(prop::sample::Index),
    Requeue(prop::sample::Index),
    Ack,
    AckStraggler,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Deliver),
        3 => any::<prop::sample::Index>().prop_map(Event::Finish),
        1 => any::<prop::sample::Index>().prop_map(Event::Requeue),
        1 => Just(Event::Ack),
        3 => Just(Event::AckStraggler),
    ]
}

/// A channel: the ledger on this side, what the broker knows on the other.
struct Channel {
    ledger: Ledger,
    next_tag: u64,
    outstanding: BTreeSet<u64>,
    running: BTreeSet<u64>,
    /// How many of those that run, from the oldest on, no event ends.
    pinned: usize,
}

impl Channel {
    fn starting_at(next_tag: u64) -> Self {
        let (outstanding, running) = (BTreeSet::new(), BTreeSet::new());
        Self {
            ledger: Ledger::new(),
            next_tag,
            outstanding,
            running,
            pinned: 0,
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Deliver => {
                self.ledger.admit(self.next_tag).unwrap();
                self.outstanding.insert(self.next_tag);
                self.running.insert(self.next_tag);
                self.next_tag += 1;
            }
            Event::Finish(which) => {
                if let Some(tag) = self.end_a_run(which) {
                    self.ledger.finish(tag).unwrap();
                }
            }
            Event::Requeue(which) => {
                if let Some(tag) = self.end_a_run(which) {
                    self.ledger.requeue(tag).unwrap();
                    self.outstanding.remove(&tag);
                }
            }
            Event::Ack => {
                if let Some(ack) = self.ledger.next_ack() {
                    self.broker_takes(ack);
                }
            }
            Event::AckStraggler => {
                if let Some(ack) = self.ledger.next_straggler() {
                    assert!(!ack.multiple, "a straggler is acked alone");
                    self.broker_takes(ack);
                }
            }
        }
    }

    fn end_a_run(&mut self, which: &prop::sample::Index) -> Option<u64> {
        let free = self.running.len() - self.pinned;
        let place = self.pinned + (free > 0).then(|| which.index(free))?;
        let tag = *self.running.iter().nth(place)?;
        self.running.remove(&tag);
        Some(tag)
    }

    /// A broker closes the channel over an ack that names a tag it does not know. Removing the tags
    /// here shows that none is settled twice.
    fn broker_takes(&mut self, ack: Ack) {
        assert!(
            self.outstanding.contains(&ack.tag),
            "{ack:?} names a tag that is not outstanding"
        );
        let from = if ack.multiple { 0 } else { ack.tag };
        let covered: Vec<_> = self.outstanding.range(from..=ack.tag).copied().collect();
        assert_eq!(covered.len(), ack.count as usize, "{ack:?} miscounts");
        assert_eq!(
            ack.multiple,
            ack.count > 1,
            "{ack:?} is `multiple` for no reason"
        );
        for tag in covered {
            assert!(
                !self.running.contains(&tag),
                "{ack:?} covers {tag}, which still runs"
            );
            self.outstanding.remove(&tag);
        }
    }

    fn check_counts(&self) {
        let waiting: Vec<_> = self.outstanding.difference(&self.running).collect();
        let first_running = self.running.first().copied().unwrap_or(u64::MAX);
        let behind = waiting.iter().filter(|tag| ***tag > first_running).count();
        assert_eq!(self.ledger.unsettled(), self.outstanding.len());
        assert_eq!(self.ledger.waiting(), waiting.len());
        assert_eq!(self.ledger.stragglers(), behind);
        assert_eq!(self.ledger.is_empty(), self.outstanding.is_empty());
        assert!(self.ledger.unfinished().eq(self.running.iter().copied()));
    }
}

proptest! {
    #[test]
    fn every_admitted_delivery_is_settled_exactly_once_and_no_ack_covers_a_running_one(
        first_tag in 1_u64..1000,
        first_runs_to_the_end in any::<bool>(),
        events in prop::collection::vec(event(), 0..300),
    ) {
        let mut channel = Channel::starting_at(first_tag);
        if first_runs_to_the_end {
            channel.apply(&Event::Deliver);
            channel.pinned = 1;
        }
        for event in &events {
            channel.apply(event);
            channel.check_counts();
        }
        for tag in std::mem::take(&mut channel.running) {
            channel.ledger.finish(tag).unwrap();
        }
        channel.apply(&Event::Ack);
        channel.check_counts();
        prop_assert!(channel.outstanding.is_empty(), "left over: {:?}", channel.outstanding);
    }
}

fn ledger_of(tags: impl IntoIterator<Item = u64>) -> Ledger {
    let mut ledger = Ledger::new();
    for tag in tags {
        ledger.admit(tag).unwrap();
    }
    ledger
}

#[test]
fn the_finished_prefix_is_one_ack() {
    let mut ledger = ledger_of(1..=5);
    for tag in [3, 1, 2, 5] {
        ledger.finish(tag).unwrap();
    }
    assert_eq!(
        ledger.next_ack(),
        Some(Ack {
            tag: 3,
            multiple: true,
            count: 3
        })
    );
    assert_eq!(ledger.next_ack(), None);
    assert_eq!(
        (ledger.waiting(), ledger.stragglers(), ledger.unsettled()),
        (1, 1, 2)
    );
}

#[test]
fn an_ack_never_names_a_delivery_that_was_requeued() {
    let mut ledger = ledger_of(1..=3);
    ledger.finish(1).unwrap();
    ledger.requeue(2).unwrap();
    ledger.requeue(3).unwrap();
    assert_eq!(
        ledger.next_ack(),
        Some(Ack {
            tag: 1,
            multiple: false,
            count: 1
        })
    );
    assert!(ledger.is_empty());
}

#[test]
fn the_straggler_that_has_waited_longest_is_acked_first() {
    let mut ledger = ledger_of(1..=4);
    for tag in [4, 2, 3] {
        ledger.finish(tag).unwrap();
    }
    let order: Vec<_> = std::iter::from_fn(|| ledger.next_straggler())
        .map(|ack| ack.tag)
        .collect();
    assert_eq!(order, [4, 2, 3]);
}

#[test]
fn a_straggler_that_the_prefix_has_reached_is_acked_with_it_and_only_once() {
    let mut ledger = ledger_of(1..=2);
    ledger.finish(2).unwrap();
    ledger.finish(1).unwrap();
    assert_eq!(ledger.next_straggler(), None);
    assert_eq!(
        ledger.next_ack(),
        Some(Ack {
            tag: 2,
            multiple: true,
            count: 2
        })
    );
}

#[test]
fn wrong_use_is_refused_and_changes_nothing() {
    let mut ledger = ledger_of(5..=7);
    ledger.finish(6).unwrap();
    ledger.requeue(7).unwrap();
    let before = format!("{ledger:?}");

    for tag in [0, 4, 6, 7, 8, u64::MAX] {
        assert_eq!(ledger.finish(tag), Err(LedgerError::NotRunning { tag }));
        assert_eq!(ledger.requeue(tag), Err(LedgerError::NotRunning { tag }));
    }
    for tag in [0, 5, 7, 9] {
        assert_eq!(
            ledger.admit(tag),
            Err(LedgerError::OutOfOrder { tag, expected: 8 })
        );
    }
    assert_eq!(format!("{ledger:?}"), before);
}

#[test]
fn tags_begin_at_one_or_later() {
    let refused = Ledger::new().admit(0).unwrap_err();
    assert_eq!(refused.to_string(), "delivery tag 0 where 1 should follow");
    assert_eq!(Ledger::new().admit(1), Ok(()));
    assert_eq!(Ledger::new().admit(u64::MAX), Ok(()));
}

#[test]
fn one_delivery_that_runs_for_ever_costs_no_memory_for_those_that_pass_it() {
    let mut ledger = ledger_of([1]);
    for tag in 2..200_000 {
        ledger.admit(tag).unwrap();
        ledger.finish(tag).unwrap();
        assert_eq!(ledger.next_straggler().map(|ack| ack.tag), Some(tag));
    }
    // Its debug text shows every entry.
    assert!(format!("{ledger:?}").len() < 10_000);
}

#[test]
fn deliveries_that_are_never_acked_alone_cost_no_memory_once_they_are_acked_together() {
    let mut ledger = ledger_of([1]);
    for tag in 1..200_000 {
        ledger.admit(tag + 1).unwrap();
        if tag % 2 == 0 {
            ledger.finish(tag).unwrap();
            ledger.finish(tag - 1).unwrap();
            assert_eq!(ledger.next_ack().map(|ack| ack.count), Some(2));
        }
    }
    assert!(format!("{ledger:?}").len() < 10_000);
}
