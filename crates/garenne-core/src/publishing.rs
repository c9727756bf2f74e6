//! Publishing with confirms: when each message is published, which confirm is its own, and what follows the
//! loss of a channel or link.

mod answer;
mod blame;
mod channel;
mod ends;
mod in_flight;
mod message;
mod open_time;
mod renewal;
mod suspects;

use std::collections::VecDeque;
use std::time::Duration;

pub use answer::{Answer, Gate};
use channel::Channel;
pub use channel::{SharedLink, WAIT_TO_BE_ALONE, WINDOW};
pub use ends::{Broke, GRACE, LinkSeen, PAUSE, RESENDS_FIRST};
use in_flight::Unconfirmed;
use message::Tracked;
pub use message::{Conditions, MAX_TRIES, MessageKey, Names, OutageWait, Publishable, Ready};
use open_time::OpenTime;
use renewal::Renewal;
use suspects::Suspects;
pub use suspects::accuses;

use crate::time::Moment;

/// How often deadlines are checked while any message waits.
pub const TICK: Duration = Duration::from_millis(250);

/// Decides which messages the current confirm channel publishes, and how each message is answered.
///
/// It gets facts: a message is to be sent ([`take`](Self::take)), a channel is open or has ended
/// ([`opened`](Self::opened), [`broke`](Self::broke)), the broker has spoken ([`confirmed`](Self::confirmed),
/// [`returned`](Self::returned), [`blocked`](Self::blocked)), and the time ([`look`](Self::look), due at
/// [`wakes_at`](Self::wakes_at)). After each fact it has steps for its driver:
/// [`next_step`](Self::next_step), until there is none.
///
/// Every message that it takes is answered once, by [`Step::Answer`] or by [`Step::Tell`]. Only a message
/// whose sender has stopped waiting ([`Publishable::is_wanted`]) is dropped without an answer.
///
/// `M` is a message, which moves in and out again and is never copied; `L` is the link of a channel, which
/// other channels share.
#[derive(Debug)]
pub struct Publishing<M, L> {
    confirm_timeout: Duration,
    /// The messages that wait to be published, in this order.
    backlog: VecDeque<Tracked<M>>,
    channel: Option<Channel<M, L>>,
    /// No sender is left.
    is_closing: bool,
    steps: VecDeque<Step<M>>,
    open_time: OpenTime,
    suspects: Suspects,
    renewal: Renewal,
    /// Whether the broker takes messages.
    gate: Gate,
    /// The last gate that the senders were told.
    announced: Gate,
    /// Until this moment, messages wait for a link that is down. A message of ours caused its loss, and its
    /// neighbours are not to blame. RabbitMQ may end the connection some time after the channel.
    grace_until: Option<Moment>,
    /// Why the last link was lost.
    last_loss: Option<String>,
    /// The last channel broke, but not together with its link: the messages that it left go first on the next
    /// channel.
    resends_first: bool,
    opens_at: Option<Moment>,
    looks_at: Moment,
}

/// A step for the driver.
#[derive(Debug)]
pub enum Step<M> {
    /// Publish the message.
    Publish(Ready<M>),
    /// Tell the sender of the message how it ended. The message has left.
    Answer(M, Answer),
    /// Tell the sender of the message in flight with this number ([`Publishing::in_flight_mut`]) that there
    /// is no confirm yet. The message stays in flight, because its confirm may still come, and is not
    /// answered again.
    Tell {
        /// Its number on the channel.
        number: u64,
        /// The answer.
        answer: Answer,
    },
    /// Tell the senders whether the broker takes messages, before the answers that follow from it.
    Announce(Gate),
    /// Close the old channel, which is no longer used, and open a new channel: the broker kept refusing
    /// messages.
    Renew {
        /// How many messages on the old channel had no confirm.
        in_flight: usize,
    },
    /// Treat the channel as broken ([`Publishing::broke`]): too many confirms did not come.
    GiveUp,
    /// End: no sender is left, and no message waits.
    Finish,
}

impl<M: Publishable, L: SharedLink> Publishing<M, L> {
    /// Without a channel, and without messages. `confirm_timeout` is how long a confirm is waited for; time
    /// in which the broker blocks publishers does not count.
    #[must_use]
    pub fn new(confirm_timeout: Duration) -> Self {
        Self {
            confirm_timeout,
            backlog: VecDeque::new(),
            channel: None,
            is_closing: false,
            steps: VecDeque::new(),
            open_time: OpenTime::default(),
            suspects: Suspects::default(),
            renewal: Renewal::default(),
            gate: Gate::Open,
            announced: Gate::Open,
            grace_until: None,
            last_loss: None,
            resends_first: false,
            opens_at: None,
            looks_at: Moment::default(),
        }
    }

    /// A message is to be sent. Without a channel, call [`sees`](Self::sees) first: the state of the link
    /// decides whether the message may wait.
    pub fn take(&mut self, message: M, conditions: Conditions, now: Moment) {
        let mut tracked = Tracked::new(message, conditions);
        tracked.here_since = self.open_time.at(now);
        let goes_at_once = self.channel.is_some() && !self.gate.is_closed();
        if goes_at_once || self.may_wait(&tracked, now) {
            self.backlog.push_back(tracked);
        } else {
            self.refuse(tracked);
        }
    }

    /// No sender is left.
    pub fn close(&mut self) {
        self.is_closing = true;
    }

    /// The broker has confirmed the message with this number, or all messages up to it; `taken` is `false`
    /// for a nack. A number that was never published on this channel, or was confirmed before, is ignored.
    pub fn confirmed(&mut self, number: u64, multiple: bool, taken: bool, now: Moment) {
        let Some(channel) = &mut self.channel else {
            return;
        };
        for number in channel.in_flight.numbers(number, multiple) {
            let Some((it, returned)) = channel.in_flight.take(number) else {
                continue;
            };
            channel.link.ends();
            self.suspects.clear(it.tracked.key());
            // A broker that blocks publishers opens no new channel.
            if !taken && returned.is_none() && !self.gate.is_closed() {
                self.renewal.refused(now);
            }
            if it.tracked.is_answered {
                continue;
            }
            let answer = match returned {
                Some(why) => Answer::Unroutable(why),
                None if taken => Answer::Confirmed,
                None => Answer::Nacked,
            };
            self.steps
                .push_back(Step::Answer(it.tracked.message, answer));
        }
    }

    /// The broker has returned the message with this key and this text. Its confirm follows.
    pub fn returned(&mut self, key: MessageKey, why: String) {
        if let Some(channel) = &mut self.channel {
            channel.in_flight.returned(key, why);
        }
    }

    /// The broker blocks publishers for this reason, or, with `None`, no longer blocks them.
    pub fn blocked(&mut self, reason: Option<String>, now: Moment) {
        if self.channel.is_none() {
            return;
        }
        self.set_blocked(reason, now);
        if self.gate.is_closed() {
            self.renewal.call_off();
        }
        self.look(now);
    }

    /// The next step, if there is one now.
    pub fn next_step(&mut self, now: Moment) -> Option<Step<M>> {
        if let Some(step) = self.steps.pop_front() {
            return Some(step);
        }
        if let Some(ready) = self.next_to_publish(now) {
            return Some(Step::Publish(ready));
        }
        if self.is_closing && self.is_idle() {
            return Some(Step::Finish);
        }
        self.renew(now)
    }

    /// The message was published. Returns its number on the channel; `None` if the channel is gone and the
    /// message waits for another.
    pub fn published(&mut self, ready: Ready<M>, now: Moment) -> Option<u64> {
        let Ready(mut tracked) = ready;
        let Some(channel) = &mut self.channel else {
            self.backlog.push_front(tracked);
            return None;
        };
        tracked.tries += 1;
        tracked.sent = true;
        tracked.here_since = self.open_time.at(now);
        channel.link.starts();
        let published = now;
        Some(channel.in_flight.push(Unconfirmed { tracked, published }))
    }

    /// The message was not published, because the broker has closed the channel. [`broke`](Self::broke) comes
    /// next.
    pub fn is_shut(&mut self, ready: Ready<M>) {
        let Ready(tracked) = ready;
        self.backlog.push_front(tracked);
        if let Some(channel) = &mut self.channel {
            channel.is_shut = true;
        }
    }

    /// The message in flight with this number, for [`Step::Tell`].
    pub fn in_flight_mut(&mut self, number: u64) -> Option<&mut M> {
        let message = self.channel.as_mut()?.in_flight.get_mut(number)?;
        Some(&mut message.tracked.message)
    }

    /// The messages that wait to be published, in their order.
    pub fn backlog(&self) -> impl Iterator<Item = &M> {
        self.backlog.iter().map(|it| &it.message)
    }

    /// All unanswered messages, and whether each may be stored.
    pub fn into_unanswered(mut self, now: Moment) -> impl Iterator<Item = (M, bool)> {
        self.end_channel(now);
        self.backlog.into_iter().map(|it| (it.message, it.sent))
    }

    /// When [`look`](Self::look) is due, if no other fact comes before.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Moment> {
        let renews = self.channel.is_some() && self.renewal.is_wanted();
        (renews || !self.is_idle()).then_some(self.looks_at)
    }

    /// Answers the messages that have waited too long, in flight or before. A confirm may still come, so a
    /// message in flight stays there. The channel is given up when more than half of the window is late, or
    /// when a late message must stay alone.
    pub fn look(&mut self, now: Moment) {
        self.looks_at = now + TICK;
        self.announce(now);
        let is_too_late = self.look_at_what_is_in_flight(now);
        self.look_at_the_backlog(now);
        if is_too_late {
            self.steps.push_back(Step::GiveUp);
        }
    }

    fn is_idle(&self) -> bool {
        let channel = self.channel.as_ref();
        self.backlog.is_empty() && channel.is_none_or(|channel| channel.in_flight.is_empty())
    }

    fn next_to_publish(&mut self, now: Moment) -> Option<Ready<M>> {
        let channel = self.channel.as_mut()?;
        if self.gate.is_closed() || self.renewal.is_wanted() {
            return None;
        }
        while channel.has_room(&self.suspects) {
            let next = channel.next_of(&self.backlog, &self.suspects, now)?;
            let next = match next {
                // The usual case, and cheaper.
                0 => self.backlog.pop_front()?,
                next => self.backlog.remove(next)?,
            };
            if next.message.is_wanted() {
                return Some(Ready(next));
            }
        }
        None
    }

    /// Whether too many confirms did not come.
    fn look_at_what_is_in_flight(&mut self, now: Moment) -> bool {
        let Some(channel) = &mut self.channel else {
            return false;
        };
        let open_time = self.open_time.at(now);
        let mut late = 0;
        for (number, it) in channel.in_flight.numbered_mut() {
            let is_late = it.age(open_time) >= self.confirm_timeout;
            late += usize::from(is_late);
            let gate = if is_late {
                &Gate::Open
            } else if self.gate.is_closed() && !it.may_stay(now, self.confirm_timeout) {
                &self.gate
            } else {
                continue;
            };
            if !std::mem::replace(&mut it.tracked.is_answered, true) {
                let (gate, sent) = (gate.clone(), true);
                let answer = Answer::NotTaken { gate, sent };
                self.steps.push_back(Step::Tell { number, answer });
            }
        }
        late > WINDOW / 2 || (late > 0 && channel.must_stay_alone(&self.suspects))
    }

    fn look_at_the_backlog(&mut self, now: Moment) {
        for _ in 0..self.backlog.len() {
            let Some(tracked) = self.backlog.pop_front() else {
                return;
            };
            if !self.may_wait(&tracked, now) {
                self.refuse(tracked);
            } else if tracked.message.is_wanted() {
                self.backlog.push_back(tracked);
            }
        }
    }

    /// Whether the message may stay in the backlog.
    fn may_wait(&self, it: &Tracked<M>, now: Moment) -> bool {
        let Conditions { wait, since, .. } = it.conditions;
        if self.channel.is_none() {
            return match self.gate {
                // A channel is being opened.
                Gate::Open | Gate::Blocked(_) => {
                    wait.lasts(now) || now.saturating_since(since) < self.confirm_timeout
                }
                Gate::Down(_) => self.in_grace(now) || wait.lasts(now),
            };
        }
        let waited = self.open_time.at(now).saturating_sub(it.here_since);
        let has_time = waited < self.confirm_timeout;
        match wait {
            OutageWait::Copy => has_time,
            _ if self.gate.is_closed() => wait.lasts(now),
            _ => wait.lasts(now) || has_time,
        }
    }

    /// Answers that the broker did not take the message in time.
    fn refuse(&mut self, it: Tracked<M>) {
        let (gate, sent) = (self.gate.clone(), it.sent);
        let answer = Answer::NotTaken { gate, sent };
        self.steps.push_back(Step::Answer(it.message, answer));
    }
}
