//! What was already done with messages that the broker will hand out again.
//!
//! When a link is lost, the deliveries in hand can no longer be settled and the broker redelivers
//! them. Their handlers run on nevertheless; this remembers how they ended, so that a redelivery is
//! settled by that instead of running its handler a second time. Only messages with a message id can
//! be recognised. It is an economy, not a promise: another process may get the redelivery.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use garenne_core::Attempt;
use garenne_core::header::REPLAY_ID;
use garenne_core::wire::RawValue;
use tokio::sync::watch;

use super::life::Ran;
use super::settle::Settled;
use crate::delivery::Meta;

/// How many messages are remembered per queue; the oldest are forgotten first.
const CAPACITY: usize = 10_000;
/// How long a run is remembered. The broker redelivers as soon as a link is back; what has not come
/// by then was settled, or went to another process.
const MEMORY: Duration = Duration::from_secs(600);

/// The runs of one queue's messages whose settlement could not be sent.
#[derive(Default)]
pub(crate) struct Recall(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    runs: HashMap<Key, Run>,
    /// With the numbers that they had when they came: one that was taken and has come again is
    /// younger than its first place here.
    oldest_first: VecDeque<(u64, Key)>,
    number: u64,
}

impl Inner {
    fn forget_oldest(&mut self) {
        while self.oldest_first.len() > CAPACITY {
            let Some((number, key)) = self.oldest_first.pop_front() else {
                return;
            };
            if self.runs.get(&key).is_some_and(|run| run.number == number) {
                self.runs.remove(&key);
            }
        }
    }
}

/// What a message is recognised by: its id, the number of this attempt, and what its body and the name
/// of its replay look like. Some producers use an id for several messages, and a message that is
/// replayed has its own again; those must not be taken for one another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    message_id: String,
    attempt: Attempt,
    fingerprint: u64,
}

impl Key {
    /// `None`: the message has no id.
    pub(super) fn of(meta: &Meta) -> Option<Self> {
        let message_id = meta.message_id()?.to_owned();
        Some(Self {
            message_id,
            attempt: meta.attempt,
            fingerprint: fingerprint(meta),
        })
    }
}

fn fingerprint(meta: &Meta) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(&meta.bytes);
    let replay = meta.list().header(REPLAY_ID);
    if let Some(replay) = replay.and_then(RawValue::as_text) {
        hasher.write(replay.as_bytes());
    }
    hasher.finish()
}

struct Run {
    state: watch::Sender<State>,
    since: Instant,
    /// Its place in the order of age.
    number: u64,
}

/// A run on a message whose link was lost, as its redelivery sees it.
pub(super) struct Earlier<'a> {
    recall: &'a Recall,
    key: Key,
    state: watch::Receiver<State>,
}

impl Earlier<'_> {
    /// How it ended. `None`: the redelivery is a first run.
    ///
    /// It is handed out once: a later redelivery is a new story.
    pub(super) async fn ended(mut self) -> Option<Ran> {
        let ended = |state: &State| !matches!(state, State::Running);
        let state = self.state.wait_for(ended).await.ok()?.clone();
        self.recall.lock().runs.remove(&self.key);
        match state {
            State::Ended(ran) => Some(ran),
            State::Running | State::Nothing => None,
        }
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
        self.put(meta, State::Running);
    }

    /// The message was done with, but the broker may not know.
    pub(super) fn ended(&self, meta: &Meta, ran: Ran) {
        self.put(meta, State::Ended(ran));
    }

    /// The message was settled, and its channel is gone before the broker was told.
    pub(super) fn settled(&self, meta: &Meta, how: Settled) {
        match how {
            Settled::Ack => self.ended(meta, Ran::settled()),
            Settled::GiveBack => self.forget(meta),
            // Whoever settled it saw the loss, and has said what there is to say.
            Settled::Nothing => {}
        }
    }

    /// The message was not begun with after all.
    pub(super) fn forget(&self, meta: &Meta) {
        let Some(key) = Key::of(meta) else {
            return;
        };
        if let Some(run) = self.lock().runs.remove(&key) {
            run.state.send_replace(State::Nothing);
        }
    }

    /// An earlier run on this message, if one is remembered.
    pub(super) fn of(&self, meta: &Meta) -> Option<Earlier<'_>> {
        if !meta.redelivered || self.lock().runs.is_empty() {
            return None;
        }
        let key = Key::of(meta)?;
        let state = match self.lock().runs.get(&key)? {
            run if run.since.elapsed() < MEMORY => run.state.subscribe(),
            _ => return None,
        };
        let recall = self;
        Some(Earlier { recall, key, state })
    }

    fn put(&self, meta: &Meta, state: State) {
        let Some(key) = Key::of(meta) else { return };
        let mut inner = self.lock();
        if let Some(run) = inner.runs.get_mut(&key) {
            run.state.send_replace(state);
            run.since = Instant::now();
            return;
        }
        inner.number += 1;
        let number = inner.number;
        let run = Run {
            state: watch::Sender::new(state),
            since: Instant::now(),
            number,
        };
        inner.runs.insert(key.clone(), run);
        inner.oldest_first.push_back((number, key));
        inner.forget_oldest();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
