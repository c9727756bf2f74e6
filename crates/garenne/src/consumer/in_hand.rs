//! The deliveries that a channel's task holds, each with its life.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::settle::Settled;
use super::woken::{Caller, Woken};
use crate::delivery::Meta;

/// Everything that was admitted and is not settled.
///
/// Each delivery has a place, and a place is used again with all that belongs to it, the memory of the
/// life and its waker: as many are made as are ever in hand at once, and none per message. With
/// `FuturesUnordered` a fifth of what a worker does for a message went into that.
pub(super) struct InHand<L> {
    places: Vec<Place<L>>,
    free: Vec<usize>,
    woken: Arc<Woken>,
    /// The places to be polled now, the last one first.
    due: Vec<usize>,
}

struct Place<L> {
    open: Option<Open>,
    life: Pin<Box<Option<L>>>,
    caller: Arc<Caller>,
    waker: Waker,
}

/// One delivery.
pub(super) struct Open {
    pub(super) tag: u64,
    pub(super) meta: Arc<Meta>,
}

impl<L: Future<Output = Settled>> InHand<L> {
    pub(super) fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            woken: Arc::default(),
            due: Vec::new(),
        }
    }

    /// The life begins when the others are moved on next.
    pub(super) fn take(&mut self, open: Open, life: L) {
        let number = self.free.pop().unwrap_or_else(|| self.make_place());
        let place = &mut self.places[number];
        place.open = Some(open);
        place.life.set(Some(life));
        place.waker.wake_by_ref();
    }

    fn make_place(&mut self) -> usize {
        let number = self.places.len();
        let caller = Caller::new(&self.woken, number);
        self.places.push(Place {
            open: None,
            life: Box::pin(None),
            waker: Waker::from(Arc::clone(&caller)),
            caller,
        });
        number
    }

    /// Moves lives on until one has ended. Pending when none has that can be moved; with nothing in
    /// hand, too.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<(Open, Settled)> {
        // What wakes itself while it is polled waits for the next turn of the task, which it wakes.
        let mut has_looked = false;
        loop {
            while let Some(number) = self.due.pop() {
                if let Some(ended) = self.poll_one(number) {
                    return Poll::Ready(ended);
                }
            }
            if has_looked {
                return Poll::Pending;
            }
            self.woken.take(cx.waker(), &mut self.due);
            self.due.reverse();
            has_looked = true;
        }
    }

    fn poll_one(&mut self, number: usize) -> Option<(Open, Settled)> {
        let place = &mut self.places[number];
        place.caller.is_heard();
        let life = place.life.as_mut().as_pin_mut()?;
        let Poll::Ready(settled) = life.poll(&mut Context::from_waker(&place.waker)) else {
            return None;
        };
        place.life.set(None);
        self.free.push(number);
        Some((place.open.take()?, settled))
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn metas(&self) -> impl Iterator<Item = &Arc<Meta>> {
        let open = self.places.iter().filter_map(|place| place.open.as_ref());
        open.map(|open| &open.meta)
    }
}
