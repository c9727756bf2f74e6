//! One incarnation of a confirm channel: what is published on it, and what the broker says to that.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::flight::{Flight, Flights, Held, return_of};
use super::gate::Gate;
use super::job::KeyMaker;
use super::owner::Limits;
use super::renewal::Renewal;
use super::suspects::{Share, Suspects};
use super::{Job, Patience, PublishError};
use crate::link::{Incoming, Link, LinkError, Port};

/// How many messages are in flight at once. Confirms come in batches: more gains nothing.
const WINDOW: usize = 256;
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How long nothing else is published while what a broken channel left unconfirmed is on its way again.
const LANDING: Duration = Duration::from_secs(1);

pub(super) struct Session<'a> {
    port: &'a mut Port,
    renewal: &'a mut Renewal,
    suspects: &'a mut Suspects,
    share: Share,
    blocked: watch::Receiver<Option<String>>,
    /// Why the broker blocks us, while it does. Then nothing is published: what is not handed over can
    /// still be withdrawn.
    blocked_by: Option<String>,
    frame_max: usize,
    limits: Limits,
    /// The channel takes nothing any more.
    is_shut: bool,
    /// Every message that was published and whose fate is not decided.
    flights: Flights,
    key_maker: KeyMaker,
    /// Held back by a full window, by another one with the same key, or by a suspect.
    waiting: VecDeque<Held>,
    /// What was published before goes first, at most until then: the next message may break this channel
    /// too. Else somebody who keeps sending such messages would have the others stored again and again,
    /// and never confirmed.
    landing_until: Option<Instant>,
    /// Time that passed while the broker did not block us.
    open_time: Duration,
    last_look: Instant,
    /// Memory for the properties of one message, used again for the next.
    properties: Vec<u8>,
}

/// What outlives an incarnation.
pub(super) struct Lasting<'a> {
    pub(super) limits: Limits,
    pub(super) renewal: &'a mut Renewal,
    pub(super) suspects: &'a mut Suspects,
    pub(super) key_maker: KeyMaker,
}

/// Why a session ended with its channel intact.
pub(super) enum End {
    /// Nobody can send any more, and everything has landed.
    Finished,
    /// Another channel may take what this one refuses. This many messages on it had not landed.
    Refused { in_flight: usize },
}

impl<'a> Session<'a> {
    pub(super) fn new(
        link: &Arc<Link>,
        port: &'a mut Port,
        held: VecDeque<Box<Job>>,
        lasting: Lasting<'a>,
        last_broke: bool,
    ) -> Self {
        let Lasting {
            limits,
            renewal,
            suspects,
            key_maker,
        } = lasting;
        let waiting = held.into_iter();
        let waiting = waiting.map(|job| Held::new(job, &key_maker, Duration::ZERO));
        let waiting = waiting.collect();
        let mut blocked = link.blocked();
        let reason = blocked.borrow_and_update().clone();
        Self {
            frame_max: port.writer().frame_max(),
            port,
            renewal,
            suspects,
            share: Share::of(link),
            blocked,
            blocked_by: reason,
            limits,
            is_shut: false,
            flights: Flights::default(),
            key_maker,
            waiting,
            landing_until: last_broke.then(|| Instant::now() + LANDING),
            open_time: Duration::ZERO,
            last_look: Instant::now(),
            properties: Vec::new(),
        }
    }

    /// Publishes until the channel breaks (an error), is better left, or nobody can send any more and
    /// everything has landed. The gate says whether the broker blocks.
    pub(super) async fn run(
        &mut self,
        jobs: &mut mpsc::UnboundedReceiver<Box<Job>>,
        gate: &watch::Sender<Gate>,
    ) -> Result<End, LinkError> {
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
                next = self.port.next() => {
                    self.on_incoming(next)?;
                    // All that has come, before anything else is looked at.
                    while let Some(next) = self.port.try_next() {
                        self.on_incoming(next)?;
                    }
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
        for flight in self.flights.iter_mut() {
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
        let open_time = self.open_time;
        drop(self.share);
        let flights = self.flights.into_all().map(|mut flight| {
            flight.job.aloft += open_time.saturating_sub(flight.started_open);
            flight.job
        });
        let jobs = flights.chain(self.waiting.into_iter().map(|held| held.job));
        jobs.filter(|job| job.is_wanted()).collect()
    }

    fn has_room(&self) -> bool {
        self.blocked_by.is_none()
            && !self.is_shut
            && !self.renewal.is_wanted()
            && self.flights.len() < WINDOW
            && !self.is_alone()
    }

    /// Whether what is in flight must stay alone.
    fn is_alone(&self) -> bool {
        let must_be =
            |flight: &Flight| flight.job.is_last_try() || self.suspects.contains(flight.key);
        self.flights.len() == 1 && self.flights.iter().all(must_be)
    }

    /// The link ended over something that was in flight. Answers the message that was alone when that
    /// happened for the second time; the others are suspects from now on.
    pub(super) fn accuse(&mut self, error: &LinkError) {
        let was_alone = self.share.was_alone();
        for flight in self.flights.iter_mut() {
            if was_alone && self.suspects.convict(flight.key) {
                let what = format!(
                    "it was all that was on its way each time that the broker ended a link, twice: {error}"
                );
                let unsendable = PublishError::Unsendable { what };
                flight.job.answer(Err(unsendable));
            } else {
                self.suspects.suspect([flight.key]);
            }
        }
    }

    /// Whether what was published on another channel before is not confirmed yet.
    fn is_landing(&mut self) -> bool {
        let Some(until) = self.landing_until else {
            return false;
        };
        let has_landed = self.flights.is_empty() && !self.waiting.iter().any(|held| held.job.sent);
        if has_landed || Instant::now() >= until {
            self.landing_until = None;
        }
        self.landing_until.is_some()
    }

    fn start_waiting(&mut self) {
        let mut has_started = false;
        while self.has_room() {
            let is_landing = self.is_landing();
            let may_try = self.may_try_a_suspect();
            let is_free = self.share.is_free();
            // The first one whose key is free; in nearly every case the first one.
            let can_start = |held: &Held| {
                (held.job.sent || !is_landing)
                    && !self.flights.contains(held.key)
                    && (self.flights.is_empty() || !held.job.is_next_try_the_last())
                    && match self.suspects.contains(held.key) {
                        true => may_try,
                        false => is_free,
                    }
            };
            let free = self.waiting.iter().take(WINDOW).position(can_start);
            let Some(held) = free.and_then(|index| self.waiting.remove(index)) else {
                break;
            };
            self.start(held);
            has_started = true;
        }
        if has_started {
            self.port.writer().flush();
        }
    }

    /// Whether the link is ours for a suspect, if there is one. Without one nothing is asked.
    fn may_try_a_suspect(&mut self) -> bool {
        let suspects = &*self.suspects;
        let on_its_way = self.flights.iter().map(|flight| flight.key);
        let in_line = self.waiting.iter().take(WINDOW).map(|held| held.key);
        let mut here = on_its_way.chain(in_line);
        if suspects.are_none() || !here.any(|key| suspects.contains(key)) {
            self.share.release();
            return false;
        }
        self.share.may_try(Instant::now())
    }

    fn start(&mut self, Held { mut job, key, .. }: Held) {
        if !job.is_wanted() {
            return;
        }
        if let Err(error) = job.fits(self.frame_max, self.limits.max_message_size) {
            return job.answer(Err(error));
        }
        let message = job.as_publish(&mut self.properties);
        if !self.port.writer().publish(message) {
            // The broker has closed the channel: that is what comes next.
            self.is_shut = true;
            let since_open = self.open_time;
            return self.waiting.push_front(Held {
                job,
                key,
                since_open,
            });
        }
        job.starts();
        self.share.starts();
        self.flights.push(Flight {
            job,
            key,
            started: Instant::now(),
            started_open: self.open_time,
            returned: None,
        });
    }

    fn on_incoming(&mut self, incoming: Incoming) -> Result<(), LinkError> {
        match incoming {
            Incoming::Confirmed {
                tag,
                multiple,
                taken,
            } => {
                let (renewal, suspects) = (&mut self.renewal, &mut self.suspects);
                let share = &mut self.share;
                self.flights.confirmed(tag, multiple, |flight| {
                    share.landed();
                    suspects.cleared(flight.key);
                    if !taken && flight.returned.is_none() {
                        renewal.refused();
                    }
                    flight.land(taken);
                });
            }
            Incoming::Returned(returned) => {
                let (key, why) = return_of(&returned, &self.key_maker);
                self.flights.returned(key, why);
            }
            Incoming::Message(reply) => self.renewal.reply(reply),
            // Replies that do not come any more are missed at their deadlines.
            Incoming::ConsumerEnded => {}
            Incoming::Closed(why) => return Err(why),
        }
        Ok(())
    }

    /// Answers what has waited too long, in flight or before. The confirm may still come, so a
    /// message in flight stays there; when half of the window is such messages, or one of them must be
    /// alone, the channel is given up.
    fn on_tick(&mut self) -> Result<(), LinkError> {
        self.look_at_the_clock();
        let (now, open_time, patience) =
            (self.last_look, self.open_time, self.limits.confirm_timeout);
        let gate = self.gate();
        let mut late = 0;
        for flight in self.flights.iter_mut() {
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
        if late > WINDOW / 2 || (late > 0 && self.is_alone()) {
            return Err(LinkError::transient("too many confirms did not come"));
        }
        Ok(())
    }

    /// Whether the broker blocks us is looked at before anything is started.
    fn look_at_the_alarm(&mut self, gate: &watch::Sender<Gate>) -> Result<(), LinkError> {
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
