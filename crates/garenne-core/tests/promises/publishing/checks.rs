//! What must be true of every step.

use garenne_core::publishing::{Answer, Gate, MAX_TRIES, OutageWait, WAIT_TO_BE_ALONE};

use super::books::Record;
use super::scene::{Scene, TIMEOUT};

impl Scene {
    /// Whether it may be published now.
    pub(super) fn check_publish(&self, id: usize) {
        let record = &self.records[id];
        assert!(self.has_channel && !self.blocked, "nobody takes it");
        assert!(record.is_wanted.get(), "nobody waits for {id}");
        assert!(record.answer.is_none(), "{id} is answered already");
        let is_suspect = |key| self.suspects.contains_key(&key);
        for other in self.unconfirmed.values().map(|id| &self.records[*id]) {
            assert_ne!(other.key, record.key, "two with one key are in flight");
            let is_alone =
                self.unconfirmed.len() == 1 && (other.tries >= MAX_TRIES || is_suspect(other.key));
            assert!(!is_alone, "{other:?} must be alone");
        }
        assert_eq!(self.leaves_at, None, "the channel is about to be left");
        let (first, until) = &self.goes_first;
        if !record.sent && self.now < *until {
            let waits = |id: &&usize| {
                let first = &self.records[**id];
                first.answer.is_none() && first.is_wanted.get()
            };
            assert_eq!(first.iter().find(waits), None, "goes before {id}");
        }
        if record.tries + 1 >= MAX_TRIES {
            assert!(self.unconfirmed.is_empty(), "the last try is made alone");
        }
        assert!(!self.link.other_asked.get(), "the link is another's");
        if is_suspect(record.key) {
            assert!(self.unconfirmed.is_empty(), "a suspect is not alone");
            let asked = self.link.asked.get().unwrap();
            let waited = self.now.saturating_since(asked);
            assert!(self.link.others.get() == 0 || waited >= WAIT_TO_BE_ALONE);
        } else {
            assert_eq!(self.link.asked.get(), None, "the link is a suspect's");
        }
    }

    /// Those who send are told what is new, and not of a loss that one of our messages caused.
    pub(super) fn check_announcement(&self, gate: &Gate) {
        assert_ne!(*gate, self.announced, "it is news");
        let in_grace = !self.has_channel && self.now < self.grace_until;
        assert!(!in_grace, "{gate:?} is told in grace");
    }

    /// Whoever waits for a confirm that is late is told so.
    pub(super) fn check_no_confirm_is_late(&self) {
        for it in self.unconfirmed.values().map(|id| &self.records[*id]) {
            let age = self.open_time - it.here_since + it.unconfirmed;
            assert!(it.answer.is_some() || age < TIMEOUT, "{it:?} is late");
        }
    }

    pub(super) fn check_answer(&self, it: &Record, answer: &Answer) {
        let is_named = self.ending.names == Some(it.exchange);
        let open_here = self.open_time - it.here_since;
        let is_true = match answer {
            Answer::Confirmed => it.confirm == Some(true) && !it.returned,
            Answer::Nacked => it.confirm == Some(false) && !it.returned,
            Answer::Unroutable(_) => (it.confirm.is_some() && it.returned) || is_named,
            Answer::Refused(_) => it.tries >= MAX_TRIES && !is_named,
            Answer::TooLarge(_) => false,
            Answer::EndsLinks(_) => self.suspects.get(&it.key).is_some_and(|count| *count >= 2),
            Answer::NotTaken { gate, sent } => {
                *sent == it.sent
                    && match gate {
                        Gate::Open if !self.has_channel => {
                            self.now.saturating_since(it.since) >= TIMEOUT
                        }
                        Gate::Open => open_here + it.unconfirmed >= TIMEOUT,
                        Gate::Blocked(_) => self.blocked && self.may_be_given_up(it),
                        Gate::Down(_) => self.link.is_down.get() && self.may_be_given_up(it),
                    }
            }
        };
        assert!(is_true, "{answer:?} to {it:?} at {:?}", self.now);
    }

    /// Whether the patience of a message with a broker that takes nothing may be over.
    fn may_be_given_up(&self, it: &Record) -> bool {
        match it.wait {
            OutageWait::Copy => !self.has_channel || self.open_time - it.here_since >= TIMEOUT,
            OutageWait::FailFast => self.blocked || self.now >= self.grace_until,
            OutageWait::Until(until) => self.now >= until,
        }
    }
}
