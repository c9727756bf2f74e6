//! Reads parking queues. Beside the consumer, this is the second place where messages are acked.
//!
//! A message leaves its parking queue here when its reader removes it, or when the copy that replaces it is
//! confirmed. All other messages are given back.

mod leaving;
mod queues;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, try_join_all};
use futures_util::stream::FuturesOrdered;
use garenne_core::failed::Verdict;
use garenne_core::{Ack, FailedQuery};

use super::copies::CopyOf;
use super::giving_back::{are_back, give_back};
use super::parked::Parked;
use super::parking::{header_room, of_link};
use super::replacing::Replacing;
use super::store::{
    FailedCursor, FailureKey, PassedOver, Seen, StoreError, StoreFuture, StoredFailure,
};
use crate::link::{LinkError, Port, Visit, Writer};
use crate::publish::Publisher;

/// How many messages the cursor requests ahead of its reader, each on its own channel: a broker answers the
/// requests of a channel in turn, and a quorum queue writes each request to its disk.
const AHEAD: usize = 16;
/// The same number, as part of a key.
const CHANNELS: u64 = 16;

/// A message that came back this often is replaced by a copy before anything else is done with it: it seems
/// to kill its readers again and again.
const RETURNS_ALARMING: i128 = 2;

/// How long messages are held: half of the broker's default `consumer_timeout`.
const HOLD_MAX: Duration = Duration::from_secs(15 * 60);

type Got = (usize, Port, Result<Option<Parked>, LinkError>);

/// Reads parking queues in turn, over its own channels.
pub(super) struct ParkingCursor {
    visit: Visit,
    /// Channels without an open request.
    idle: VecDeque<(usize, Port)>,
    /// The writers of all channels.
    writers: Vec<Writer>,
    query: FailedQuery,
    queues: VecDeque<String>,
    current: Option<Current>,
    gets: FuturesOrdered<BoxFuture<'static, Got>>,
    /// Messages that were handed out and have no answer yet.
    open: BTreeMap<u64, (String, Parked)>,
    replacing: Replacing,
    /// Messages that had to be replaced before they were handed out, but could not be.
    unseen: VecDeque<(String, Parked)>,
    /// How many messages of each queue are to be given back.
    staying: BTreeMap<String, u32>,
    handed_out: u64,
    since: Instant,
    seen: Seen,
    passed_over: PassedOver,
}

/// The queue that is being read.
struct Current {
    queue: String,
    parking: String,
    /// How many of the queue's first messages have not come yet. Any further message was put there meanwhile.
    left: u32,
    /// The queue has answered that it is empty, or the reader wants no more.
    is_over: bool,
    /// Copies were put into the queue since it was last asked for copies.
    has_put_behind: bool,
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
            replacing: Replacing::new(publisher, header_room(visit.link.frame_max())),
            unseen: VecDeque::new(),
            visit,
            query,
            queues,
            current: None,
            gets: FuturesOrdered::new(),
            open: BTreeMap::new(),
            staying: BTreeMap::new(),
            handed_out: 0,
            since: Instant::now(),
            seen: Seen::All,
            passed_over: PassedOver::default(),
        };
        // Reports a missing queue at once, not after the first line of a list.
        cursor.next_queue().await?;
        Ok(cursor)
    }

    async fn next_meant(&mut self) -> Result<Option<StoredFailure>, StoreError> {
        loop {
            self.settle_landed()?;
            let limit = self.query.limit.unwrap_or(u64::MAX);
            if self.handed_out >= limit {
                return Ok(None);
            }
            if self.since.elapsed() > HOLD_MAX {
                self.seen = Seen::Part;
                return Ok(None);
            }
            let judged = match self.unseen.pop_front() {
                Some((parking, parked)) => self.judge(parking, parked).await?,
                None => {
                    self.ask_ahead(limit - self.handed_out);
                    let Some((place, port, got)) = self.gets.next().await else {
                        if self.ask_for_copies().await? || self.next_queue().await? {
                            continue;
                        }
                        return Ok(None);
                    };
                    self.idle.push_back((place, port));
                    let Some(parked) = got.map_err(|e| of_link(&e))? else {
                        // Another reader took the rest.
                        self.stop_asking();
                        continue;
                    };
                    self.look_at(parked).await?
                }
            };
            if let Some(stored) = judged {
                self.handed_out += 1;
                return Ok(Some(stored));
            }
        }
    }

    /// Called when all requests are answered. The queue may have reported itself empty while copies were on
    /// their way back into it, so the cursor asks once more when all copies are there. A copy that does not
    /// come then was taken by another reader. `false`: nothing is left to ask for.
    async fn ask_for_copies(&mut self) -> Result<bool, StoreError> {
        self.settle_all().await?;
        let are_owed = self.replacing.copies.unseen() > 0;
        let Some(current) = &mut self.current else {
            return Ok(false);
        };
        let are_behind = std::mem::take(&mut current.has_put_behind);
        let asks_again = are_behind && (are_owed || current.left > 0);
        current.is_over = !asks_again;
        Ok(asks_again || !self.unseen.is_empty())
    }

    fn stop_asking(&mut self) {
        if let Some(current) = &mut self.current {
            current.is_over = true;
        }
    }

    /// How many messages of the queue are still to come, as far as is known.
    fn to_come(&self) -> usize {
        let Some(current) = self.current.as_ref().filter(|queue| !queue.is_over) else {
            return 0;
        };
        let left = usize::try_from(current.left).unwrap_or(usize::MAX);
        left.saturating_add(self.replacing.copies.unseen())
    }

    fn ask_ahead(&mut self, wanted: u64) {
        let ahead = usize::try_from(wanted).unwrap_or(AHEAD);
        let ahead = ahead.min(AHEAD).min(self.to_come());
        let Some(current) = &self.current else {
            return;
        };
        while self.gets.len() < ahead {
            let Some((place, mut port)) = self.idle.pop_front() else {
                return;
            };
            let (queue, parking) = (current.queue.clone(), current.parking.clone());
            self.gets.push_back(Box::pin(async move {
                let got = port.get(&parking, false).await.map(|message| {
                    message.map(|message| Parked::new(key_of(place, message.tag), &queue, message))
                });
                (place, port, got)
            }));
        }
    }

    async fn look_at(&mut self, parked: Parked) -> Result<Option<StoredFailure>, StoreError> {
        let Some(current) = &mut self.current else {
            return Ok(None);
        };
        let parking = current.parking.clone();
        match self.replacing.copies.meet(parked.mark.as_deref()) {
            Some(CopyOf::Unseen) => return self.judge(parking, parked).await,
            Some(CopyOf::Seen) => {
                self.give_back(parking);
                return Ok(None);
            }
            None => {}
        }
        if current.left == 0 {
            // It came after this look had begun.
            self.leave(parking, parked).await?;
            return Ok(None);
        }
        current.left -= 1;
        if parked.returns() < RETURNS_ALARMING {
            return self.judge(parking, parked).await;
        }
        self.replace(parking, parked, CopyOf::Unseen).await?;
        Ok(None)
    }

    /// Hands a message out if the query selects it; otherwise keeps it in its queue.
    async fn judge(
        &mut self,
        parking: String,
        parked: Parked,
    ) -> Result<Option<StoredFailure>, StoreError> {
        let verdict = self.query.judge(&parked.record);
        if verdict != Verdict::Meant {
            self.passed_over.count(verdict);
            self.leave(parking, parked).await?;
            return Ok(None);
        }
        let key = FailureKey::new(parked.key);
        let record = parked.record.clone();
        self.open.insert(parked.key, (parking, parked));
        Ok(Some(StoredFailure { key, record }))
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

    /// Gives back every message that was not removed. It uses `nack`, not `reject`: no message has failed.
    async fn let_go(mut self) -> Result<Seen, StoreError> {
        if self.to_come() > 0 || !self.gets.is_empty() || !self.queues.is_empty() {
            self.seen = self.seen_so_far();
        }
        self.stop_asking();
        let mut first_error = None;
        while let Some((place, port, got)) = self.gets.next().await {
            self.idle.push_back((place, port));
            if let (Ok(Some(parked)), Some(current)) = (got, &self.current) {
                let parking = current.parking.clone();
                let left = self.leave(parking, parked).await;
                first_error = first_error.or(left.err());
            }
        }
        for (parking, parked) in std::mem::take(&mut self.open).into_values() {
            let left = self.leave(parking, parked).await;
            first_error = first_error.or(left.err());
        }
        while !self.replacing.is_empty() {
            let settled = self.settle_all().await;
            first_error = first_error.or(settled.err());
        }
        for (parking, _) in std::mem::take(&mut self.unseen) {
            self.give_back(parking);
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
        match (self.replacing.fault(), self.seen) {
            (None, seen) => Ok(seen),
            (Some(fault), Seen::All) => Err(fault),
            (Some(fault), Seen::Part) => Err(StoreError::new(
                fault.kind(),
                format_args!("{fault}; and not everything was looked at, run it again"),
            )),
        }
    }

    /// A reading that its limit cut short counts as complete.
    fn seen_so_far(&self) -> Seen {
        let limit = self.query.limit;
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
                // A lost link takes no ack; the message is in its queue as before.
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
                self.leave(parking, parked).await?;
            }
            self.settle_landed()
        })
    }

    fn passed_over(&self) -> PassedOver {
        self.passed_over
    }

    fn close(self: Box<Self>) -> StoreFuture<'static, Seen> {
        Box::pin(self.let_go())
    }
}

/// The key of a message: its tag, and the channel of the tag.
fn key_of(place: usize, tag: u64) -> u64 {
    tag * CHANNELS + u64::try_from(place).unwrap_or_default()
}
