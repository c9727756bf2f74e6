//! Failed messages in parking queues.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use garenne_core::{FailedMessage, FailedQuery, Queue};

use super::cursor::ParkingCursor;
use super::parked::Parked;
use super::store::{FailedCursor, FailedStore, Inserted, StoreError, StoreErrorKind, StoreFuture};
use crate::link::{Access, Kind, Link, LinkError};
use crate::publish::{Outgoing, PublishError, Publisher};

/// How much of a frame the properties of a parked message may take beside the record's headers.
const FRAME_RESERVE: usize = 512;

/// A body of this size or more is sent while no other message is in flight: a broker that finds it too large
/// closes the channel, and the other messages on it would be sent twice.
pub(super) const ALONE: usize = 64 * 1024;

/// How many records are in flight to a parking queue at once.
const INSERT_WINDOW: usize = 256;

/// The failed messages in the parking queues `<queue>.failed` of a broker.
///
/// A broker shows a message only by handing it out. So a [`FailedCursor`] holds the messages that it reads
/// until it is closed, and then gives back those that were not removed. Meanwhile no other reader sees them.
/// It holds them for at most 15 min, half of the broker's default time limit for held messages; messages that
/// it has not seen by then are left ([`Seen::Part`](super::Seen)).
///
/// A quorum queue counts how often a message came back, and RabbitMQ 4 drops it at the 21st return. So a
/// message that has come back once is not given back again: a confirmed copy is put into the queue before the
/// message is removed. Reading a queue any number of times loses nothing; a process that is killed between
/// these two steps leaves the message twice. Before the first message is taken out, a probe makes sure that
/// the broker takes messages. The copy has none of the properties that the broker acts on (`expiration`,
/// `user_id`, `CC`, `BCC`); a message that garenne had not parked gets a record. If no copy of a message can
/// be made, the message is given back as it is, and the error of [`FailedCursor::close`] names it.
///
/// A message in `<queue>.failed` belongs to that queue, whatever it says, and is replayed to it. Producers
/// can have messages dead-lettered there that look like records: see [`FailedMessage::doubt`].
///
/// The store needs the rights to read from the parking queue and to write to the default exchange
/// (`amq.default`).
#[derive(Clone)]
pub struct ParkingStore {
    access: Access,
    publisher: Publisher,
    queues: Vec<String>,
}

impl ParkingStore {
    pub(crate) fn new(access: Access, publisher: Publisher, queues: Vec<String>) -> Self {
        // A queue that is named twice is read once.
        let mut named = BTreeSet::new();
        let once = |queue: &String| named.insert(queue.clone());
        Self {
            access,
            publisher,
            queues: queues.into_iter().filter(once).collect(),
        }
    }

    async fn begin(&self, query: &FailedQuery) -> Result<ParkingCursor, StoreError> {
        let visit = self.access.visit().await.map_err(|e| of_link(&e))?;
        self.probe(&visit.link).await?;
        let wanted = |queue: &&String| query.queue.as_deref().is_none_or(|only| only == **queue);
        let queues = self.queues.iter().filter(wanted).cloned().collect();
        ParkingCursor::open(visit, self.publisher.clone(), query.clone(), queues).await
    }

    /// Checks that the broker takes messages, which it does not during an alarm. A message that is taken out
    /// while no copy can be put back would come back and be counted, time after time.
    async fn probe(&self, link: &Link) -> Result<(), StoreError> {
        match self.publisher.takes_messages().await {
            Ok(()) => Ok(()),
            Err(error) => Err(StoreError::new(
                kind_of(&error),
                format_args!(
                    "{} takes no messages, and what is looked at may have to be put back; nothing was touched",
                    link.broker
                ),
            )
            .because(error)),
        }
    }

    async fn insert_all(&self, records: Vec<FailedMessage>) -> Result<Inserted, StoreError> {
        let frame_max = self.publisher.frame_max().ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::Unreachable,
                "there is no link to the broker at the moment; try again",
            )
        })?;
        let room = header_room(frame_max);
        let parking = records.iter().map(|record| self.parking_of(record));
        let parking: Vec<String> = parking.collect::<Result<_, _>>()?;
        let (large, small): (Vec<_>, Vec<_>) = records
            .into_iter()
            .zip(parking)
            .partition(|(record, _)| record.body.len() >= ALONE);
        let store = |(record, queue): (FailedMessage, String)| async move {
            let properties = record.parking_properties(room);
            let body = Bytes::from_owner(Arc::clone(&record.body));
            let parked = Outgoing::of_parts("", queue.clone(), properties, body);
            self.publisher
                .send(parked)
                .await
                .map_err(|error| refused(&queue, &record.message_id, error))
        };
        let small = futures_util::stream::iter(small).map(store);
        let large = futures_util::stream::iter(large).then(store);
        let mut storing = pin!(small.buffer_unordered(INSERT_WINDOW).chain(large));
        let (mut new, mut first_error) = (0, None);
        while let Some(stored) = storing.next().await {
            match stored {
                Ok(()) => new += 1,
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(Inserted { new, known: 0 }), Err)
    }

    fn parking_of(&self, record: &FailedMessage) -> Result<String, StoreError> {
        let queue = match &*self.queues {
            [only] if record.queue.is_empty() => Some(only),
            queues => queues.iter().find(|queue| **queue == record.queue),
        };
        queue.map(|queue| parking_name(queue)).ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::NotStored,
                format_args!(
                    "message `{}` failed in queue `{}`, and its parking queue is not one of {}",
                    record.message_id,
                    record.queue,
                    self.describe()
                ),
            )
        })
    }
}

impl FailedStore for ParkingStore {
    fn describe(&self) -> String {
        let names: Vec<_> = self
            .queues
            .iter()
            .map(|queue| parking_name(queue))
            .collect();
        format!("parking queue {}", names.join(", "))
    }

    fn open<'a>(&'a self, query: &'a FailedQuery) -> StoreFuture<'a, Box<dyn FailedCursor>> {
        Box::pin(async move {
            let cursor: Box<dyn FailedCursor> = Box::new(self.begin(query).await?);
            Ok(cursor)
        })
    }

    fn insert(&self, records: Vec<FailedMessage>) -> StoreFuture<'_, Inserted> {
        Box::pin(self.insert_all(records))
    }
}

impl fmt::Debug for ParkingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParkingStore")
            .field("queues", &self.queues)
            .finish_non_exhaustive()
    }
}

/// The parking queue of a queue. The type of the queue does not matter for the name.
pub(super) fn parking_name(queue: &str) -> String {
    Queue::quorum(queue).parking_name()
}

/// How much of a frame a parked message's properties may take.
pub(super) fn header_room(frame_max: usize) -> usize {
    frame_max.saturating_sub(FRAME_RESERVE)
}

/// The kind of store error that a failed send becomes.
pub(super) fn kind_of(error: &PublishError) -> StoreErrorKind {
    match error {
        PublishError::Unroutable { .. } => StoreErrorKind::Missing,
        PublishError::Refused { .. } => StoreErrorKind::Refused,
        PublishError::Disconnected { .. }
        | PublishError::Blocked { .. }
        | PublishError::Timeout { .. } => StoreErrorKind::Unreachable,
        _ => StoreErrorKind::NotStored,
    }
}

/// The error for a message that a parking queue did not take.
pub(super) fn refused(parking: &str, message_id: &str, error: PublishError) -> StoreError {
    let context = format!("message `{message_id}` cannot be put into `{parking}`");
    StoreError::new(kind_of(&error), context).because(error)
}

/// The error for a message that had to be given back to its parking queue as it was.
pub(super) fn not_put_back(parking: &str, parked: &Parked, why: impl fmt::Display) -> StoreError {
    let context = format!(
        "message `{}` in `{parking}` stays as it is and cannot be put there anew ({why}). It has come back {} times; a \
         broker with a limit drops it some time: export it, then replay or discard it",
        parked.record.message_id,
        parked.returns() + 1
    );
    StoreError::new(StoreErrorKind::NotStored, context)
}

/// The error for a message that its queue would have dropped soon, and whose copy has fewer headers.
pub(super) fn put_back_cut(parking: &str, parked: &Parked) -> StoreError {
    let context = format!(
        "message `{}` in `{parking}` had come back {} times, and its queue would have dropped it soon. It was put there \
         anew, without headers that leave no room in a frame (`fail-dropped-headers` names them)",
        parked.record.message_id,
        parked.returns() + 1
    );
    StoreError::new(StoreErrorKind::NotStored, context)
}

/// A link error as a store error.
pub(super) fn of_link(error: &LinkError) -> StoreError {
    let kind = match error.kind {
        Kind::Configuration => StoreErrorKind::Refused,
        Kind::Transient => StoreErrorKind::Unreachable,
    };
    StoreError::new(kind, error)
}
