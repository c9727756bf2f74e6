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

/// What the properties of a parked message may take of a frame besides the record's headers.
const FRAME_RESERVE: usize = 512;

/// A body of so many bytes is sent when nothing else is on its way: a broker that finds it too large closes
/// the channel, and what else is on it would be sent twice.
pub(super) const ALONE: usize = 64 * 1024;

/// How many records are on their way into a parking queue at once.
const INSERT_WINDOW: usize = 256;

/// The failed messages in the parking queues `<queue>.failed` of one broker.
///
/// A broker has no way to look at a message without taking it. So a [`FailedCursor`] holds what it
/// reads until it is closed, and gives back what was not removed. Meanwhile nobody else sees these
/// messages. It holds no longer than 15 min, half of the time after which a broker takes messages
/// back by default; what it has not seen by then is left ([`Seen::Part`](super::Seen)).
///
/// A quorum queue counts how often a message came back, and RabbitMQ 4 drops it at the twenty-first
/// time. So a message that has come back once is not given back again, but put into the queue
/// anew, with a confirm, before it is removed. However often a queue is looked at, nothing is lost;
/// a process that is killed between those two steps leaves the message twice. Before anything is
/// taken out, it is made certain that the broker takes messages at all. The copy has nothing that acts
/// on it (`expiration`, `user_id`, `CC`, `BCC`); what garenne had not parked gets a record. A message of
/// which no copy can be made is given back as it is, and named by the error of [`FailedCursor::close`].
///
/// What lies in `<queue>.failed` belongs to that queue, whatever it says, and is replayed to it.
/// Producers can have messages dead-lettered there that look like records: see
/// [`FailedMessage::doubt`].
///
/// That needs the rights to read from the parking queue and to write to the default exchange
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

    /// Whether the broker takes messages, which it does not during an alarm. What is taken out of a
    /// queue while nothing can be put back would come back and be counted, time after time.
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

/// The parking queue of a queue. Its kind does not matter for its name.
pub(super) fn parking_name(queue: &str) -> String {
    Queue::quorum(queue).parking_name()
}

/// How much of a frame a parked message's properties may take.
pub(super) fn header_room(frame_max: usize) -> usize {
    frame_max.saturating_sub(FRAME_RESERVE)
}

/// What a failed send says about the store that it went to.
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

/// The error of a message that a parking queue did not take.
pub(super) fn refused(parking: &str, message_id: &str, error: PublishError) -> StoreError {
    let context = format!("message `{message_id}` cannot be put into `{parking}`");
    StoreError::new(kind_of(&error), context).because(error)
}

/// The error of a message that had to be given back to its parking queue as it was.
pub(super) fn not_put_back(parking: &str, parked: &Parked, why: impl fmt::Display) -> StoreError {
    let context = format!(
        "message `{}` in `{parking}` stays as it is and cannot be put there anew ({why}). It has come back {} times; a \
         broker with a limit drops it some time: export it, then replay or discard it",
        parked.record.message_id,
        parked.returns() + 1
    );
    StoreError::new(StoreErrorKind::NotStored, context)
}

/// The error of a message that its queue would have dropped soon, and that was put there anew with less.
pub(super) fn put_back_cut(parking: &str, parked: &Parked) -> StoreError {
    let context = format!(
        "message `{}` in `{parking}` had come back {} times, and its queue would have dropped it soon. It was put there \
         anew, without headers that leave no room in a frame (`fail-dropped-headers` names them)",
        parked.record.message_id,
        parked.returns() + 1
    );
    StoreError::new(StoreErrorKind::NotStored, context)
}

/// The error of a link, as one of a store.
pub(super) fn of_link(error: &LinkError) -> StoreError {
    let kind = match error.kind {
        Kind::Configuration => StoreErrorKind::Refused,
        Kind::Transient => StoreErrorKind::Unreachable,
    };
    StoreError::new(kind, error)
}
