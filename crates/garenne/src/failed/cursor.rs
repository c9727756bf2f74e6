//! Reading parking queues: the second place, beside a consumer's, where messages are acked.
//!
//! A message leaves its parking queue here when its reader removes it, or when the copy that takes
//! its place is confirmed. All others are given back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, try_join_all};
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use futures_util::{FutureExt, StreamExt};
use garenne_core::FailedQuery;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use tokio::time::{sleep, timeout};

use super::parked::Parked;
use super::parking::{header_room, of_link, parking_name, refused};
use super::store::{
    FailedCursor, FailureKey, Seen, StoreError, StoreErrorKind, StoreFuture, StoredFailure,
};
use crate::link::{Link, LinkError, call};
use crate::publish::{PublishError, Publisher};
use crate::wire::short;

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

/// How long is waited until a queue shows what was given back to it, and how often it is asked.
const BACK_MAX: Duration = Duration::from_secs(10);
const BACK_EVERY: Duration = Duration::from_millis(50);

type Got = Result<Option<Parked>, LinkError>;

/// Reads one parking queue after the other, over channels of its own.
pub(super) struct ParkingCursor {
    link: Arc<Link>,
    channels: Vec<Channel>,
    /// Whose turn it is to ask.
    turn: usize,
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
}

impl ParkingCursor {
    pub(super) async fn open(
        link: Arc<Link>,
        publisher: Publisher,
        query: FailedQuery,
        queues: VecDeque<String>,
    ) -> Result<Self, StoreError> {
        let opening = try_join_all((0..AHEAD).map(|_| link.open_channel()));
        let channels = link.while_up(opening).await.map_err(|e| of_link(&e))?;
        let mut cursor = Self {
            link,
            channels,
            turn: 0,
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
        let asked = self.link.while_up(depth(&self.channels[0], &parking)).await;
        let left = asked.map_err(|e| missing(&e, &parking))?;
        self.current = Some(Current {
            queue,
            parking,
            left,
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
            let Some(got) = self.gets.next().await else {
                if self.next_queue().await? {
                    continue;
                }
                return Ok(None);
            };
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

    fn stop_asking(&mut self) {
        if let Some(current) = &mut self.current {
            current.left = 0;
        }
    }

    fn ask_ahead(&mut self, wanted: u64) {
        let ahead = usize::try_from(wanted).unwrap_or(AHEAD).min(AHEAD);
        let Some(current) = &mut self.current else {
            return;
        };
        while current.left > 0 && self.gets.len() < ahead {
            current.left -= 1;
            let place = self.turn % self.channels.len();
            self.turn += 1;
            let (channel, loss) = (self.channels[place].clone(), self.link.loss());
            let (queue, parking) = (current.queue.clone(), current.parking.clone());
            self.gets.push_back(Box::pin(loss.or(async move {
                let getting = channel.basic_get(short(&parking), BasicGetOptions::default());
                let got = call(&format!("reading queue `{parking}`"), getting).await?;
                Ok(got.map(|message| {
                    let key = key_of(place, message.delivery.delivery_tag);
                    Parked::new(key, &queue, message)
                }))
            })));
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
        let copy = parked.copy(parking, header_room(&self.link));
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
            self.ack(key).await?;
        }
    }

    async fn ack(&mut self, key: u64) -> Result<(), StoreError> {
        let place = usize::try_from(key % CHANNELS).unwrap_or_default();
        let acked = self.channels[place]
            .basic_ack(key / CHANNELS, BasicAckOptions::default())
            .await;
        acked.map_err(|e| of_link(&LinkError::of(&e).while_doing("removing a message")))
    }

    /// Gives everything back that is not removed. `nack`, not `reject`: nothing of it has failed.
    async fn let_go(mut self) -> Result<Seen, StoreError> {
        let unasked = self.current.as_ref().is_some_and(|queue| queue.left > 0);
        if unasked || !self.gets.is_empty() || !self.queues.is_empty() {
            self.seen = self.seen_so_far();
        }
        self.stop_asking();
        while let Some(got) = self.gets.next().await {
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
        let giving_back = try_join_all(self.channels.iter().map(give_back));
        let given_back = self.link.while_up(giving_back).await;
        if let Some(error) = first_error {
            return Err(error);
        }
        given_back.map_err(|e| of_link(&e))?;
        are_back(&self.link, &self.staying).await;
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
                Some(_) => self.ack(key.number()).await,
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

/// How many messages are ready in a queue.
async fn depth(channel: &Channel, queue: &str) -> Result<u32, LinkError> {
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let asking = channel.queue_declare(short(queue), passive, FieldTable::default());
    let asked = call(&format!("looking for queue `{queue}`"), asking).await;
    asked.map(|queue| queue.message_count())
}

/// Gives everything back that a channel holds, and closes it: the answer to that says that the broker has
/// read it.
async fn give_back(channel: &Channel) -> Result<(), LinkError> {
    let all = BasicNackOptions {
        requeue: true,
        multiple: true,
    };
    // Tag 0 is all that there is.
    let given_back = channel.basic_nack(0, all).await;
    given_back.map_err(|e| LinkError::of(&e))?;
    call("closing a channel", channel.close(200, "OK".into())).await
}

/// Waits until the queues show what was given back: whoever looks next shall see it. A quorum queue
/// may take seconds for thousands. If somebody else takes it first, the wait ends by itself.
async fn are_back(link: &Link, staying: &BTreeMap<String, u32>) {
    let waiting = async {
        let channel = link.open_channel().await?;
        for (parking, number) in staying {
            while depth(&channel, parking).await? < *number {
                sleep(BACK_EVERY).await;
            }
        }
        Ok(())
    };
    // It is a courtesy: nothing depends on it.
    let _ = timeout(BACK_MAX, link.while_up(waiting)).await;
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
