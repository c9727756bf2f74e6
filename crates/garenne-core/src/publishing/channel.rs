//! An open confirm channel.

use std::collections::VecDeque;
use std::time::Duration;

use super::in_flight::{InFlight, Unconfirmed};
use super::message::{Publishable, Tracked};
use super::suspects::Suspects;
use crate::time::Moment;

/// The most messages in flight at once. Confirms come in batches, so a larger window gains nothing.
pub const WINDOW: usize = 256;

/// How long a suspect waits until no other message is in flight on the link. After that it is published all
/// the same; if the link ends while others are in flight, that does not count against the suspect.
pub const WAIT_TO_BE_ALONE: Duration = Duration::from_secs(2);

/// The link of a channel, which other channels share, as [`Publishing`](super::Publishing) uses it. Dropping
/// it gives the link back, and subtracts the channel's messages from the number in flight.
pub trait SharedLink {
    /// A message of this channel is in flight.
    fn starts(&mut self);

    /// A message of this channel was confirmed.
    fn ends(&mut self);

    /// How many messages are in flight on the link, over all of its channels. After the link's end: the last
    /// number.
    fn in_flight(&self) -> usize;

    /// Asks to be the only channel that publishes. Returns whether it is now. If so, the other channels
    /// publish no more, and their messages in flight are confirmed in time.
    fn ask(&mut self) -> bool;

    /// Takes the request back.
    fn release(&mut self);

    /// Whether no other channel has asked.
    fn is_free(&self) -> bool;

    /// Whether a reply is awaited that could only come over this channel.
    fn awaits_replies(&self) -> bool;
}

/// An open confirm channel.
#[derive(Debug)]
pub(super) struct Channel<M, L> {
    pub(super) in_flight: InFlight<M>,
    pub(super) link: L,
    /// Since when the channel has asked for the link, for a suspect.
    asked: Option<Moment>,
    /// The channel takes no more messages.
    pub(super) is_shut: bool,
    /// Messages that were published before go first, at most until this moment, because the next message may
    /// break this channel too. Otherwise, if a sender keeps breaking channels, the other messages would be
    /// stored again and again, and never confirmed.
    resends_until: Option<Moment>,
}

impl<M: Publishable, L: SharedLink> Channel<M, L> {
    pub(super) fn new(link: L, resends_until: Option<Moment>) -> Self {
        Self {
            in_flight: InFlight::default(),
            link,
            asked: None,
            is_shut: false,
            resends_until,
        }
    }

    pub(super) fn has_room(&self, suspects: &Suspects) -> bool {
        !self.is_shut && self.in_flight.len() < WINDOW && !self.must_stay_alone(suspects)
    }

    /// Whether the message in flight must stay alone.
    pub(super) fn must_stay_alone(&self, suspects: &Suspects) -> bool {
        let must =
            |it: &Unconfirmed<M>| it.tracked.is_last_try() || suspects.contains(it.tracked.key());
        self.in_flight.len() == 1 && self.in_flight.iter().all(must)
    }

    /// Whether a single message was in flight on the whole link, and it was this channel's.
    pub(super) fn was_alone(&self) -> bool {
        self.in_flight.len() == 1 && self.link.in_flight() == 1
    }

    /// The place of the message whose turn it is, if a message may be published: the first whose key is free.
    /// Nearly always the first message.
    pub(super) fn next_of(
        &mut self,
        backlog: &VecDeque<Tracked<M>>,
        suspects: &Suspects,
        now: Moment,
    ) -> Option<usize> {
        if backlog.is_empty() && self.asked.is_none() {
            return None;
        }
        let resends = self.resends(backlog, now);
        let may_try_a_suspect = self.may_try_a_suspect(backlog, suspects, now);
        let is_free = self.asked.is_none() && self.link.is_free();
        let may_start = |it: &Tracked<M>| {
            (it.sent || !resends)
                && !self.in_flight.contains(it.key())
                && (self.in_flight.is_empty() || !it.is_next_try_the_last())
                && if suspects.contains(it.key()) {
                    may_try_a_suspect
                } else {
                    is_free
                }
        };
        backlog.iter().take(WINDOW).position(may_start)
    }

    /// Whether messages that were published on another channel before are not confirmed yet.
    fn resends(&mut self, backlog: &VecDeque<Tracked<M>>, now: Moment) -> bool {
        let Some(until) = self.resends_until else {
            return false;
        };
        let is_done = self.in_flight.is_empty() && !backlog.iter().any(|it| it.sent);
        if is_done || now >= until {
            self.resends_until = None;
        }
        self.resends_until.is_some()
    }

    /// Whether the link is reserved for a suspect of this channel. Without a suspect, the link is not asked
    /// for.
    fn may_try_a_suspect(
        &mut self,
        backlog: &VecDeque<Tracked<M>>,
        suspects: &Suspects,
        now: Moment,
    ) -> bool {
        if !self.has_a_suspect(backlog, suspects) {
            if self.asked.take().is_some() {
                self.link.release();
            }
            return false;
        }
        if !self.link.ask() {
            return false;
        }
        let since = *self.asked.get_or_insert(now);
        let is_late = now.saturating_since(since) >= WAIT_TO_BE_ALONE;
        self.in_flight.is_empty() && (self.link.in_flight() == 0 || is_late)
    }

    /// Whether a suspect is in flight, or among the next to be published.
    fn has_a_suspect(&self, backlog: &VecDeque<Tracked<M>>, suspects: &Suspects) -> bool {
        if suspects.are_none() {
            return false;
        }
        let in_flight = self.in_flight.iter().map(|it| it.tracked.key());
        let next = backlog.iter().take(WINDOW).map(Tracked::key);
        in_flight.chain(next).any(|key| suspects.contains(key))
    }
}
