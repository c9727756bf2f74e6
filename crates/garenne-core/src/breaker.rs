//! Whether to ask somebody again who has not answered.

use crate::backoff::Backoff;
use crate::time::Moment;

/// How many questions in a row may go unanswered before the next is not asked at all.
pub const MISSES: u32 = 3;

/// Spares the wait for somebody who does not answer: after [`MISSES`] misses in a row, nothing is
/// asked for the length of a growing pause ([`Backoff::default`]), then one question alone tries
/// whether there is an answer again.
///
/// An answer that says no is an answer. A miss costs whoever asked the whole of a timeout; with
/// hundreds of messages failing, that would be their whole prefetch, over and over.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    misses: u32,
    backoff: Backoff,
    closed_until: Option<Moment>,
    is_trying: bool,
}

impl Breaker {
    /// Whether to ask now. Whoever is told to must say how it ended: [`Breaker::answered`] or
    /// [`Breaker::missed`].
    pub fn admits(&mut self, now: Moment) -> bool {
        match self.closed_until {
            None => true,
            Some(until) if now < until || self.is_trying => false,
            Some(_) => {
                self.is_trying = true;
                true
            }
        }
    }

    /// There was an answer, whatever it says.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// There was none; `random` is uniform in [0, 1).
    pub fn missed(&mut self, now: Moment, random: f64) {
        self.misses = self.misses.saturating_add(1);
        // Of the questions that were under way together, the first to be missed sets the pause; the
        // others know nothing newer.
        let is_news = self.closed_until.is_none() || self.is_trying;
        if self.misses >= MISSES && is_news {
            self.closed_until = Some(now + self.backoff.next(random));
            self.is_trying = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_origin(Duration::from_millis(millis))
    }

    fn missed_three_times() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..MISSES {
            assert!(breaker.admits(at(0)));
        }
        for _ in 0..MISSES {
            breaker.missed(at(0), 0.0);
        }
        breaker
    }

    #[test]
    fn after_three_misses_nobody_is_asked_until_the_pause_is_over_and_then_once() {
        let mut breaker = missed_three_times();
        assert!(!breaker.admits(at(499)));
        assert!(breaker.admits(at(500)));
        assert!(!breaker.admits(at(60_000)), "one tries; others need not");
    }

    #[test]
    fn an_answer_opens_the_way_for_everybody() {
        let mut breaker = missed_three_times();
        assert!(breaker.admits(at(500)));
        breaker.answered();
        assert!(breaker.admits(at(501)) && breaker.admits(at(501)));
    }

    #[test]
    fn pauses_grow_while_there_is_no_answer() {
        let mut breaker = missed_three_times();
        assert!(breaker.admits(at(500)));
        breaker.missed(at(10_500), 1.0);
        assert!(!breaker.admits(at(11_999)));
        assert!(breaker.admits(at(12_000)));
        breaker.missed(at(22_000), 1.0);
        assert!(!breaker.admits(at(26_499)));
        assert!(breaker.admits(at(26_500)));
    }

    #[test]
    fn misses_that_were_under_way_together_make_one_pause() {
        let mut breaker = missed_three_times();
        for _ in 0..100 {
            breaker.missed(at(400), 1.0);
        }
        assert!(breaker.admits(at(500)));
    }

    #[test]
    fn a_miss_now_and_then_is_no_reason_to_stop_asking() {
        let mut breaker = Breaker::default();
        for n in 0..100 {
            assert!(breaker.admits(at(n)));
            breaker.missed(at(n), 0.5);
            assert!(breaker.admits(at(n)));
            breaker.answered();
        }
    }
}
