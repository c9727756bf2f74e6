//! The results of attempts on messages that the broker will redeliver.
//!
//! When a link is lost, the deliveries in hand can no longer be settled, and the broker redelivers them.
//! Their handlers run on nevertheless. A `Recall` remembers their results, so that a redelivery is settled
//! by the earlier result and its handler does not run a second time. Only messages with a message id can be
//! recognised. This saves work but promises nothing: another process may get the redelivery.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use garenne_core::Attempt;
use garenne_core::header::REPLAY_ID;
use garenne_core::wire::RawValue;
use tokio::sync::watch;

use super::attempt_result::AttemptResult;
use super::settle::Settled;
use crate::delivery::Meta;

/// How many messages are remembered per queue; the oldest are forgotten first.
const CAPACITY: usize = 10_000;
/// How long an attempt is remembered. The broker redelivers as soon as a link is back. A message that has
/// not come by then was settled, or went to another process.
const MEMORY: Duration = Duration::from_secs(600);

/// The attempts on a queue's messages whose settlement could not be sent.
#[derive(Default)]
pub(crate) struct Recall(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    attempts: HashMap<Fingerprint, Remembered>,
    /// The attempts with their numbers at the time they came: an attempt that was taken and has come again
    /// is younger than its first place here.
    oldest_first: VecDeque<(u64, Fingerprint)>,
    number: u64,
}

impl Inner {
    fn forget_oldest(&mut self) {
        while self.oldest_first.len() > CAPACITY {
            let Some((number, message)) = self.oldest_first.pop_front() else {
                return;
            };
            let remembered = self.attempts.get(&message);
            if remembered.is_some_and(|attempt| attempt.number == number) {
                self.attempts.remove(&message);
            }
        }
    }
}

/// The features by which a message is recognised: its id, the number of this attempt, and fingerprints of
/// its body and of the name of its replay. Some producers use an id for several messages, and a replayed
/// message has its old id again; these messages must not be confused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Fingerprint {
    message_id: String,
    attempt: Attempt,
    body: u64,
}

impl Fingerprint {
    /// `None`: the message has no id.
    fn of(meta: &Meta) -> Option<Self> {
        let message_id = meta.message_id()?.to_owned();
        let mut hasher = DefaultHasher::new();
        hasher.write(&meta.bytes);
        let replay = meta.list().header(REPLAY_ID);
        if let Some(replay) = replay.and_then(RawValue::as_text) {
            hasher.write(replay.as_bytes());
        }
        Some(Self {
            message_id,
            attempt: meta.attempt,
            body: hasher.finish(),
        })
    }
}

/// An attempt on a message whose channel was lost.
struct Remembered {
    earlier: watch::Sender<Earlier>,
    since: Instant,
    /// Its place in the order of age.
    number: u64,
}

/// The state of an earlier attempt, as the redelivery of its message sees it.
#[derive(Clone, Debug)]
enum Earlier {
    Running,
    Ended(AttemptResult),
    /// It was no attempt, because no handler had begun: the redelivery is the first attempt.
    Requeued,
}

impl Recall {
    /// A handler is still running on a message whose channel is gone.
    pub(super) fn still_running(&self, meta: &Meta) {
        self.put(meta, Earlier::Running);
    }

    /// The attempt has ended, and the broker may not hear of it.
    pub(super) fn ended(&self, meta: &Meta, result: AttemptResult) {
        self.put(meta, Earlier::Ended(result));
    }

    /// The message was settled, and its channel is gone before the broker was told.
    pub(super) fn settled(&self, meta: &Meta, how: Settled) {
        match how {
            Settled::Ack => self.ended(meta, AttemptResult::settled()),
            Settled::Requeue => self.requeued(meta),
            // The step that returned this saw the loss and has already reported the attempt.
            Settled::Nothing => {}
        }
    }

    /// No handler has begun with the message after all.
    pub(super) fn requeued(&self, meta: &Meta) {
        let Some(message) = Fingerprint::of(meta) else {
            return;
        };
        if let Some(remembered) = self.lock().attempts.remove(&message) {
            remembered.earlier.send_replace(Earlier::Requeued);
        }
    }

    /// The result of an earlier attempt on this message, if an attempt is remembered. The future gives
    /// `None` if that was no attempt.
    ///
    /// The result is handed out once: for a later redelivery it must be remembered again.
    pub(super) fn earlier(
        &self,
        meta: &Meta,
    ) -> Option<impl Future<Output = Option<AttemptResult>> + use<'_>> {
        if !meta.redelivered || self.lock().attempts.is_empty() {
            return None;
        }
        let message = Fingerprint::of(meta)?;
        let mut earlier = match self.lock().attempts.get(&message)? {
            remembered if remembered.since.elapsed() < MEMORY => remembered.earlier.subscribe(),
            _ => return None,
        };
        Some(async move {
            let has_ended = |earlier: &Earlier| !matches!(earlier, Earlier::Running);
            let ended = earlier.wait_for(has_ended).await.ok()?.clone();
            self.lock().attempts.remove(&message);
            match ended {
                Earlier::Ended(result) => Some(result),
                Earlier::Running | Earlier::Requeued => None,
            }
        })
    }

    fn put(&self, meta: &Meta, earlier: Earlier) {
        let Some(message) = Fingerprint::of(meta) else {
            return;
        };
        let mut inner = self.lock();
        if let Some(remembered) = inner.attempts.get_mut(&message) {
            remembered.earlier.send_replace(earlier);
            remembered.since = Instant::now();
            return;
        }
        inner.number += 1;
        let number = inner.number;
        let remembered = Remembered {
            earlier: watch::Sender::new(earlier),
            since: Instant::now(),
            number,
        };
        inner.attempts.insert(message.clone(), remembered);
        inner.oldest_first.push_back((number, message));
        inner.forget_oldest();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
