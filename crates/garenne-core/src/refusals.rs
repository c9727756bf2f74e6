//! Whether to try another channel when the broker refuses messages.

use std::time::Duration;

use crate::time::Moment;

/// How long refusals must last before the first new channel.
pub const FIRST_PATIENCE: Duration = Duration::from_secs(2);

/// The longest time from one new channel to the next while refusals go on.
pub const LONGEST_PATIENCE: Duration = Duration::from_secs(30);

/// After this long without any refusal, the next refusal counts as the first. It is much longer than the
/// longest pause ([`Backoff`](crate::Backoff), 30 s) before a refused message is tried again.
pub const QUIET: Duration = Duration::from_secs(5 * 60);

/// Watches the refusals (nacks) of the broker on each channel in turn, and decides when to open a new
/// channel.
///
/// A refusal concerns a queue, but it comes over a channel, and RabbitMQ keeps the state of a queue with the
/// channel. So a channel may go on refusing messages for a queue that takes messages again, until the channel
/// is closed. On the wire this looks like a full queue. Therefore a new channel is tried, less and less often
/// while that does not help: when refusals have lasted for 2 s on a channel, then 4 s, up to 30 s on a single
/// channel.
///
/// Confirms on the same channel meanwhile prove nothing about it, because they come from other queues.
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

    /// A new channel is open, because of refusals.
    pub fn renewed(&mut self) {
        self.renewals = self.renewals.saturating_add(1);
        self.reopened();
    }

    /// A new channel is open for another reason: it has refused no message yet.
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

    /// Is refused once in each of these seconds, with a new channel whenever `refusals` asks for it; returns
    /// the seconds of the new channels.
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
        // A new channel counts from its own first refusal, which here comes a second later.
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
