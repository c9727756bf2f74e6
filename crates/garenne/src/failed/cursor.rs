//! Reading parking queues: the second place, beside a consumer's, where messages are acked.
//!
//! A message leaves its parking queue here when its reader removes it, or when the copy that takes
//! its place is confirmed. All others are given back.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, try_join_all};
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use futures_util::{FutureExt, StreamExt};
use garenne_core::{Ack, FailedQuery};

use super::giving_back::{are_back, give_back};
use super::parked::Parked;
use super::parking::{header_room, of_link, parking_name, refused};
use super::store::{
    FailedCursor, FailureKey, Seen, StoreError, StoreErrorKind, StoreFuture, StoredFailure,
};
use crate::link::{LinkError, Port, Visit, Writer, message_count};
use crate::publish::{PublishError, Publisher};

/// How many messages are asked for ahead of the reader, each on a channel of its own: a broker answers
/// the questions of one channel one after the other, and a quorum queue writes each to its disk.
const AHEAD: usize = 16;
/// The same, as part of a key.
const CHANNELS: u64 = 16;

/// How many copies are on their way back into their queue at once.
const COPIES: usize = 128;

/// A message that came back so often is not given back again, but replaced by a copy. RabbitMQ lets
/// any limit be set; with this, one of 1 is kept.
const RETURNS_MAX: i128 = 1;

/// A message that came back so often is replaced by a copy before anything else is done with it:
/// whoever reads here is killed again and again.
const RETURNS_ALARMING: i128 = 2;

/// How long messages are held: half of the broker's default `consumer_timeout`.
const HOLD_MAX: Duration = Duration::from_secs(15 * 60);

type Got = (usize, Port, Result<Option<Parked>, LinkError>);

/// Reads one parking queue after the other, over channels of its own.
pub(super) struct ParkingCursor {
    visit: Visit,
    /// Channels that ask nothing at the moment.
    idle: VecDeque<(usize, Port)>,
    /// The ways to write on all channels.
    writers: Vec<Writer>,
    publisher: Publisher,
    query: FailedQuery,
    queues: VecDeque<String>,
    current: Option<Current>,
    gets: FuturesOrdered<BoxFuture<'static, Got>>,
    /// Handed out, and not answered yet.
    open: BTreeMap<u64, (String, Parked)>,
    /// Copies on their way back, with the keys of the messages that they replace.
    copies: FuturesUnordered<BoxFuture<'static, (u64, Result<(), StoreError>)>>,
    /// How many messages of each queue are to be given back.
    staying: BTreeMap<String, u32>,
    handed_out: u64,
    since: Instant,
    seen: Seen,
}

/// The queue that is being read.
struct Current {
    queue: String,
    parking: String,
    /// How many of the messages that were in it at first have not been asked for.
    left: u32,
    /// How many messages were replaced since it was last found empty: their copies may have come after
    /// that.
    replaced: u32,
    /// There was nothing more in it.
    is_empty: bool,
}

impl ParkingCursor {
    pub(super) async fn open(
        visit: Visit,
        publisher: Publisher,
        query: FailedQuery,
        queues: VecDeque<String>,
    ) -> Result<Self, StoreError> {
        let link = &visit.link;
        let opening = try_join_all((0..AHEAD).map(|_| link.open_port("a parking queue's reader")));
        let ports = link.while_up(opening).await.map_err(|e| of_link(&e))?;
        let mut cursor = Self {
            writers: ports.iter().map(|port| port.writer().clone()).collect(),
            idle: ports.into_iter().enumerate().collect(),
            visit,
            publisher,
            query,
            queues,
            current: None,
            gets: FuturesOrdered::new(),
            open: BTreeMap::new(),
            copies: FuturesUnordered::new(),
            staying: BTreeMap::new(),
            handed_out: 0,
            since: Instant::now(),
            seen: Seen::All,
        };
        // A queue that is not there shall be told at once, not after the first line of a list.
        cursor.next_queue().await?;
        Ok(cursor)
    }

    /// Goes on to the next queue; `false`: there is none.
    async fn next_queue(&mut self) -> Result<bool, StoreError> {
        let Some(queue) = self.queues.pop_front() else {
            return Ok(false);
        };
        let parking = parking_name(&queue);
        let asked = message_count(&self.visit.link, &parking);
        let left = self.visit.link.while_up(asked).await;
        let left = left.map_err(|e| missing(&e, &parking))?;
        self.current = Some(Current {
            queue,
            parking,
            left,
            replaced: 0,
            is_empty: false,
        });
        Ok(true)
    }

    async fn next_meant(&mut self) -> Result<Option<StoredFailure>, StoreError> {
        loop {
            self.settle_copies(COPIES).await?;
            let limit = self.query.get_limit().unwrap_or(u64::MAX);
            if self.handed_out >= limit {
                return Ok(None);
            }
            if self.since.elapsed() > HOLD_MAX {
                self.seen = Seen::Part;
                return Ok(None);
            }
            self.ask_ahead(limit - self.handed_out);
            let Some((place, port, got)) = self.gets.next().await else {
                if self.ask_for_copies().await? || self.next_queue().await? {
                    continue;
                }
                return Ok(None);
            };
            self.idle.push_back((place, port));
            let Some(parked) = got.map_err(|e| of_link(&e))? else {
                // Somebody else took the rest.
                self.stop_asking();
                continue;
            };
            if let Some(stored) = self.look_at(parked) {
                self.handed_out += 1;
                return Ok(Some(stored));
            }
        }
    }

    /// Everything that was asked for has come. If the queue was found empty while copies were on their way
    /// back into it, it is asked for these once more; `false`: there is nothing to ask for.
    async fn ask_for_copies(&mut self) -> Result<bool, StoreError> {
        let Some(current) = &mut self.current else {
            return Ok(false);
        };
        let replaced = std::mem::take(&mut current.replaced);
        if !std::mem::take(&mut current.is_empty) || replaced == 0 {
            return Ok(false);
        }
        current.left = replaced;
        self.settle_copies(0).await?;
        Ok(true)
    }

    fn stop_asking(&mut self) {
        if let Some(current) = &mut self.current {
            current.left = 0;
            current.is_empty = true;
        }
    }

    fn ask_ahead(&mut self, wanted: u64) {
        let ahead = usize::try_from(wanted).unwrap_or(AHEAD).min(AHEAD);
        let Some(current) = &mut self.current else {
            return;
        };
        while current.left > 0 && self.gets.len() < ahead {
            let Some((place, mut port)) = self.idle.pop_front() else {
                return;
            };
            current.left -= 1;
            let (queue, parking) = (current.queue.clone(), current.parking.clone());
            self.gets.push_back(Box::pin(async move {
                let got = port.get(&parking, false).await.map(|message| {
                    message.map(|message| Parked::new(key_of(place, message.tag), &queue, message))
                });
                (place, port, got)
            }));
        }
    }

    fn look_at(&mut self, parked: Parked) -> Option<StoredFailure> {
        let Some(current) = &mut self.current else {
            return None;
        };
        let parking = current.parking.clone();
        if parked.returns() >= RETURNS_ALARMING {
            // The copy is behind all that was counted: one more message to read.
            current.left += 1;
            current.replaced += 1;
            self.replace(&parking, &parked);
            None
        } else if self.query.matches(&parked.record) {
            let key = FailureKey::new(parked.key);
            let record = parked.record.clone();
            self.open.insert(parked.key, (parking, parked));
            Some(StoredFailure { key, record })
        } else {
            self.leave(&parking, &parked);
            None
        }
    }

    /// Keeps a message in its queue: it is given back when the cursor is closed, or replaced.
    fn leave(&mut self, parking: &str, parked: &Parked) {
        if parked.returns() >= RETURNS_MAX {
            self.replace(parking, parked);
        } else {
            *self.staying.entry(parking.to_owned()).or_default() += 1;
        }
    }

    /// Puts a copy behind the message, in the same queue. Once that is confirmed, the message goes.
    fn replace(&mut self, parking: &str, parked: &Parked) {
        let copy = parked.copy(parking, header_room(self.visit.link.frame_max()));
        let publisher = self.publisher.clone();
        let (key, parking) = (parked.key, parking.to_owned());
        let message_id = parked.record.message_id.clone();
        self.copies.push(Box::pin(async move {
            let sent: Result<(), PublishError> = publisher.send(copy).await;
            let sent = sent.map_err(|error| refused(&parking, &message_id, error));
            (key, sent)
        }));
    }

    /// Settles copies that have landed, and waits until so few are under way.
    async fn settle_copies(&mut self, most: usize) -> Result<(), StoreError> {
        loop {
            let landed = if self.copies.len() > most {
                self.copies.next().await
            } else {
                self.copies.next().now_or_never().flatten()
            };
            let Some((key, sent)) = landed else {
                return Ok(());
            };
            // A message whose copy is not certain stays: twice is better than never.
            sent?;
            self.ack(key);
        }
    }

    fn ack(&self, key: u64) {
        let place = usize::try_from(key % CHANNELS).unwrap_or_default();
        if let Some(writer) = self.writers.get(place) {
            let ack = Ack {
                tag: key / CHANNELS,
                multiple: false,
                count: 1,
            };
            writer.settle(&[ack], &[]);
        }
    }

    /// Gives everything back that is not removed. `nack`, not `reject`: nothing of it has failed.
    async fn let_go(mut self) -> Result<Seen, StoreError> {
        let unasked = self.current.as_ref().is_some_and(|queue| queue.left > 0);
        if unasked || !self.gets.is_empty() || !self.queues.is_empty() {
            self.seen = self.seen_so_far();
        }
        self.stop_asking();
        while let Some((place, port, got)) = self.gets.next().await {
            self.idle.push_back((place, port));
            if let (Ok(Some(parked)), Some(current)) = (got, &self.current) {
                let parking = current.parking.clone();
                self.leave(&parking, &parked);
            }
        }
        for (parking, parked) in std::mem::take(&mut self.open).into_values() {
            self.leave(&parking, &parked);
        }
        let mut first_error = None;
        while !self.copies.is_empty() {
            let settled = self.settle_copies(0).await;
            first_error = first_error.or(settled.err());
        }
        let ports = self.idle.iter().map(|(_, port)| port);
        let giving_back = try_join_all(ports.map(give_back));
        let given_back = self.visit.link.while_up(giving_back).await;
        if first_error.is_none() && given_back.is_ok() {
            are_back(&self.visit.link, &self.staying).await;
        }
        self.visit.leave().await;
        if let Some(error) = first_error {
            return Err(error);
        }
        given_back.map_err(|e| of_link(&e))?;
        Ok(self.seen)
    }

    /// What was cut short by the limit has been seen as far as it was wanted.
    fn seen_so_far(&self) -> Seen {
        let limit = self.query.get_limit();
        if limit.is_some_and(|limit| self.handed_out >= limit) {
            self.seen
        } else {
            Seen::Part
        }
    }
}

impl FailedCursor for ParkingCursor {
    fn next(&mut self) -> StoreFuture<'_, Option<StoredFailure>> {
        Box::pin(self.next_meant())
    }

    fn remove(&mut self, key: FailureKey) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            match self.open.remove(&key.number()) {
                // A link that is gone takes no ack, and the message is in its queue as before.
                Some(_) if !self.visit.link.is_up() => Err(of_link(&LinkError::transient(
                    "the link was lost before the message was removed",
                ))),
                Some(_) => {
                    self.ack(key.number());
                    Ok(())
                }
                None => Ok(()),
            }
        })
    }

    fn keep(&mut self, key: FailureKey) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            if let Some((parking, parked)) = self.open.remove(&key.number()) {
                self.leave(&parking, &parked);
            }
            self.settle_copies(COPIES).await
        })
    }

    fn close(self: Box<Self>) -> StoreFuture<'static, Seen> {
        Box::pin(self.let_go())
    }
}

/// The key of a message: its tag, and the channel that the tag belongs to.
fn key_of(place: usize, tag: u64) -> u64 {
    tag * CHANNELS + u64::try_from(place).unwrap_or_default()
}

fn missing(error: &LinkError, parking: &str) -> StoreError {
    if error.to_string().contains("NOT_FOUND") {
        return StoreError::new(
            StoreErrorKind::Missing,
            format_args!(
                "there is no parking queue `{parking}` on the broker; check the name of the queue and the virtual host"
            ),
        );
    }
    of_link(error)
}
