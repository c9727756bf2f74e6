//! The messages in flight on a channel.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::message::{MessageKey, OutageWait, Tracked};
use crate::time::Moment;

/// A message that was published and has no confirm yet.
#[derive(Debug)]
pub(super) struct Unconfirmed<M> {
    pub(super) tracked: Tracked<M>,
    pub(super) published: Moment,
}

impl<M> Unconfirmed<M> {
    /// How long the message has been without a confirm, on this channel and earlier channels, at this [open
    /// time](super::open_time::OpenTime).
    pub(super) fn age(&self, open_time: Duration) -> Duration {
        self.tracked.unconfirmed + open_time.saturating_sub(self.tracked.here_since)
    }

    /// Whether the message may stay unanswered while the broker blocks.
    pub(super) fn may_stay(&self, now: Moment, confirm_timeout: Duration) -> bool {
        let wait = self.tracked.conditions.wait;
        wait == OutageWait::Copy
            || wait.lasts(now)
            || now.saturating_since(self.published) < confirm_timeout
    }
}

/// The messages in flight on a channel, by their numbers: the first message that is published on a channel
/// has the number 1, and confirms name messages by number.
///
/// A message that no queue takes is *returned*, and then confirmed like any other. A return has no number, so
/// it is matched by the message's key: two messages with the same key are never in flight together.
#[derive(Debug)]
pub(super) struct InFlight<M> {
    /// In the order of their numbers; `None` for a message that was confirmed before a message in front of
    /// it.
    messages: VecDeque<Option<Unconfirmed<M>>>,
    /// How many messages were confirmed and have left the front.
    gone: u64,
    /// The broker's texts about returned messages, by the messages' numbers. Nearly always empty.
    returned: Vec<(u64, String)>,
    numbers: HashMap<MessageKey, u64, BuildHasherDefault<AsItIs>>,
}

impl<M> Default for InFlight<M> {
    fn default() -> Self {
        Self {
            messages: VecDeque::new(),
            gone: 0,
            returned: Vec::new(),
            numbers: HashMap::default(),
        }
    }
}

impl<M> InFlight<M> {
    /// A message was published. Returns its number.
    pub(super) fn push(&mut self, message: Unconfirmed<M>) -> u64 {
        let number = self.last() + 1;
        self.numbers.insert(message.tracked.key(), number);
        self.messages.push_back(Some(message));
        number
    }

    /// A message was returned. Its confirm follows.
    pub(super) fn returned(&mut self, key: MessageKey, why: String) {
        let Some(number) = self.numbers.get(&key).copied() else {
            return;
        };
        // Repeated returns of a message must not take more memory.
        match self.returned.iter_mut().find(|(it, _)| *it == number) {
            Some((_, words)) => *words = why,
            None => self.returned.push((number, why)),
        }
    }

    /// The numbers that a confirm may mean, in their order. AMQP's 0 with `multiple` would mean all; no
    /// broker sends it, and garenne believes only certain confirms.
    pub(super) fn numbers(&self, number: u64, multiple: bool) -> RangeInclusive<u64> {
        let first = if multiple { self.gone + 1 } else { number };
        first..=number.min(self.last())
    }

    /// Takes out the message with this number, with the broker's text if it was returned. `None` for a number
    /// that was not published, or was confirmed before.
    pub(super) fn take(&mut self, number: u64) -> Option<(Unconfirmed<M>, Option<String>)> {
        let message = self.place(number)?.take()?;
        self.numbers.remove(&message.tracked.key());
        let returned = self.returned.iter().position(|(it, _)| *it == number);
        let returned = returned.map(|place| self.returned.swap_remove(place).1);
        while let Some(None) = self.messages.front() {
            self.messages.pop_front();
            self.gone += 1;
        }
        Some((message, returned))
    }

    /// The last number that was given.
    fn last(&self) -> u64 {
        self.gone + self.messages.len() as u64
    }

    fn place(&mut self, number: u64) -> Option<&mut Option<Unconfirmed<M>>> {
        let index = number.checked_sub(self.gone + 1)?;
        self.messages.get_mut(usize::try_from(index).ok()?)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Unconfirmed<M>> {
        self.place(number)?.as_mut()
    }

    pub(super) fn contains(&self, key: MessageKey) -> bool {
        self.numbers.contains_key(&key)
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Unconfirmed<M>> {
        self.messages.iter().flatten()
    }

    /// All messages with their numbers, in that order.
    pub(super) fn numbered_mut(&mut self) -> impl Iterator<Item = (u64, &mut Unconfirmed<M>)> {
        let numbers = self.gone + 1..;
        let messages = numbers.zip(self.messages.iter_mut());
        messages.filter_map(|(number, message)| Some((number, message.as_mut()?)))
    }

    /// All messages, in the order in which they were published.
    pub(super) fn into_all(self) -> impl Iterator<Item = Unconfirmed<M>> {
        self.messages.into_iter().flatten()
    }
}

/// A key is a hash already.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Conditions;
    use super::*;

    fn message(key: MessageKey) -> Unconfirmed<()> {
        let conditions = Conditions {
            key,
            wait: OutageWait::Copy,
            since: Moment::default(),
        };
        Unconfirmed {
            tracked: Tracked::new((), conditions),
            published: Moment::default(),
        }
    }

    /// `count` messages in flight, with their numbers as keys.
    fn in_flight(count: u64) -> InFlight<()> {
        let mut in_flight = InFlight::default();
        for key in 1..=count {
            assert_eq!(in_flight.push(message(key)), key);
        }
        in_flight
    }

    fn confirmed(in_flight: &mut InFlight<()>, number: u64, multiple: bool) -> Vec<MessageKey> {
        let numbers = in_flight.numbers(number, multiple);
        let taken = numbers.filter_map(|number| in_flight.take(number));
        taken.map(|(it, _)| it.tracked.key()).collect()
    }

    #[test]
    fn a_confirm_means_one_message_or_all_up_to_it() {
        let mut in_flight = in_flight(6);
        assert_eq!(confirmed(&mut in_flight, 3, false), [3]);
        assert_eq!(confirmed(&mut in_flight, 4, true), [1, 2, 4]);
        in_flight.push(message(7));
        assert_eq!(confirmed(&mut in_flight, 7, false), [7]);
        assert_eq!(in_flight.len(), 2);
        assert!(confirmed(&mut in_flight, 0, true).is_empty());
        assert_eq!(confirmed(&mut in_flight, 7, true), [5, 6]);
        assert!(in_flight.is_empty());
    }

    #[test]
    fn a_confirm_of_what_was_never_published_or_was_confirmed_before_means_nothing() {
        let mut in_flight = in_flight(2);
        assert!(confirmed(&mut in_flight, 3, false).is_empty());
        assert!(confirmed(&mut in_flight, 0, false).is_empty());
        assert!(confirmed(&mut in_flight, u64::MAX, false).is_empty());
        assert_eq!(confirmed(&mut in_flight, 1, false), [1]);
        assert!(confirmed(&mut in_flight, 1, false).is_empty());
        assert_eq!(confirmed(&mut in_flight, u64::MAX, true), [2]);
    }

    #[test]
    fn a_return_is_the_messages_whose_confirm_follows() {
        let mut in_flight = in_flight(3);
        for _ in 0..1000 {
            in_flight.returned(2, "NO_ROUTE".to_owned());
        }
        assert_eq!(in_flight.returned.len(), 1);
        in_flight.returned(9, "another channel's".to_owned());
        let taken = (1..=3).filter_map(|number| in_flight.take(number));
        let returned: Vec<_> = taken.map(|(_, why)| why.is_some()).collect();
        assert_eq!(returned, [false, true, false]);
    }

    #[test]
    fn what_is_left_comes_in_the_order_of_publishing() {
        let mut in_flight = in_flight(4);
        confirmed(&mut in_flight, 2, false);
        assert!(!in_flight.contains(2) && in_flight.contains(3));
        let keys: Vec<_> = in_flight.into_all().map(|it| it.tracked.key()).collect();
        assert_eq!(keys, [1, 3, 4]);
    }
}
