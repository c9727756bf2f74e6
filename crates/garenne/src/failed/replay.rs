//! Sending failed messages again.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use garenne_core::{FailedMessage, FailedQuery};
use tokio::time::sleep_until;

use super::mended::Mended;
use super::pace::Pace;
use super::parking::ALONE;
use super::report::{ReplayFailure, ReplayReport};
use super::store::{
    FailedCursor, FailedStore, FailureKey, Seen, StoreError, StoreErrorKind, StoredFailure,
};
use crate::publish::{Outgoing, PublishError, Publisher, new_message_id};

/// How many messages are in flight at once, and how many bytes of bodies, unless a single message has more.
const WINDOW: usize = 256;
const WINDOW_BYTES: usize = 32 * 1024 * 1024;

/// How many failures a report describes; it counts all of them.
const DESCRIBED: usize = 20;

/// The bytes of a frame beside its payload.
const FRAME_OVERHEAD: usize = 8;

/// Sends failed messages again, each to the queue that it failed in, and then removes it from its store.
///
/// The message goes straight to that queue, through the default exchange: other queues that got their own
/// copy when the message was first published get none now. The message starts again with its first attempt,
/// and carries the headers `replay-id` and `replay-count`.
///
/// A message is removed only after the broker has confirmed that its queue holds it. So a replay that is
/// stopped or killed at any moment loses nothing, and can be run again. A killed replay leaves confirmed
/// messages that it had not removed yet in the store: at most 256, plus those whose removal the store
/// batches, at most 99 in a database. The next run sends these messages once more, with the same message id
/// and the same `replay-id`.
///
/// Messages in [doubt](FailedMessage::doubt) stay in the store and are counted, unless
/// [`Replay::even_doubtful`] includes them. Whatever a message says, it goes only to the queue in whose
/// parking queue it was stored.
///
/// ```no_run
/// # use garenne::failed::{FailedQuery, FailedStore, Replay};
/// # async fn example(store: &dyn FailedStore, publisher: &garenne::Publisher) -> Result<(), garenne::failed::StoreError> {
/// let query = FailedQuery::all().condition("error~timeout".parse().unwrap());
/// let report = Replay::of(query).rate(50).run(store, publisher).await?;
/// println!("{} sent again, {} not", report.replayed, report.failed);
/// # Ok(())
/// # }
/// ```
#[must_use = "a replay does nothing until it is run"]
pub struct Replay {
    query: FailedQuery,
    even_doubtful: bool,
    rate: Option<u32>,
    mended: Option<Mended>,
    progress: Box<dyn FnMut(&ReplayReport) + Send>,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Replay {
    /// A replay of the messages that the query selects, as fast as the broker takes them.
    pub fn of(query: FailedQuery) -> Self {
        Self {
            query,
            even_doubtful: false,
            rate: None,
            mended: None,
            progress: Box::new(|_| {}),
            stop: Box::pin(std::future::pending()),
        }
    }

    /// Sends at most this many messages a second, evenly spaced; 0 is taken as 1. At too high a rate, the
    /// overload that made the messages fail may return.
    pub fn rate(self, per_second: u32) -> Self {
        Self {
            rate: Some(per_second),
            ..self
        }
    }

    /// Also sends messages in [doubt](FailedMessage::doubt). Somebody should have looked at them before.
    pub fn even_doubtful(self) -> Self {
        Self {
            even_doubtful: true,
            ..self
        }
    }

    /// Sends this message alone, with another body that somebody has mended by hand. All other messages that
    /// the query selects are kept: a message that came meanwhile may have the same id, because its producer
    /// chooses the id. If the store holds no message whose record is equal to this one, nothing is sent.
    pub fn mended(self, message: FailedMessage, body: impl Into<Bytes>) -> Self {
        Self {
            mended: Some(Mended::new(message, body.into())),
            ..self
        }
    }

    /// Calls `progress` with the report so far after every message.
    pub fn on_progress(self, progress: impl FnMut(&ReplayReport) + Send + 'static) -> Self {
        Self {
            progress: Box::new(progress),
            ..self
        }
    }

    /// Stops when this future ends: the replay sends no further message and waits for those in flight.
    pub fn stop_when(self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            stop: Box::pin(stop),
            ..self
        }
    }

    /// Runs the replay to its end.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot be read, or a sent message cannot be removed. A message that
    /// cannot be sent is no error; the report counts it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing; the effect is that of a killed process.
    pub async fn run(
        self,
        store: &dyn FailedStore,
        publisher: &Publisher,
    ) -> Result<ReplayReport, StoreError> {
        let limit = self.query.limit;
        let mut run = Run {
            replay: self,
            publisher,
            report: ReplayReport::default(),
            pace: Pace::new(None),
            missing: BTreeSet::new(),
            under_way: FuturesUnordered::new(),
            bytes: 0,
        };
        run.pace = Pace::new(run.replay.rate);
        loop {
            let before = run.report.replayed;
            if let Some(limit) = limit {
                let query = run.replay.query.clone();
                run.replay.query = query.limit(limit.saturating_sub(before));
            }
            let seen = run.pass(store).await?;
            // A store that cannot hold messages for long is read in passes. A message that failed in a pass
            // is tried again in the next, as long as a pass sends at least one message.
            let is_at_end = run.report.stopped || run.report.interrupted.is_some();
            if seen == Seen::All || is_at_end || run.report.replayed == before {
                return Ok(run.report);
            }
            run.report.failed = 0;
            run.report.failures.clear();
        }
    }
}

/// A message that was sent, and the broker's answer.
struct Sent {
    key: FailureKey,
    message_id: String,
    queue: String,
    bytes: usize,
    result: Result<(), PublishError>,
}

struct Run<'p> {
    replay: Replay,
    publisher: &'p Publisher,
    report: ReplayReport,
    pace: Pace,
    /// Queues that do not exist: their messages are not sent.
    missing: BTreeSet<String>,
    under_way: FuturesUnordered<BoxFuture<'static, Sent>>,
    bytes: usize,
}

impl Run<'_> {
    /// Reads the store once.
    async fn pass(&mut self, store: &dyn FailedStore) -> Result<Seen, StoreError> {
        let mut query = self.replay.query.clone();
        if !self.replay.even_doubtful {
            query = query.without_doubtful();
        }
        let mut cursor = store.open(&query).await?;
        let done = self.go_through(&mut *cursor).await;
        // A confirmed message must not stay in the store because of another error.
        self.land_all(&mut *cursor).await?;
        self.report.passed_over = self.report.passed_over.max(cursor.passed_over());
        let seen = cursor.close().await;
        done?;
        match seen {
            Err(error) if error.kind() == StoreErrorKind::NotStored => {
                self.report.not_put_back = Some(error.to_string());
                Ok(Seen::All)
            }
            seen => seen,
        }
    }

    /// Waits for all messages in flight.
    async fn land_all(&mut self, cursor: &mut dyn FailedCursor) -> Result<(), StoreError> {
        while let Some(sent) = self.under_way.next().await {
            self.settle(cursor, sent).await?;
        }
        Ok(())
    }

    async fn go_through(&mut self, cursor: &mut dyn FailedCursor) -> Result<(), StoreError> {
        while self.has_turn(cursor).await? {
            let next = tokio::select! {
                biased;
                () = &mut self.replay.stop => {
                    self.report.stopped = true;
                    return Ok(());
                }
                next = cursor.next() => next?,
            };
            let Some(stored) = next else {
                return Ok(());
            };
            if !self.is_wanted(&stored.record) {
                cursor.keep(stored.key).await?;
            } else if self.missing.contains(&stored.record.queue) {
                let missing = self.as_missing(&stored);
                self.settle(cursor, missing).await?;
            } else if self.length(&stored) >= ALONE {
                self.land_all(cursor).await?;
                self.send(stored);
                self.land_all(cursor).await?;
            } else {
                self.send(stored);
            }
        }
        Ok(())
    }

    /// Waits until another message may be sent; `false`: the replay was stopped or interrupted.
    async fn has_turn(&mut self, cursor: &mut dyn FailedCursor) -> Result<bool, StoreError> {
        loop {
            while let Some(Some(sent)) = self.under_way.next().now_or_never() {
                self.settle(cursor, sent).await?;
            }
            if self.report.interrupted.is_some() {
                return Ok(false);
            }
            let is_full = self.under_way.len() >= WINDOW || self.bytes >= WINDOW_BYTES;
            let due = self.pace.due();
            if !is_full && due <= tokio::time::Instant::now() {
                return Ok(true);
            }
            tokio::select! {
                biased;
                () = &mut self.replay.stop => {
                    self.report.stopped = true;
                    return Ok(false);
                }
                Some(sent) = self.under_way.next() => self.settle(cursor, sent).await?,
                () = sleep_until(due), if !is_full => {}
            }
        }
    }

    /// Whether a selected message is to be sent.
    fn is_wanted(&mut self, record: &FailedMessage) -> bool {
        let mended = self.replay.mended.as_mut();
        mended.is_none_or(|mended| mended.finds(record))
    }

    fn length(&self, stored: &StoredFailure) -> usize {
        let mended = self.replay.mended.as_ref();
        mended.map_or(stored.record.body.len(), |mended| mended.body().len())
    }

    fn send(&mut self, stored: StoredFailure) {
        self.pace.begun();
        let StoredFailure { key, record } = stored;
        let frame_max = self.publisher.frame_max();
        let body = self.replay.mended.as_ref().map(|it| it.body().clone());
        let message = outgoing(&record, body, frame_max);
        let publisher = self.publisher.clone();
        let bytes = record.body.len();
        self.bytes += bytes;
        let (message_id, queue) = (record.message_id, record.queue);
        self.under_way.push(Box::pin(async move {
            let result = publisher.send(message).await;
            Sent {
                key,
                message_id,
                queue,
                bytes,
                result,
            }
        }));
    }

    fn as_missing(&mut self, stored: &StoredFailure) -> Sent {
        let StoredFailure { key, record } = stored;
        Sent {
            key: *key,
            message_id: record.message_id.clone(),
            queue: record.queue.clone(),
            bytes: 0,
            result: Err(PublishError::Unroutable {
                exchange: String::new(),
                routing_key: record.queue.clone(),
                reason: "NO_ROUTE".to_owned(),
            }),
        }
    }

    async fn settle(
        &mut self,
        cursor: &mut dyn FailedCursor,
        sent: Sent,
    ) -> Result<(), StoreError> {
        self.bytes = self.bytes.saturating_sub(sent.bytes);
        match sent.result {
            Ok(()) => {
                cursor.remove(sent.key).await?;
                self.report.replayed += 1;
            }
            Err(error) => {
                cursor.keep(sent.key).await?;
                self.not_sent(sent.message_id, sent.queue, error);
            }
        }
        (self.replay.progress)(&self.report);
        Ok(())
    }

    fn not_sent(&mut self, message_id: String, queue: String, error: PublishError) {
        if matches!(error, PublishError::Unroutable { .. }) {
            self.missing.insert(queue.clone());
        }
        let is_the_brokers = matches!(
            error,
            PublishError::Disconnected { .. }
                | PublishError::Blocked { .. }
                | PublishError::Timeout { .. }
        );
        if is_the_brokers && self.report.interrupted.is_none() {
            self.report.interrupted = Some(error.clone());
        }
        self.report.failed += 1;
        if self.report.failures.len() < DESCRIBED {
            self.report.failures.push(ReplayFailure {
                message_id,
                queue,
                error,
            });
        }
    }
}

/// The message as it is sent again, with properties that fit into a frame of this size.
fn outgoing(record: &FailedMessage, body: Option<Bytes>, frame_max: Option<usize>) -> Outgoing {
    let mut properties = record.replay_properties(&new_message_id());
    let room = frame_max.map_or(usize::MAX, |max| max.saturating_sub(FRAME_OVERHEAD));
    if properties.encoded_len() > room {
        properties = record.bare_replay_properties();
    }
    let body = body.unwrap_or_else(|| Bytes::from_owner(Arc::clone(&record.body)));
    Outgoing::of_parts("", record.queue.clone(), properties, body)
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("query", &self.query)
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}
