//! A message that kills the process, and what becomes of its neighbours.

use std::collections::VecDeque;

use garenne_core::{Caution, DELIVERY_LIMIT};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Message {
    kills: bool,
    /// How many times it came back unsettled.
    returns: u32,
}

/// A quorum queue with one worker, started again whenever it died.
///
/// It is the worst case for the innocent: a process dies the moment it holds a killer, before it
/// has finished anything that it holds beside it.
#[derive(Debug, Default)]
struct Scene {
    queue: VecDeque<Message>,
    parked: Vec<Message>,
    most_returns_of_the_innocent: u32,
    starts: u32,
}

impl Scene {
    fn new(length: usize, killers: &[usize]) -> Self {
        let message = |place| Message {
            kills: killers.contains(&place),
            returns: 0,
        };
        Self {
            queue: (0..length).map(message).collect(),
            ..Self::default()
        }
    }

    fn play(mut self, full: u16) -> Self {
        while !self.queue.is_empty() {
            self.run_process(Caution::new(full));
            self.starts += 1;
        }
        self
    }

    /// Handles messages until the queue is empty or a killer is held.
    fn run_process(&mut self, mut caution: Caution) {
        let mut held = VecDeque::new();
        let mut doomed = false;
        loop {
            while held.len() < usize::from(caution.prefetch())
                && let Some(message) = self.queue.pop_front()
            {
                caution.delivered(message.returns > 0);
                doomed |= message.kills;
                held.push_back(message);
            }
            if doomed {
                return self.give_back(held);
            }
            let Some(handled) = held.pop_front() else {
                return;
            };
            caution.succeeded(handled.returns > 0);
        }
    }

    /// What a dead process held goes back to its place, but for what is over the delivery limit.
    fn give_back(&mut self, held: VecDeque<Message>) {
        for mut message in held.into_iter().rev() {
            message.returns += 1;
            if !message.kills {
                let most = &mut self.most_returns_of_the_innocent;
                *most = message.returns.max(*most);
            }
            if message.returns > DELIVERY_LIMIT {
                self.parked.push(message);
            } else {
                self.queue.push_front(message);
            }
        }
    }
}

#[test]
fn a_killer_anywhere_in_the_window_is_parked_and_its_neighbours_are_counted_at_most_nine_times() {
    for full in [1_u16, 2, 10, 11, 64, 95, 100, 250, 1000] {
        for place in (0..usize::from(full)).step_by(usize::from(full / 50).max(1)) {
            let scene = Scene::new(usize::from(full) * 3, &[place]).play(full);
            assert_eq!(scene.parked.len(), 1, "prefetch {full}, killer at {place}");
            assert!(scene.parked[0].kills);
            let most = scene.most_returns_of_the_innocent;
            assert!(
                most <= 9,
                "prefetch {full}, killer at {place}: {most} returns"
            );
        }
    }
}

proptest! {
    #[test]
    fn however_many_messages_kill_only_they_reach_the_delivery_limit(
        full in 1_u16..300,
        killers in prop::collection::btree_set(0_usize..600, 0..20),
    ) {
        let killers: Vec<_> = killers.into_iter().collect();
        let scene = Scene::new(600, &killers).play(full);
        prop_assert_eq!(scene.parked.len(), killers.len());
        prop_assert!(scene.parked.iter().all(|message| message.kills));
        prop_assert!(scene.most_returns_of_the_innocent <= 9, "{:?}", scene);
    }
}

#[test]
fn a_cautious_worker_holds_one_delivery() {
    let mut caution = Caution::new(100);
    assert_eq!(caution.prefetch(), 1);
    assert_eq!(caution.delivered(true), None);
    assert_eq!(caution.prefetch(), 1);
}

#[test]
fn the_first_delivery_that_is_new_ends_the_caution_once() {
    let mut caution = Caution::new(100);
    assert_eq!(caution.delivered(false), Some(100));
    assert_eq!(caution.prefetch(), 100);
    assert_eq!(caution.delivered(false), None);
    assert_eq!(caution.succeeded(true), None);
}

#[test]
fn an_eighth_of_the_window_survived_ends_the_caution_and_never_less_than_ten() {
    for (full, needed) in [(1000_u16, 125), (100, 12), (80, 10), (16, 10)] {
        let mut caution = Caution::new(full);
        let survived = (1..).find(|_| caution.succeeded(true) == Some(full));
        assert_eq!(survived, Some(needed), "prefetch {full}");
        assert_eq!(caution.succeeded(true), None);
    }
}

#[test]
fn a_worker_without_caution_has_its_full_prefetch_from_the_start() {
    let mut caution = Caution::off(100);
    assert_eq!(caution.prefetch(), 100);
    assert_eq!(caution.delivered(false), None);
}

#[test]
fn a_prefetch_of_zero_never_reaches_the_broker() {
    assert_eq!(Caution::off(0).prefetch(), 1);
}
