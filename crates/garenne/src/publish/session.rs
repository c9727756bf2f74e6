//! One incarnation of a confirm channel: what is in flight, and whose confirm a confirm is.
//!
//! A mandatory message that no queue takes is *returned* and then confirmed with an ack. lapin
//! attaches a return to whichever confirm completes next, which may be another message's, so a
//! confirm alone does not say that its message was stored. Two rules make it certain:
//!
//! 1. lapin hands the oldest unclaimed return to every confirm that completes. A confirm without a
//!    return therefore says: every return so far went to a confirm that completed *before* this one.
//!    It is believed as soon as all those have been seen, which a mark tells: futures are woken in the
//!    order in which their confirms complete, and the mark comes up behind them.
//! 2. A confirm with somebody's return says nothing about its own. From then on nothing is
//!    published and nothing believed until all that is in flight has landed: then every return has
//!    surfaced, and is matched by message id, exchange and routing key.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io::{Error, ErrorKind};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use lapin::Channel;
use slab::Slab;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::air::Air;
use super::flight::{Flight, FlightId, Fly, Held, Landing, Verdict};
use super::gate::Gate;
use super::job::{Key, KeyMaker, Keys};
use super::landed::Landed;
use super::owner::Limits;
use super::renewal::Renewal;
use super::{Job, Patience, PublishError};
use crate::futures::Next;
use crate::link::{Link, Loss};

/// How many messages are in flight at once. Confirms come in batches: more gains nothing.
const WINDOW: usize = 256;
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(250);

pub(super) struct Session<'a, F> {
    channel: Channel,
    renewal: &'a mut Renewal,
    loss: Loss,
    blocked: watch::Receiver<Option<String>>,
    /// Why the broker blocks us, while it does. Then nothing is started: what is not handed over can
    /// still be withdrawn.
    blocked_by: Option<String>,
    frame_max: usize,
    limits: Limits,
    /// Every message handed to the channel whose fate is not decided.
    flights: Slab<Flight>,
    /// How they are handed to the channel, which ends when their confirms come.
    fly: Fly<F>,
    in_the_air: Air<F>,
    key_maker: KeyMaker,
    /// What is in flight: two with the same key could not be told apart when one is returned.
    keys: Keys,
    /// Held back by a full window, by the returns of rule 2, or by another one with the same key.
    waiting: VecDeque<Held>,
    landed: Landed,
    /// The returns of rule 2; not empty = nothing is published.
    returned: HashMap<Key, String>,
    /// Time that passed while the broker did not block us.
    open_time: Duration,
    last_look: Instant,
    next_number: u64,
}

/// Why a session ended with its channel intact.
pub(super) enum End {
    /// Nobody can send any more, and everything has landed.
    Finished,
    /// What the channel refuses, another may take; so many messages on it had not landed.
    Refused { in_flight: usize },
}

impl<'a, F> Session<'a, F>
where
    F: Future<Output = lapin::Result<Landing>>,
{
    pub(super) fn new(
        link: &Link,
        channel: Channel,
        limits: Limits,
        held: VecDeque<Box<Job>>,
        renewal: &'a mut Renewal,
        fly: Fly<F>,
    ) -> Self {
        link.expects(WINDOW);
        let key_maker = KeyMaker::default();
        let waiting = held.into_iter();
        let waiting = waiting.map(|job| Held::new(job, &key_maker, Duration::ZERO));
        let waiting = waiting.collect();
        let mut blocked = link.blocked();
        let reason = blocked.borrow_and_update().clone();
        Self {
            channel,
            renewal,
            loss: link.loss(),
            blocked,
            blocked_by: reason,
            frame_max: link.frame_max(),
            limits,
            flights: Slab::new(),
            fly,
            in_the_air: Air::new(link),
            key_maker,
            keys: Keys::default(),
            waiting,
            landed: Landed::default(),
            returned: HashMap::new(),
            open_time: Duration::ZERO,
            last_look: Instant::now(),
            next_number: 0,
        }
    }

    /// Publishes until the channel breaks (an error), is better left, or nobody can send any more and
    /// everything has landed. The gate says whether the broker blocks.
    pub(super) async fn run(
        &mut self,
        jobs: &mut mpsc::UnboundedReceiver<Box<Job>>,
        gate: &watch::Sender<Gate>,
    ) -> lapin::Result<End> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut open = true;
        gate.send_replace(self.gate());
        loop {
            self.look_at_the_alarm(gate)?;
            self.start_waiting();
            if !open && self.flights.is_empty() && self.waiting.is_empty() {
                return Ok(End::Finished);
            }
            if self.renewal.is_due(self.flights.len()) {
                return Ok(self.leave());
            }
            tokio::select! {
                biased;
                next = poll_fn(|cx| self.in_the_air.poll_next(cx)) => {
                    self.on_next(next)?;
                    // All that has landed, before anything else is looked at.
                    let mut cx = Context::from_waker(Waker::noop());
                    while let Poll::Ready(next) = self.in_the_air.poll_next(&mut cx) {
                        self.on_next(next)?;
                    }
                }
                // What is in the air ends with the link, and knows better why.
                () = self.loss.happened(), if self.in_the_air.is_empty() => {
                    return Err(broken(ErrorKind::ConnectionAborted, "the link was lost"));
                }
                Ok(()) = self.blocked.changed() => self.blocked.mark_changed(),
                job = jobs.recv(), if open => match job {
                    Some(job) => {
                        self.take(job);
                        while let Ok(job) = jobs.try_recv() {
                            self.take(job);
                        }
                    }
                    None => open = false,
                },
                // With nothing to look at, the task sleeps.
                _ = ticks.tick(), if self.has_work() => self.on_tick()?,
            }
        }
    }

    fn leave(&mut self) -> End {
        for (_, flight) in &mut self.flights {
            // The channel did not break over it.
            flight.job.tries = flight.job.tries.saturating_sub(1);
        }
        End::Refused {
            in_flight: self.flights.len(),
        }
    }

    fn has_work(&self) -> bool {
        !self.flights.is_empty() || !self.waiting.is_empty() || self.renewal.is_wanted()
    }

    fn gate(&self) -> Gate {
        match &self.blocked_by {
            Some(reason) => Gate::Blocked(reason.clone()),
            None => Gate::Open,
        }
    }

    fn take(&mut self, mut job: Box<Job>) {
        if self.blocked_by.is_some() && job.patience == Patience::FailFast {
            return job.refuse(&self.gate(), self.limits.confirm_timeout);
        }
        if self.flights.is_empty() && self.waiting.is_empty() {
            // Nobody looked at the time while there was nothing to wait for.
            self.look_at_the_clock();
        }
        let held = Held::new(job, &self.key_maker, self.open_time);
        self.waiting.push_back(held);
    }

    /// What was not answered, in the order in which it came, for whoever sorts it out.
    pub(super) fn into_unanswered(self) -> VecDeque<Box<Job>> {
        let flights = self.flights.into_iter().map(|(_, flight)| flight);
        let mut flights: Vec<_> = flights.collect();
        flights.sort_unstable_by_key(|flight| flight.number);
        let open_time = self.open_time;
        let flights = flights.into_iter().map(|mut flight| {
            flight.job.aloft += open_time.saturating_sub(flight.started_open);
            flight.job
        });
        let jobs = flights.chain(self.waiting.into_iter().map(|held| held.job));
        jobs.filter(|job| job.is_wanted()).collect()
    }

    fn has_room(&self) -> bool {
        self.returned.is_empty()
            && self.blocked_by.is_none()
            && !self.renewal.is_wanted()
            && self.flights.len() < WINDOW
            && !self.is_alone()
    }

    /// Whether what is in flight must stay alone.
    fn is_alone(&self) -> bool {
        let mut flights = self.flights.iter();
        self.flights.len() == 1 && flights.all(|(_, flight)| flight.job.is_last_try())
    }

    fn start_waiting(&mut self) {
        while self.has_room() {
            // The first one whose key is free; in nearly every case the first one.
            let can_start = |held: &Held| {
                !self.keys.contains(&held.key)
                    && (self.flights.is_empty() || !held.job.is_next_try_the_last())
            };
            let free = self.waiting.iter().take(WINDOW).position(can_start);
            let Some(held) = free.and_then(|index| self.waiting.remove(index)) else {
                return;
            };
            self.start(held);
        }
    }

    fn start(&mut self, Held { mut job, key, .. }: Held) {
        if !job.is_wanted() {
            return;
        }
        if let Err(error) = job.fits(self.frame_max, self.limits.max_message_size) {
            return job.answer(Err(error));
        }
        job.starts();
        let place = self.flights.vacant_key();
        let number = self.next_number;
        self.next_number += 1;
        let id = FlightId { number, place };
        let flying = (self.fly)(&self.channel, &job, &self.key_maker);
        self.in_the_air.push(id, flying);
        self.keys.insert(key);
        self.flights.insert(Flight {
            job,
            number,
            key,
            started: Instant::now(),
            started_open: self.open_time,
            landed: false,
        });
    }

    fn on_next(&mut self, next: Next<FlightId, lapin::Result<Landing>>) -> lapin::Result<()> {
        match next {
            Next::Ended(id, result) => {
                let Landing { verdict, returned } = result?;
                self.returned.extend(returned.map(|returned| *returned));
                if let Some(flight) = self.flights.get_mut(id.place) {
                    flight.landed = true;
                }
                self.landed.add(id, verdict);
            }
            Next::Mark => {
                self.landed.mark_came_up();
                if self.returned.is_empty() {
                    self.decide_landed();
                }
            }
        }
        if !self.returned.is_empty() {
            self.decide_returns();
        } else if self.landed.wants_mark() {
            self.in_the_air.mark();
        }
        Ok(())
    }

    /// Rule 2: once everything has landed, every return has surfaced.
    fn decide_returns(&mut self) {
        if self.flights.iter().any(|(_, flight)| !flight.landed) {
            return;
        }
        self.landed.all_have_landed();
        self.decide_landed();
        self.returned.clear();
    }

    fn decide_landed(&mut self) {
        while let Some((id, verdict)) = self.landed.pop() {
            self.decide(id, verdict);
        }
    }

    fn decide(&mut self, id: FlightId, verdict: Verdict) {
        let Some(Flight { mut job, key, .. }) = self.flights.try_remove(id.place) else {
            return;
        };
        self.keys.remove(&key);
        let result = match (self.returned.get(&key), verdict) {
            (Some(reason), _) => Err(PublishError::Unroutable {
                exchange: job.exchange.clone(),
                routing_key: job.routing_key.clone(),
                reason: reason.clone(),
            }),
            (None, Verdict::Ack) => Ok(()),
            (None, Verdict::Nack) => {
                self.renewal.refused();
                Err(PublishError::Nacked)
            }
        };
        job.answer(result);
    }

    /// Answers what has waited too long, in flight or before. The confirm may still come, so a
    /// message in flight stays there; when half of the window is such messages, or one of them stands
    /// in the way of deciding returns, the channel is given up.
    fn on_tick(&mut self) -> lapin::Result<()> {
        self.look_at_the_clock();
        let (now, open_time, patience) =
            (self.last_look, self.open_time, self.limits.confirm_timeout);
        let gate = self.gate();
        let mut late = 0;
        let flights = self.flights.iter_mut().map(|(_, flight)| flight);
        for flight in flights.filter(|flight| !flight.landed) {
            if flight.is_late(open_time, patience) {
                late += 1;
                flight.refuse(&Gate::Open, patience);
            } else if gate.is_closed() && !flight.may_stay(now, patience) {
                flight.refuse(&gate, patience);
            }
        }
        for held in &mut self.waiting {
            if !held.may_wait(now, open_time, &gate, patience) {
                held.job.refuse(&gate, patience);
            }
        }
        self.waiting.retain(|held| held.job.is_wanted());
        let blocks_others = !self.returned.is_empty() || self.is_alone();
        if late > WINDOW / 2 || (late > 0 && blocks_others) {
            let why = "too many confirms did not come";
            return Err(broken(ErrorKind::TimedOut, why));
        }
        Ok(())
    }

    /// Whether the broker blocks us is looked at before anything is started.
    fn look_at_the_alarm(&mut self, gate: &watch::Sender<Gate>) -> lapin::Result<()> {
        if !self.blocked.has_changed().unwrap_or(false) {
            return Ok(());
        }
        self.look_at_the_clock();
        self.blocked_by = self.blocked.borrow_and_update().clone();
        gate.send_replace(self.gate());
        if self.blocked_by.is_some() {
            self.renewal.call_off();
        }
        self.on_tick()
    }

    fn look_at_the_clock(&mut self) {
        let now = Instant::now();
        if self.blocked_by.is_none() {
            self.open_time += now.saturating_duration_since(self.last_look);
        }
        self.last_look = now;
    }
}

fn broken(kind: ErrorKind, why: &str) -> lapin::Error {
    Error::new(kind, why).into()
}
