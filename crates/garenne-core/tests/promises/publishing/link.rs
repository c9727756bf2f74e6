//! A link that the channel under test shares with others.

use std::cell::Cell;
use std::rc::Rc;

use garenne_core::Moment;
use garenne_core::publishing::SharedLink;

/// What is known about one link.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) is_down: Cell<bool>,
    /// How many messages of the channel under test are in flight.
    pub(super) own: Cell<usize>,
    /// How many messages of other channels are.
    pub(super) others: Cell<usize>,
    /// Since when the channel under test asks to be the only one.
    pub(super) asked: Cell<Option<Moment>>,
    /// Another channel has asked.
    pub(super) other_asked: Cell<bool>,
    pub(super) awaits_replies: Cell<bool>,
    pub(super) now: Cell<Moment>,
}

/// The share of the channel under test.
#[derive(Debug)]
pub(super) struct Share(pub(super) Rc<Link>);

impl SharedLink for Share {
    fn starts(&mut self) {
        self.0.own.set(self.0.own.get() + 1);
    }

    fn ends(&mut self) {
        self.0.own.set(self.0.own.get() - 1);
    }

    fn in_flight(&self) -> usize {
        self.0.own.get() + self.0.others.get()
    }

    fn ask(&mut self) -> bool {
        let is_ours = !self.0.other_asked.get();
        if is_ours && self.0.asked.get().is_none() {
            self.0.asked.set(Some(self.0.now.get()));
        }
        is_ours
    }

    fn release(&mut self) {
        self.0.asked.set(None);
    }

    fn is_free(&self) -> bool {
        !self.0.other_asked.get()
    }

    fn awaits_replies(&self) -> bool {
        self.0.awaits_replies.get()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.release();
        if !self.0.is_down.get() {
            self.0.own.set(0);
        }
    }
}
