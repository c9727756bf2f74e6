//! Whether to ask a service again that does not answer.

use crate::backoff::Backoff;
use crate::time::Moment;

/// How many requests in a row may stay unanswered before the next request is not sent at all.
pub const MISSES: u32 = 3;

/// Spares the wait for a service that does not answer. After [`MISSES`] misses in a row, no request is sent
/// for the length of a growing pause ([`Backoff::default`]). Then a single request tests whether the service
/// answers again.
///
/// A refusal is an answer too. A miss costs the caller a whole timeout; with hundreds of failing messages,
/// these waits would fill the whole prefetch again and again.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    misses: u32,
    backoff: Backoff,
    closed_until: Option<Moment>,
    is_trying: bool,
}

impl Breaker {
    /// Whether to ask now. A caller that gets `true` must report the result: [`Breaker::answered`] or
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

    /// The service answered, with any answer.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// The service did not answer; `random` is uniform in [0, 1).
    pub fn missed(&mut self, now: Moment, random: f64) {
        self.misses = self.misses.saturating_add(1);
        // Of several requests in progress, the first miss sets the pause; the others bring no newer
        // knowledge.
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
