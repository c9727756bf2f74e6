//! One open confirm channel.

use std::collections::VecDeque;
use std::time::Duration;

use super::in_flight::{InFlight, Unconfirmed};
use super::message::{Publishable, Tracked};
use super::suspects::Suspects;
use crate::time::Moment;

/// How many messages are in flight at once. Confirms come in batches: more gains nothing.
pub const WINDOW: usize = 256;

/// How long a suspect waits until nothing else is in flight on the link. After that it is published all the
/// same; if the link ends while others are in flight, that does not count against it.
pub const WAIT_TO_BE_ALONE: Duration = Duration::from_secs(2);

/// What [`Publishing`](super::Publishing) asks about the link of its channel, which other channels share,
/// and tells it. Dropping it gives the link back, and takes what was in flight off its count.
pub trait SharedLink {
    /// A message of this channel is in flight.
    fn starts(&mut self);

    /// A message of this channel was confirmed.
    fn ends(&mut self);

    /// How many messages are in flight on the link, over all of its channels; after the link's end: how
    /// many were.
    fn in_flight(&self) -> usize;

    /// Asks to be the only channel that publishes. Returns whether it is now: the others publish nothing
    /// any more, and what they have in flight is confirmed sooner or later.
    fn ask(&mut self) -> bool;

    /// Takes that back.
    fn release(&mut self);

    /// Whether no other channel has asked.
    fn is_free(&self) -> bool;

    /// Whether a reply is awaited that could come over this channel only.
    fn awaits_replies(&self) -> bool;
}

/// One open confirm channel.
#[derive(Debug)]
pub(super) struct Channel<M, L> {
    pub(super) in_flight: InFlight<M>,
    pub(super) link: L,
    /// Since when the link is asked for, for a suspect.
    asked: Option<Moment>,
    /// The channel takes nothing any more.
    pub(super) is_shut: bool,
    /// What was published before goes first, at most until then: the next message may break this channel
    /// too. Else somebody who keeps sending such messages would have the others stored again and again, and
    /// never confirmed.
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

    /// Whether what is in flight must stay alone.
    pub(super) fn must_stay_alone(&self, suspects: &Suspects) -> bool {
        let must =
            |it: &Unconfirmed<M>| it.tracked.is_last_try() || suspects.contains(it.tracked.key());
        self.in_flight.len() == 1 && self.in_flight.iter().all(must)
    }

    /// Whether there was one message in flight on the whole link, this channel's.
    pub(super) fn was_alone(&self) -> bool {
        self.in_flight.len() == 1 && self.link.in_flight() == 1
    }

    /// The place of the message whose turn it is, if one may be published: the first whose key is free. In
    /// nearly every case that is the first.
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

    /// Whether what was published on another channel before is not confirmed yet.
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

    /// Whether the link is ours for a suspect, if there is one. Without one nothing is asked.
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
