//! The messages in the air: handed to the channel, and not confirmed.

use std::task::{Context, Poll};

use super::flight::FlightId;
use crate::futures::{Futures, Next};
use crate::link::{Bell, Gently, Link};

pub(super) struct Air<F> {
    flights: Futures<FlightId, F>,
    bell: Bell,
    /// How they are waited for.
    gently: Gently,
    /// One has come that the link's I/O thread was not called for.
    has_taken_off: bool,
}

impl<F: Future> Air<F> {
    pub(super) fn new(link: &Link) -> Self {
        Self {
            flights: Futures::new(),
            bell: link.bell(),
            gently: link.gently(),
            has_taken_off: false,
        }
    }

    pub(super) fn push(&mut self, id: FlightId, flying: F) {
        self.flights.push(id, flying);
        self.has_taken_off = true;
    }

    /// See [`Futures::mark`].
    pub(super) fn mark(&mut self) {
        self.flights.mark();
    }

    /// Hands over to the channel what has come, and sees what has landed.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next<FlightId, F::Output>> {
        let next = self.gently.poll(cx, |cx| self.flights.poll_next(cx));
        if next.is_pending() && std::mem::take(&mut self.has_taken_off) {
            self.bell.ring();
        }
        next
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }
}
