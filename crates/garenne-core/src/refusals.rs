//! Whether another channel is worth a try for what the broker refuses.

use std::time::Duration;

use crate::time::Moment;

/// How long refusals are taken as they are before the first new channel.
pub const FIRST_PATIENCE: Duration = Duration::from_secs(2);

/// The longest time from one new channel to the next while refusals go on.
pub const LONGEST_PATIENCE: Duration = Duration::from_secs(30);

/// Without any refusal for this long, the next one is the first again. It is a good deal longer than
/// the pause after which somebody tries again who was refused ([`Backoff`](crate::Backoff), 30 s).
pub const QUIET: Duration = Duration::from_secs(5 * 60);

/// Watches what the broker refuses (nacks) on one channel after the other, and says when to open a
/// new one.
///
/// A refusal is meant for a queue, but it is a channel that is told it, and RabbitMQ keeps what it
/// knows of a queue with the channel. So a channel can go on refusing for a queue that takes
/// messages again, until it is closed. Nothing on the wire tells that from a queue that is full,
/// therefore a new channel is tried, and less and less often while that does not help: when
/// refusals have lasted for 2 s on a channel, then 4 s, up to 30 s on one.
///
/// What the same channel confirms meanwhile says nothing about it: other queues took that.
#[derive(Clone, Debug, Default)]
pub struct Refusals {
    first_here: Option<Moment>,
    last: Option<Moment>,
    renewals: u32,
}

impl Refusals {
    /// A message was refused now; true when a new channel should be tried.
    pub fn refused(&mut self, now: Moment) -> bool {
        let is_news = |last: Moment| now.saturating_since(last) >= QUIET;
        if self.last.is_some_and(is_news) {
            *self = Self::default();
        }
        self.last = Some(now);
        let since = *self.first_here.get_or_insert(now);
        now.saturating_since(since) >= self.patience()
    }

    /// A new channel is open because of refusals.
    pub fn renewed(&mut self) {
        self.renewals = self.renewals.saturating_add(1);
        self.reopened();
    }

    /// A new channel is open for another reason: it has refused nothing yet.
    pub fn reopened(&mut self) {
        self.first_here = None;
    }

    fn patience(&self) -> Duration {
        let factor = 2_u32.saturating_pow(self.renewals);
        FIRST_PATIENCE.saturating_mul(factor).min(LONGEST_PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_origin(Duration::from_secs(seconds))
    }

    /// Refuses once a second for so long, with a new channel whenever one is wanted; returns when
    /// that was.
    fn renewals(refusals: &mut Refusals, seconds: std::ops::Range<u64>) -> Vec<u64> {
        let mut renewals = Vec::new();
        for second in seconds {
            if refusals.refused(at(second)) {
                refusals.renewed();
                renewals.push(second);
            }
        }
        renewals
    }

    #[test]
    fn refusals_that_last_want_a_new_channel_and_less_and_less_often() {
        let renewals = renewals(&mut Refusals::default(), 0..200);
        // A new channel knows nothing until its own first refusal, a second later here.
        assert_eq!(renewals, [2, 7, 16, 33, 64, 95, 126, 157, 188]);
    }

    #[test]
    fn a_refusal_alone_is_taken_as_it_is() {
        let mut refusals = Refusals::default();
        assert!((0..1000).all(|_| !refusals.refused(at(7))));
    }

    #[test]
    fn refusals_far_apart_count_as_lasting() {
        let mut refusals = Refusals::default();
        assert!(!refusals.refused(at(0)));
        assert!(refusals.refused(at(30)), "somebody who tries now and then");
    }

    #[test]
    fn a_channel_that_was_opened_for_another_reason_is_given_its_time() {
        let mut refusals = Refusals::default();
        assert!(!refusals.refused(at(0)));
        refusals.reopened();
        assert!(!refusals.refused(at(2)));
        assert!(refusals.refused(at(4)), "and waits no longer than before");
    }

    #[test]
    fn after_a_long_time_without_refusals_the_next_is_the_first() {
        let mut refusals = Refusals::default();
        assert_eq!(renewals(&mut refusals, 0..60).len(), 4);
        let later = 59 + QUIET.as_secs();
        assert_eq!(renewals(&mut refusals, later..later + 3), [later + 2]);
    }

    #[test]
    fn patience_has_an_end_however_long_it_lasts() {
        let mut refusals = Refusals::default();
        for _ in 0..1000 {
            refusals.renewed();
        }
        assert!(!refusals.refused(at(0)));
        assert!(refusals.refused(at(LONGEST_PATIENCE.as_secs())));
    }
}
