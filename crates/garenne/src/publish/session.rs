//! One incarnation of a confirm channel: what is in flight, and whose confirm a confirm is.
//!
//! A mandatory message that no queue takes is *returned* and then confirmed with an ack. lapin
//! attaches a return to whichever confirm completes next, which may be another message's, so a
//! confirm alone does not say that its message was stored. Two rules make it certain:
//!
//! 1. lapin hands the oldest unclaimed return to every confirm that completes. A confirm without a
//!    return therefore says: every return so far went to a confirm that completed *before* this one.
//!    It is believed as soon as all those have been seen, which a marker future tells: futures are
//!    woken in the order in which their confirms complete, and the marker is queued behind them.
//! 2. A confirm with somebody's return says nothing about its own. From then on nothing is
//!    published and nothing believed until all that is in flight has landed: then every return has
//!    surfaced, and is matched by message id, exchange and routing key.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::job::{Key, WhenBlocked};
use super::owner::Limits;
use super::{Job, PublishError};
use crate::link::Link;
use crate::wire::{basic_properties, short};

/// How many messages are in flight at once. Confirms come in batches: more gains nothing.
const WINDOW: usize = 256;
/// How many more wait behind those. What waits here is answered in time even while nothing moves.
const BACKLOG: usize = 1024;
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(250);

pub(super) struct Session {
    channel: Channel,
    blocked: watch::Receiver<Option<String>>,
    frame_max: usize,
    limits: Limits,
    /// Every message handed to the channel whose fate is not decided.
    flights: HashMap<u64, Flight>,
    in_the_air: FuturesUnordered<Pin<Box<dyn Future<Output = Event> + Send>>>,
    /// Message ids in flight: two with the same key could not be told apart when one is returned.
    keys: HashMap<Key, u64>,
    /// Held back by a full window, by the returns of rule 2, or by another one with the same key.
    waiting: VecDeque<Held>,
    /// Landed before the marker that is under way; believed when it arrives.
    before_marker: Vec<(u64, Verdict)>,
    /// Landed since.
    after_marker: Vec<(u64, Verdict)>,
    marker_under_way: bool,
    /// The returns of rule 2; not empty = nothing is published.
    returned: HashMap<Key, String>,
    /// Time that passed while the broker did not block us.
    open_time: Duration,
    last_tick: Instant,
    next_id: u64,
}

/// A message in our hands, and since when.
struct Held {
    job: Job,
    since: Instant,
    /// The same in time that passed while the broker did not block us.
    since_open: Duration,
}

struct Flight {
    held: Held,
    key: Key,
    landed: bool,
}

enum Event {
    Landed(u64, lapin::Result<Landing>),
    Marker,
}

/// What a confirm said, and whosever return came with it.
struct Landing {
    verdict: Verdict,
    returned: Option<Box<(Key, String)>>,
}

impl From<Confirmation> for Landing {
    fn from(confirmation: Confirmation) -> Self {
        let (verdict, returned) = match confirmation {
            Confirmation::Ack(returned) => (Verdict::Ack, returned),
            Confirmation::Nack(returned) => (Verdict::Nack, returned),
            Confirmation::NotRequested => (Verdict::Ack, None),
        };
        Self {
            verdict,
            returned: returned.map(|message| Box::new(return_of(&message))),
        }
    }
}

#[derive(Clone, Copy)]
enum Verdict {
    Ack,
    Nack,
}

impl Session {
    pub(super) fn new(link: &Link, channel: Channel, limits: Limits, again: VecDeque<Job>) -> Self {
        let now = Instant::now();
        let waiting = again.into_iter().map(|job| Held {
            job,
            since: now,
            since_open: Duration::ZERO,
        });
        Self {
            channel,
            blocked: link.blocked(),
            frame_max: link.frame_max(),
            limits,
            flights: HashMap::new(),
            in_the_air: FuturesUnordered::new(),
            keys: HashMap::new(),
            waiting: waiting.collect(),
            before_marker: Vec::new(),
            after_marker: Vec::new(),
            marker_under_way: false,
            returned: HashMap::new(),
            open_time: Duration::ZERO,
            last_tick: now,
            next_id: 0,
        }
    }

    /// Publishes until the channel breaks (an error) or nobody can send any more and everything has
    /// landed.
    pub(super) async fn run(&mut self, jobs: &mut mpsc::Receiver<Job>) -> lapin::Result<()> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut open = true;
        loop {
            self.start_waiting();
            if !open && self.flights.is_empty() && self.waiting.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                Some(event) = self.in_the_air.next(), if !self.in_the_air.is_empty() => self.on_event(event)?,
                job = jobs.recv(), if open && self.waiting.len() < BACKLOG => match job {
                    Some(job) => self.take(job),
                    None => open = false,
                },
                // With nothing to look at, the task sleeps.
                _ = ticks.tick(), if !self.flights.is_empty() || !self.waiting.is_empty() => self.on_tick()?,
            }
        }
    }

    fn take(&mut self, job: Job) {
        if self.flights.is_empty() && self.waiting.is_empty() {
            // Nobody looked at the time while there was nothing to wait for.
            self.last_tick = Instant::now();
        }
        self.waiting.push_back(Held {
            job,
            since: Instant::now(),
            since_open: self.open_time,
        });
    }

    /// What was not answered, for whoever sorts it out.
    pub(super) fn into_unanswered(self) -> Vec<Job> {
        let flights = self.flights.into_values().map(|flight| flight.held);
        let held = flights.chain(self.waiting).map(|held| held.job);
        held.filter(Job::is_wanted).collect()
    }

    fn has_room(&self) -> bool {
        self.returned.is_empty() && self.flights.len() < WINDOW && !self.is_alone()
    }

    /// Whether what is in flight must stay alone.
    fn is_alone(&self) -> bool {
        self.flights.len() == 1
            && self
                .flights
                .values()
                .all(|flight| flight.held.job.is_last_try())
    }

    fn start_waiting(&mut self) {
        while self.has_room() {
            // The first one whose key is free; in nearly every case the first one.
            let can_start = |held: &Held| {
                !self.keys.contains_key(&held.job.key())
                    && (self.flights.is_empty() || !held.job.is_next_try_the_last())
            };
            let free = self.waiting.iter().position(can_start);
            let Some(held) = free.and_then(|index| self.waiting.remove(index)) else {
                return;
            };
            self.start(held);
        }
    }

    fn start(&mut self, mut held: Held) {
        let job = &mut held.job;
        if !job.is_wanted() {
            return;
        }
        if let Err(error) = job.fits(self.frame_max, self.limits.max_message_size) {
            return job.answer(Err(error));
        }
        job.tries += 1;
        let id = self.next_id;
        self.next_id += 1;
        let channel = self.channel.clone();
        let (exchange, routing_key) = (short(&job.exchange), short(&job.routing_key));
        let properties = basic_properties(&job.properties);
        let options = BasicPublishOptions {
            mandatory: job.mandatory,
            immediate: false,
        };
        let body = job.body.clone();
        self.in_the_air.push(Box::pin(async move {
            let published = channel
                .basic_publish(exchange, routing_key, options, &body, properties)
                .await;
            let landing = match published {
                Ok(confirm) => confirm.await.map(Landing::from),
                Err(error) => Err(error),
            };
            Event::Landed(id, landing)
        }));
        let key = job.key();
        self.keys.insert(key.clone(), id);
        let flight = Flight {
            held,
            key,
            landed: false,
        };
        self.flights.insert(id, flight);
    }

    fn on_event(&mut self, event: Event) -> lapin::Result<()> {
        match event {
            Event::Landed(id, result) => {
                let Landing { verdict, returned } = result?;
                self.returned.extend(returned.map(|returned| *returned));
                if let Some(flight) = self.flights.get_mut(&id) {
                    flight.landed = true;
                }
                self.after_marker.push((id, verdict));
            }
            Event::Marker => {
                self.marker_under_way = false;
                if self.returned.is_empty() {
                    for (id, verdict) in std::mem::take(&mut self.before_marker) {
                        self.decide(id, verdict);
                    }
                }
            }
        }
        if !self.returned.is_empty() {
            self.decide_returns();
        } else if !self.marker_under_way && !self.after_marker.is_empty() {
            self.before_marker.append(&mut self.after_marker);
            self.marker_under_way = true;
            self.in_the_air
                .push(Box::pin(std::future::ready(Event::Marker)));
        }
        Ok(())
    }

    /// Rule 2: once everything has landed, every return has surfaced.
    fn decide_returns(&mut self) {
        if self.flights.values().any(|flight| !flight.landed) {
            return;
        }
        let mut landed = std::mem::take(&mut self.before_marker);
        landed.append(&mut self.after_marker);
        for (id, verdict) in landed {
            self.decide(id, verdict);
        }
        self.returned.clear();
    }

    fn decide(&mut self, id: u64, verdict: Verdict) {
        let Some(Flight { held, key, .. }) = self.flights.remove(&id) else {
            return;
        };
        let mut job = held.job;
        self.keys.remove(&key);
        let result = match (self.returned.get(&key), verdict) {
            (Some(reason), _) => Err(PublishError::Unroutable {
                exchange: job.exchange.clone(),
                routing_key: job.routing_key.clone(),
                reason: reason.clone(),
            }),
            (None, Verdict::Ack) => Ok(()),
            (None, Verdict::Nack) => Err(PublishError::Nacked),
        };
        job.answer(result);
    }

    /// Answers what has waited too long, in flight or before. The confirm may still come, so a
    /// message in flight stays there; when half of the window is such messages, or one of them stands
    /// in the way of deciding returns, the channel is given up.
    fn on_tick(&mut self) -> lapin::Result<()> {
        let now = Instant::now();
        let blocked = self.blocked.borrow().clone();
        if blocked.is_none() {
            self.open_time += now.saturating_duration_since(self.last_tick);
        }
        self.last_tick = now;
        let patience = self.limits.confirm_timeout;
        let open_time = self.open_time;
        let mut late = 0;
        let in_flight = self.flights.values_mut().filter(|flight| !flight.landed);
        for flight in in_flight {
            late += usize::from(flight.held.is_late(open_time, patience));
            flight.held.look(now, open_time, patience, blocked.as_ref());
        }
        for held in &mut self.waiting {
            held.look(now, open_time, patience, blocked.as_ref());
        }
        self.waiting.retain(|held| held.job.is_wanted());
        let blocks_others = !self.returned.is_empty() || self.is_alone();
        if late > WINDOW / 2 || (late > 0 && blocks_others) {
            return Err(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                "too many confirms did not come",
            )
            .into());
        }
        Ok(())
    }
}

impl Held {
    fn is_late(&self, open_time: Duration, patience: Duration) -> bool {
        open_time.saturating_sub(self.since_open) >= patience
    }

    /// Answers it if it has waited too long.
    fn look(
        &mut self,
        now: Instant,
        open_time: Duration,
        patience: Duration,
        blocked: Option<&String>,
    ) {
        if self.is_late(open_time, patience) {
            let timeout = PublishError::Timeout { after: patience };
            self.job.answer(Err(timeout));
        } else if let Some(reason) = blocked
            && self.job.when_blocked == WhenBlocked::GiveUp
            && now.saturating_duration_since(self.since) >= patience
        {
            let reason = reason.clone();
            self.job.answer(Err(PublishError::Blocked { reason }));
        }
    }
}

/// Which message was returned, and why.
fn return_of(message: &BasicReturnMessage) -> (Key, String) {
    let text = |text: &lapin::types::ShortString| text.as_str().to_owned();
    let id = message
        .properties
        .message_id()
        .as_ref()
        .map(text)
        .unwrap_or_default();
    (
        (id, text(&message.exchange), text(&message.routing_key)),
        text(&message.reply_text),
    )
}
