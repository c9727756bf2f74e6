//! A broker and a shell around the machine. They keep books of their own, and compare every step with them.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use garenne_core::publishing::{
    Answer, Broke, Conditions, GRACE, Gate, LinkSeen, OutageWait, Publishing, RESENDS_FIRST, Ready,
    Step, WINDOW,
};
use garenne_core::{Moment, Refusals};

use super::books::{Letter, Record};
use super::link::{Link, Share};

pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// How long confirms are waited for before a channel is left that refuses.
const LAST_CONFIRMS: Duration = Duration::from_secs(1);

/// An exchange whose messages are too large: the shell answers them itself.
const TOO_LARGE: &str = "too large";

/// How a channel ended last.
#[derive(Clone, Debug, Default)]
pub(super) struct Ending {
    pub(super) code: u16,
    /// The exchange that the broker names.
    pub(super) names: Option<&'static str>,
    pub(super) loses_link: bool,
}

#[derive(Debug)]
pub(super) struct Scene {
    pub(super) machine: Publishing<Letter, Share>,
    pub(super) now: Moment,
    pub(super) records: Vec<Record>,
    pub(super) link: Rc<Link>,
    pub(super) has_channel: bool,
    pub(super) blocked: bool,
    /// The channel takes nothing any more.
    pub(super) is_shut: bool,
    /// What the broker has read on this channel and not confirmed, by number.
    pub(super) unconfirmed: BTreeMap<u64, usize>,
    /// How many messages were published on this channel.
    pub(super) last_number: u64,
    /// The messages that were published on this channel, in order.
    pub(super) published_here: Vec<usize>,
    pub(super) open_time: Duration,
    pub(super) ending: Ending,
    pub(super) grace_until: Moment,
    pub(super) announced: Gate,
    /// How often each suspect has ended a link alone.
    pub(super) suspects: HashMap<u64, u8>,
    /// What was published on an earlier channel and goes first on this one, and until when.
    pub(super) goes_first: (Vec<usize>, Moment),
    resends_first: bool,
    refusals: Refusals,
    /// Until when confirms are waited for before the channel is left.
    pub(super) leaves_at: Option<Moment>,
    pub(super) renewals: usize,
    pub(super) is_finished: bool,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self {
            machine: Publishing::new(TIMEOUT),
            now: Moment::default(),
            records: Vec::new(),
            link: Rc::default(),
            has_channel: false,
            blocked: false,
            is_shut: false,
            unconfirmed: BTreeMap::new(),
            last_number: 0,
            published_here: Vec::new(),
            open_time: Duration::ZERO,
            ending: Ending::default(),
            grace_until: Moment::default(),
            announced: Gate::Open,
            suspects: HashMap::new(),
            goes_first: (Vec::new(), Moment::default()),
            resends_first: false,
            refusals: Refusals::default(),
            leaves_at: None,
            renewals: 0,
            is_finished: false,
        }
    }

    fn seen(&self) -> LinkSeen {
        let blocked = self.blocked.then(|| "low on memory".to_owned());
        if self.link.is_down.get() {
            LinkSeen::Down
        } else {
            LinkSeen::Up { blocked }
        }
    }

    pub(super) fn send(&mut self, key: u64, exchange: &'static str, wait: OutageWait) -> usize {
        let id = self.records.len();
        let record = Record::new(key, exchange, wait, (self.now, self.open_time));
        let letter = Letter {
            id,
            exchange,
            is_wanted: Rc::clone(&record.is_wanted),
        };
        self.records.push(record);
        let since = self.now;
        self.machine.sees(self.seen(), self.now);
        self.machine
            .take(letter, Conditions { key, wait, since }, self.now);
        self.drain();
        id
    }

    /// Whoever waits for it waits no more.
    pub(super) fn abandon(&mut self, id: usize) {
        let record = &mut self.records[id];
        record.is_abandoned |= record.is_wanted.replace(false);
    }

    pub(super) fn set_link(&mut self, is_up: bool) {
        if !self.has_channel && self.link.is_down.get() == is_up {
            self.link = Rc::default();
            self.link.is_down.set(!is_up);
            self.link.now.set(self.now);
        }
        self.look_without_channel();
    }

    fn look_without_channel(&mut self) {
        self.machine.sees(self.seen(), self.now);
        self.drain();
    }

    pub(super) fn open(&mut self) {
        let is_early = self.machine.opens_at().is_some_and(|at| self.now < at);
        if self.has_channel || self.link.is_down.get() || is_early {
            return;
        }
        self.has_channel = true;
        self.last_number = 0;
        self.published_here.clear();
        self.goes_first.0.clear();
        let resends_first = std::mem::take(&mut self.resends_first);
        self.goes_first.1 = self.now + RESENDS_FIRST;
        for (id, record) in self.records.iter_mut().enumerate() {
            record.here_since = self.open_time;
            if resends_first && record.sent {
                self.goes_first.0.push(id);
            }
        }
        let blocked = self.blocked.then(|| "low on memory".to_owned());
        let share = Share(Rc::clone(&self.link));
        self.machine.opened(share, blocked, self.now);
        self.drain();
    }

    pub(super) fn block(&mut self, blocked: bool) {
        self.blocked = blocked;
        if blocked && self.has_channel {
            self.leaves_at = None;
        }
        let reason = blocked.then(|| "low on memory".to_owned());
        self.machine.blocked(reason, self.now);
        self.look_without_channel();
    }

    /// The broker confirms one message, or all up to it.
    pub(super) fn confirm(&mut self, number: u64, multiple: bool, taken: bool) {
        let from = if multiple { 1 } else { number };
        let covered: Vec<_> = self
            .unconfirmed
            .range(from..=number)
            .map(|(number, id)| (*number, *id))
            .collect();
        for (number, id) in &covered {
            self.unconfirmed.remove(number);
            let record = &mut self.records[*id];
            record.confirm = Some(taken);
            self.suspects.remove(&record.key);
            if !taken && !record.returned && !self.blocked && self.refusals.refused(self.now) {
                self.leaves_at.get_or_insert(self.now + LAST_CONFIRMS);
            }
        }
        self.machine.confirmed(number, multiple, taken, self.now);
        self.drain();
        for (_, id) in covered {
            let record = &self.records[id];
            assert!(
                record.answer.is_some(),
                "{id} is confirmed and not answered"
            );
        }
    }

    /// The broker returns a message. Its confirm comes later.
    pub(super) fn bounce(&mut self, number: u64) {
        let record = &mut self.records[self.unconfirmed[&number]];
        record.returned = true;
        self.machine.returned(record.key, "NO_ROUTE".to_owned());
        self.drain();
    }

    /// The channel breaks, alone or with its link.
    pub(super) fn break_channel(&mut self, ending: &Ending) {
        if !self.has_channel {
            return;
        }
        let named = ending.names;
        let is_named =
            |it: &Record| it.answer.is_none() && it.is_wanted.get() && Some(it.exchange) == named;
        let is_our_fault = self.records.iter().any(is_named) || ending.code == 504;
        let link_lost = ending.loses_link && !is_our_fault;
        if ending.loses_link && [504, 541].contains(&ending.code) {
            self.suspect();
        }
        self.end_channel(link_lost || self.records.iter().any(is_named));
        self.ending = ending.clone();
        let grace = if link_lost { Duration::ZERO } else { GRACE };
        self.grace_until = self.now + grace;
        self.resends_first = !link_lost;
        self.refusals.reopened();
        self.link.is_down.set(ending.loses_link);
        let text = named.map_or_else(
            || "the broker went away".to_owned(),
            |exchange| format!("NOT_FOUND - no exchange '{exchange}' in vhost '/'"),
        );
        let how = Broke {
            code: ending.code,
            text: &text,
            link_is_up: !ending.loses_link,
        };
        self.machine.broke(&how, self.seen(), self.now);
        self.drain();
        self.ending = Ending::default();
    }

    fn suspect(&mut self) {
        let is_alone = self.unconfirmed.len() == 1 && self.link.others.get() == 0;
        for id in self.unconfirmed.values() {
            let count = self.suspects.entry(self.records[*id].key).or_default();
            *count += u8::from(is_alone);
        }
    }

    fn end_channel(&mut self, takes_tries_back: bool) {
        for id in std::mem::take(&mut self.unconfirmed).into_values() {
            let record = &mut self.records[id];
            record.unconfirmed += self.open_time - record.here_since;
            record.tries -= u32::from(takes_tries_back);
            record.returned = false;
            record.confirm = None;
        }
        (self.has_channel, self.is_shut, self.leaves_at) = (false, false, None);
    }

    /// Lets time pass, and wakes the machine whenever it wants.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            let wakes_at = self.machine.wakes_at();
            let wakes_at = wakes_at.filter(|at| *at <= end);
            let next = wakes_at.map_or(end, |at| at.max(self.now));
            if !self.blocked {
                self.open_time += next.saturating_since(self.now);
            }
            self.now = next;
            self.link.now.set(next);
            if wakes_at.is_some() {
                self.machine.look(self.now);
                self.drain();
                self.check_no_confirm_is_late();
            }
        }
    }

    /// Does what the machine says until it has nothing more to say.
    pub(super) fn drain(&mut self) {
        while let Some(step) = self.machine.next_step(self.now) {
            match step {
                Step::Publish(ready) => self.publish(ready),
                Step::Answer(letter, answer) => self.answer(letter.id, answer),
                Step::Tell { number, answer } => {
                    let id = self.machine.in_flight_mut(number).map(|letter| letter.id);
                    assert_eq!(id, self.unconfirmed.get(&number).copied());
                    self.answer(id.unwrap(), answer);
                }
                Step::Announce(gate) => {
                    self.check_announcement(&gate);
                    self.announced = gate;
                }
                Step::Renew { in_flight } => {
                    assert_eq!(in_flight, self.unconfirmed.len());
                    assert!(!self.link.awaits_replies.get() && !self.blocked);
                    self.renewals += 1;
                    self.refusals.renewed();
                    self.end_channel(true);
                }
                Step::GiveUp => {
                    let in_flight = self.unconfirmed.values();
                    let mut told = in_flight.filter(|id| self.records[**id].answer.is_some());
                    assert!(told.next().is_some(), "no confirm is late");
                    self.break_channel(&Ending::default());
                }
                Step::Finish => {
                    self.is_finished = true;
                    return;
                }
            }
        }
        if let Some(at) = self.leaves_at {
            let (is_over, is_awaited) = (self.now >= at, self.link.awaits_replies.get());
            assert!(is_awaited || (!is_over && !self.unconfirmed.is_empty()));
            if is_over {
                self.leaves_at = None;
                self.refusals.renewed();
            }
        }
    }

    fn publish(&mut self, mut ready: Ready<Letter>) {
        let id = ready.message().id;
        self.check_publish(id);
        let record = &mut self.records[id];
        assert_eq!(ready.was_sent(), record.sent);
        if record.exchange == TOO_LARGE {
            drop(ready.into_message());
            let too_large = Answer::TooLarge(TOO_LARGE.to_owned());
            record.answer = Some((too_large, self.now));
            return;
        }
        if self.is_shut {
            return self.machine.is_shut(ready);
        }
        assert_eq!(ready.message_mut().id, id);
        (record.sent, record.here_since) = (true, self.open_time);
        record.tries += 1;
        let number = self.machine.published(ready, self.now).unwrap();
        self.last_number += 1;
        assert_eq!(number, self.last_number);
        self.unconfirmed.insert(number, id);
        self.published_here.push(id);
        assert!(self.unconfirmed.len() <= WINDOW);
    }

    /// Every answer is true, and there is one.
    fn answer(&mut self, id: usize, answer: Answer) {
        self.check_answer(&self.records[id], &answer);
        let record = &mut self.records[id];
        if let Answer::EndsLinks(_) = answer {
            self.suspects.remove(&record.key);
        }
        assert_eq!(record.answer, None, "{id} is answered twice");
        record.answer = Some((answer, self.now));
        record.is_wanted.set(false);
    }
}
