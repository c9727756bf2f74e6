//! What was already done with messages that the broker will hand out again.
//!
//! When a link is lost, the deliveries in hand can no longer be settled and the broker redelivers
//! them. Their handlers run on nevertheless; this remembers how they ended, so that a redelivery is
//! settled by that instead of running its handler a second time. Only messages with a message id can
//! be recognised. It is an economy, not a promise: another process may get the redelivery.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use garenne_core::Attempt;
use tokio::sync::watch;

use super::life::Ran;
use crate::delivery::Meta;

/// How many messages are remembered per queue; the oldest are forgotten first.
const CAPACITY: usize = 10_000;

/// The runs of one queue's messages whose settlement could not be sent.
#[derive(Default)]
pub(crate) struct Recall(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    runs: HashMap<Key, watch::Sender<State>>,
    oldest_first: VecDeque<Key>,
}

/// What a message is recognised by: its id and the number of this attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(String, Attempt);

impl Key {
    /// `None`: the message has no id.
    pub(super) fn of(meta: &Meta) -> Option<Self> {
        Some(Self(meta.message_id()?.to_owned(), meta.attempt))
    }
}

#[derive(Clone, Debug)]
enum State {
    Running,
    Ended(Ran),
    /// It ended without having begun: the redelivery is a first run.
    Nothing,
}

impl Recall {
    /// A handler is still running on a message whose link is gone.
    pub(super) fn still_running(&self, meta: &Meta) {
        self.put(Key::of(meta), State::Running);
    }

    /// The message was done with, but the broker may not know.
    pub(super) fn ended(&self, meta: &Meta, ran: Ran) {
        self.put(Key::of(meta), State::Ended(ran));
    }

    /// The message was settled, but its ack may not have reached the broker.
    pub(super) fn done_with(&self, key: Key) {
        self.put(Some(key), State::Ended(Ran::settled()));
    }

    /// The message was not begun with after all.
    pub(super) fn forget(&self, meta: &Meta) {
        let Some(key) = Key::of(meta) else {
            return;
        };
        if let Some(run) = self.lock().runs.remove(&key) {
            run.send_replace(State::Nothing);
        }
    }

    /// How an earlier delivery of this message ended, if that is known or about to be.
    ///
    /// It is handed out once: a later redelivery is a new story.
    pub(super) async fn of(&self, meta: &Meta) -> Option<Ran> {
        if !meta.redelivered {
            return None;
        }
        let key = Key::of(meta)?;
        let mut run = self.lock().runs.get(&key)?.subscribe();
        let state = run
            .wait_for(|state| !matches!(state, State::Running))
            .await
            .ok()?
            .clone();
        self.lock().runs.remove(&key);
        match state {
            State::Ended(ran) => Some(ran),
            State::Running | State::Nothing => None,
        }
    }

    fn put(&self, key: Option<Key>, state: State) {
        let Some(key) = key else { return };
        let mut inner = self.lock();
        if let Some(run) = inner.runs.get(&key) {
            run.send_replace(state);
            return;
        }
        inner.runs.insert(key.clone(), watch::Sender::new(state));
        inner.oldest_first.push_back(key);
        while inner.oldest_first.len() > CAPACITY {
            if let Some(oldest) = inner.oldest_first.pop_front() {
                inner.runs.remove(&oldest);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
