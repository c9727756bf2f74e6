//! A link that is lost right after each subscription, in time that costs nothing.

use std::time::Duration;

use garenne_core::{
    Backoff, DurationExt, GaveUp, Moment, Next, Outage, OutageWindow, STABLE_AFTER,
};
use proptest::prelude::*;

const FLOOR: Duration = Duration::from_millis(500);
const CEILING: Duration = Duration::from_secs(30);

/// What became of a loop: each pause, and the end.
#[derive(Debug)]
struct Loop {
    pauses: Vec<Duration>,
    end: GaveUp,
}

/// Plays it as the supervisor does: stable at first, then every link is lost `lasts` after it was made.
fn play(window: Duration, lasts: Duration, mut random: impl FnMut() -> f64) -> Loop {
    let mut now = Moment::default();
    let mut outage = Outage::starting(OutageWindow::For(window), STABLE_AFTER, now);
    let (mut backoff, mut pauses) = (Backoff::default(), Vec::new());
    outage.consuming(now);
    assert!(outage.progress(now).is_some());
    loop {
        now = now + lasts;
        outage.lost(now, "lost");
        let since = outage.summary().unwrap().since;
        let pause = backoff.next_within(random(), now.saturating_since(since));
        match outage.attempt_failed(now, "lost", pause) {
            Next::RetryAfter(pause) => {
                pauses.push(pause);
                now = now + pause;
                outage.consuming(now);
            }
            Next::GiveUp(end) => return Loop { pauses, end },
        }
    }
}

#[test]
fn pauses_grow_from_a_second_to_thirty() {
    let played = play(600.secs(), 10.millis(), || 0.5);
    let last = played.pauses.len() - 1;
    assert!(played.pauses[..last].is_sorted(), "{played:?}");
    assert_eq!(played.pauses[0], 1.secs());
    assert_eq!(played.pauses[last - 1], CEILING, "{played:?}");
    assert!(last < 40, "{played:?}");
}

proptest! {
    #[test]
    fn every_pause_is_long_enough_and_the_whole_loop_is_one_outage(
        window in 5_u64..900,
        lasts in 0_u64..9_000,
        randoms in prop::collection::vec(0.0..1.0_f64, 1..50),
    ) {
        let mut randoms = randoms.into_iter().cycle();
        let played = play(window.secs(), lasts.millis(), || randoms.next().unwrap());
        let (last, others) = played.pauses.split_last().unwrap();
        prop_assert!(others.iter().all(|pause| (FLOOR..=CEILING).contains(pause)), "{:?}", played);
        prop_assert!(*last <= CEILING, "{:?}", played);
        prop_assert!(played.end.lasted >= window.secs(), "{:?}", played);
        // The end is one more loss, and one more attempt that failed.
        let times = u32::try_from(played.pauses.len()).unwrap() + 1;
        prop_assert_eq!((played.end.losses, played.end.attempts), (times, times));
    }
}
