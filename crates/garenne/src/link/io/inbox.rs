//! Inboxes: events of a channel wait there for the channel's task.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use garenne_core::reader::{Message, Returned};

use crate::link::LinkError;

/// An event of a channel, in the broker's order.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A message for the channel's consumer, or an answer to its `basic.get`.
    Message(Message),
    /// A mandatory message that no queue took. Its confirm follows.
    Returned(Returned),
    /// The broker has taken messages, or refused to take them.
    Confirmed {
        tag: u64,
        multiple: bool,
        taken: bool,
    },
    /// No message follows for the consumer: the broker or this side has cancelled it.
    ConsumerEnded,
    /// The channel is gone, alone or with its link. Nothing follows.
    Closed(LinkError),
}

/// The events of a channel.
#[derive(Debug)]
pub(super) struct Inbox {
    /// The purpose of the channel, in words for an error: ``queue `orders` ``.
    pub(super) label: String,
    state: Mutex<State>,
    /// The broker has closed the channel: another frame on it would cost the connection.
    is_shut: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Incoming>,
    closed: Option<LinkError>,
    task: Option<Waker>,
}

impl Inbox {
    fn new(label: String) -> Self {
        Self {
            label,
            state: Mutex::default(),
            is_shut: AtomicBool::new(false),
        }
    }

    /// Adds several events, and wakes the task once. Nothing is added after the end.
    fn add(&self, items: &mut Vec<Incoming>) {
        let mut state = self.lock();
        if state.closed.is_some() {
            return;
        }
        state.items.extend(items.drain(..));
        wake(state);
    }

    pub(super) fn close(&self, why: &LinkError) {
        let mut state = self.lock();
        state.closed.get_or_insert_with(|| why.clone());
        wake(state);
    }

    /// From now on nothing is written on the channel. All earlier frames precede lapin's answer to the
    /// broker, because lapin has not seen the broker's close yet.
    pub(super) fn shut(&self) {
        self.is_shut.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Relaxed)
    }

    /// Takes all events, in exchange for an empty list. Pending when there are none.
    pub(super) fn poll_take(&self, cx: &Context<'_>, items: &mut VecDeque<Incoming>) -> Poll<()> {
        let mut state = self.lock();
        if !state.items.is_empty() {
            std::mem::swap(&mut state.items, items);
            return Poll::Ready(());
        }
        if let Some(why) = &state.closed {
            items.push_back(Incoming::Closed(why.clone()));
            return Poll::Ready(());
        }
        match &mut state.task {
            Some(task) if task.will_wake(cx.waker()) => {}
            task => *task = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(state: MutexGuard<'_, State>) {
    let task = state.task.clone();
    drop(state);
    if let Some(task) = task {
        task.wake();
    }
}

/// The inboxes of a link's channels.
#[derive(Debug, Default)]
pub(super) struct Inboxes(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    by_channel: HashMap<u16, Arc<Inbox>>,
    /// The link is gone.
    closed: Option<LinkError>,
}

impl Inboxes {
    /// Makes an inbox for a channel that was just opened.
    pub(super) fn open(&self, channel: u16, label: String) -> Arc<Inbox> {
        let inbox = Arc::new(Inbox::new(label));
        let mut open = self.lock();
        if let Some(why) = &open.closed {
            inbox.close(why);
        }
        open.by_channel.insert(channel, Arc::clone(&inbox));
        inbox
    }

    /// Removes the inbox of a channel. If the number belongs to another channel by now, that channel's inbox
    /// stays.
    pub(super) fn forget(&self, channel: u16, inbox: &Arc<Inbox>) {
        let mut open = self.lock();
        if open
            .by_channel
            .get(&channel)
            .is_some_and(|current| Arc::ptr_eq(current, inbox))
        {
            open.by_channel.remove(&channel);
        }
    }

    /// The inbox of a channel, if it has an inbox.
    pub(super) fn find(&self, channel: u16) -> Option<Arc<Inbox>> {
        self.lock().by_channel.get(&channel).cloned()
    }

    /// The purpose of a channel.
    pub(super) fn label(&self, channel: u16) -> Option<String> {
        self.find(channel).map(|inbox| inbox.label.clone())
    }

    /// The link is gone: every channel's task gets that event, after all earlier events.
    pub(super) fn close(&self, why: &LinkError) {
        let mut open = self.lock();
        open.closed.get_or_insert_with(|| why.clone());
        for inbox in open.by_channel.values() {
            inbox.close(why);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sorts the events of a read by channel, and puts them into the inboxes, so that each task is woken once.
#[derive(Debug, Default)]
pub(super) struct Sorter {
    /// The channels of this read, and lists of earlier reads whose memory is used again.
    piles: Vec<Pile>,
    /// How many of the piles belong to this read.
    used: usize,
    /// The pile of the last event: the next event is nearly always for the same channel.
    last: usize,
}

#[derive(Debug, Default)]
struct Pile {
    channel: u16,
    items: Vec<Incoming>,
}

impl Sorter {
    /// The most piles whose memory is kept.
    const KEPT: usize = 64;

    pub(super) fn put(&mut self, channel: u16, item: Incoming) {
        let of_this_turn = &self.piles[..self.used];
        let last = of_this_turn.get(self.last);
        if last.is_none_or(|pile| pile.channel != channel) {
            let known = of_this_turn.iter().position(|pile| pile.channel == channel);
            self.last = known.unwrap_or_else(|| self.begin(channel));
        }
        self.piles[self.last].items.push(item);
    }

    fn begin(&mut self, channel: u16) -> usize {
        let index = self.used;
        if index == self.piles.len() {
            self.piles.push(Pile::default());
        }
        self.piles[index].channel = channel;
        self.used += 1;
        index
    }

    /// Events without an inbox are dropped: their channel is gone, and the broker delivers its messages
    /// again.
    pub(super) fn hand_over(&mut self, inboxes: &Inboxes) {
        for pile in &mut self.piles[..self.used] {
            if let Some(inbox) = inboxes.find(pile.channel) {
                inbox.add(&mut pile.items);
            }
            pile.items.clear();
        }
        self.piles.truncate(Self::KEPT);
        (self.used, self.last) = (0, 0);
    }
}

#[cfg(test)]
mod tests;
