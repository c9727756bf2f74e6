//! What a confirm channel has in hand: messages in line, and messages in flight.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::time::{Duration, Instant};

use garenne_core::reader::Returned;
use garenne_core::wire::PropertyList;

use super::gate::Gate;
use super::job::{AsItIs, Key, KeyMaker};
use super::{Job, Patience, PublishError};

/// A message in line.
pub(super) struct Held {
    pub(super) job: Box<Job>,
    pub(super) key: Key,
    /// When it came, in time that passed while the broker did not block us.
    pub(super) since_open: Duration,
}

/// A message that was published, and not confirmed.
pub(super) struct Flight {
    pub(super) job: Box<Job>,
    pub(super) key: Key,
    pub(super) started: Instant,
    /// When it was published, in time that passed while the broker did not block us.
    pub(super) started_open: Duration,
    /// The broker's words with which it came back.
    pub(super) returned: Option<String>,
}

/// The messages in flight on one channel, by their numbers: the first message that is published on a
/// channel has the number 1, and confirms name messages by it.
///
/// A message that no queue takes is *returned*, and then confirmed like any other. A return names no
/// number, so it is matched by message id, exchange and routing key: two messages with the same three
/// are never in flight together.
#[derive(Default)]
pub(super) struct Flights {
    /// In the order of their numbers; `None` where one has landed before those in front of it.
    flights: VecDeque<Option<Flight>>,
    /// How many have landed and left the front.
    gone: u64,
    numbers: HashMap<Key, u64, BuildHasherDefault<AsItIs>>,
}

impl Flights {
    /// A message was published.
    pub(super) fn push(&mut self, flight: Flight) {
        let number = self.gone + self.flights.len() as u64 + 1;
        self.numbers.insert(flight.key, number);
        self.flights.push_back(Some(flight));
    }

    /// A message came back. Its confirm follows.
    pub(super) fn returned(&mut self, key: Key, why: String) {
        let number = self.numbers.get(&key).copied();
        let place = number.and_then(|number| self.place(number));
        if let Some(Some(flight)) = place {
            flight.returned = Some(why);
        }
    }

    /// Takes out the messages that a confirm means, in their order. Numbers that were not published, or
    /// were confirmed before, mean none.
    pub(super) fn confirmed(&mut self, tag: u64, multiple: bool, mut landed: impl FnMut(Flight)) {
        let numbers = if multiple {
            // AMQP's 0 would mean all. No broker says it, and nothing is believed that is not certain.
            let last = self.gone + self.flights.len() as u64;
            self.gone + 1..=tag.min(last)
        } else {
            tag..=tag
        };
        for number in numbers {
            if let Some(flight) = self.place(number).and_then(Option::take) {
                self.numbers.remove(&flight.key);
                landed(flight);
            }
        }
        while let Some(None) = self.flights.front() {
            self.flights.pop_front();
            self.gone += 1;
        }
    }

    fn place(&mut self, number: u64) -> Option<&mut Option<Flight>> {
        let index = number.checked_sub(self.gone + 1)?;
        self.flights.get_mut(usize::try_from(index).ok()?)
    }

    pub(super) fn contains(&self, key: Key) -> bool {
        self.numbers.contains_key(&key)
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Flight> {
        self.flights.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Flight> {
        self.flights.iter_mut().flatten()
    }

    /// All of them, in the order in which they were published.
    pub(super) fn into_all(self) -> impl Iterator<Item = Flight> {
        self.flights.into_iter().flatten()
    }
}

impl Flight {
    /// The broker has confirmed it. Answers whoever waits.
    pub(super) fn land(mut self, taken: bool) {
        let result = match self.returned {
            Some(reason) => Err(PublishError::Unroutable {
                exchange: self.job.exchange.clone(),
                routing_key: self.job.routing_key.clone(),
                reason,
            }),
            None if taken => Ok(()),
            None => Err(PublishError::Nacked),
        };
        self.job.answer(result);
    }

    /// Answers that it was not confirmed in time. It stays in flight.
    pub(super) fn refuse(&mut self, gate: &Gate, patience: Duration) {
        let refusal = self.job.refusal(gate, patience);
        self.job.answer_aloft(Err(refusal));
    }

    pub(super) fn is_late(&self, open_time: Duration, patience: Duration) -> bool {
        self.job.aloft + open_time.saturating_sub(self.started_open) >= patience
    }

    /// Whether it may stay unanswered while the broker blocks.
    pub(super) fn may_stay(&self, now: Instant, patience: Duration) -> bool {
        self.job.patience == Patience::Copy
            || self.job.patience.lasts(now)
            || now.saturating_duration_since(self.started) < patience
    }
}

impl Held {
    pub(super) fn new(job: Box<Job>, keys: &KeyMaker, since_open: Duration) -> Self {
        Self {
            key: keys.of_job(&job),
            job,
            since_open,
        }
    }

    /// Whether it may stay in line.
    pub(super) fn may_wait(
        &self,
        now: Instant,
        open_time: Duration,
        gate: &Gate,
        patience: Duration,
    ) -> bool {
        match self.job.patience {
            Patience::Copy => open_time.saturating_sub(self.since_open) < patience,
            Patience::FailFast if gate.is_closed() => false,
            _ if gate.is_closed() => self.job.patience.lasts(now),
            _ => {
                self.job.patience.lasts(now) || open_time.saturating_sub(self.since_open) < patience
            }
        }
    }
}

/// Which message was returned, and why.
pub(super) fn return_of(returned: &Returned, keys: &KeyMaker) -> (Key, String) {
    let id = PropertyList::new(returned.properties()).message_id();
    let key = keys.of(
        id.unwrap_or_default(),
        returned.exchange(),
        returned.routing_key(),
    );
    (key, returned.text.clone())
}

#[cfg(test)]
mod tests {
    use garenne_core::Properties;

    use super::*;
    use crate::Bytes;

    fn flight(key: Key) -> Flight {
        let properties = Properties::default();
        let job = Job::new("", "q", properties, Bytes::new(), Patience::Copy);
        Flight {
            job: Box::new(job),
            key,
            started: Instant::now(),
            started_open: Duration::ZERO,
            returned: None,
        }
    }

    /// As many as asked for, with their numbers for keys.
    fn flights(count: u64) -> Flights {
        let mut flights = Flights::default();
        for key in 1..=count {
            flights.push(flight(key));
        }
        flights
    }

    fn confirmed(flights: &mut Flights, tag: u64, multiple: bool) -> Vec<Key> {
        let mut landed = Vec::new();
        flights.confirmed(tag, multiple, |flight| landed.push(flight.key));
        landed
    }

    #[test]
    fn a_confirm_means_one_message_or_all_up_to_it() {
        let mut flights = flights(6);
        assert_eq!(confirmed(&mut flights, 3, false), [3]);
        assert_eq!(confirmed(&mut flights, 4, true), [1, 2, 4]);
        flights.push(flight(7));
        assert_eq!(confirmed(&mut flights, 7, false), [7]);
        assert_eq!(flights.len(), 2);
        assert!(confirmed(&mut flights, 0, true).is_empty());
        assert_eq!(confirmed(&mut flights, 7, true), [5, 6]);
        assert!(flights.is_empty());
    }

    #[test]
    fn a_confirm_of_what_was_never_published_or_was_confirmed_before_means_nothing() {
        let mut flights = flights(2);
        assert!(confirmed(&mut flights, 3, false).is_empty());
        assert!(confirmed(&mut flights, 0, false).is_empty());
        assert!(confirmed(&mut flights, u64::MAX, false).is_empty());
        assert_eq!(confirmed(&mut flights, 1, false), [1]);
        assert!(confirmed(&mut flights, 1, false).is_empty());
        assert_eq!(confirmed(&mut flights, u64::MAX, true), [2]);
    }

    #[test]
    fn a_return_is_the_messages_whose_confirm_follows() {
        let mut flights = flights(3);
        flights.returned(2, "NO_ROUTE".to_owned());
        flights.returned(9, "another channel's".to_owned());
        let mut returned = Vec::new();
        flights.confirmed(3, true, |flight| returned.push(flight.returned.is_some()));
        assert_eq!(returned, [false, true, false]);
    }

    #[test]
    fn what_is_left_comes_in_the_order_of_publishing() {
        let mut flights = flights(4);
        confirmed(&mut flights, 2, false);
        assert!(!flights.contains(2) && flights.contains(3));
        let keys: Vec<_> = flights.into_all().map(|flight| flight.key).collect();
        assert_eq!(keys, [1, 3, 4]);
    }
}
