//! The beginning and the end of a channel, and the fate of its messages then.

use std::time::Duration;

use super::answer::{Answer, Gate};
use super::blame::blame;
use super::channel::{Channel, SharedLink};
use super::message::Publishable;
use super::suspects::accuses;
use super::{Publishing, Step};
use crate::time::Moment;

/// The pause before a new channel, when opening failed, or when no message of ours ended the last channel.
pub const PAUSE: Duration = Duration::from_millis(500);

/// How long messages wait for a new link after one of them caused the loss.
pub const GRACE: Duration = Duration::from_secs(5);

/// How long no other message is published while the unconfirmed messages of a broken channel are sent again.
pub const RESENDS_FIRST: Duration = Duration::from_secs(1);

/// RabbitMQ's code for a frame on a channel that it has closed. It closes the whole connection over such a
/// frame. garenne writes none; if the code comes, a message of ours had closed the channel.
const CHANNEL_ERROR: u16 = 504;

/// The state of a link while there is no channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkSeen {
    /// There is no link, or it was lost.
    Down,
    /// It is up.
    Up {
        /// Why the broker blocks publishers on it, if it does.
        blocked: Option<String>,
    },
}

/// How a channel ended that garenne did not close.
#[derive(Clone, Copy, Debug)]
pub struct Broke<'a> {
    /// The broker's reply code; 0 if it has sent none.
    pub code: u16,
    /// The known reason, in words.
    pub text: &'a str,
    /// Whether the channel's link is still up.
    pub link_is_up: bool,
}

impl<M: Publishable, L: SharedLink> Publishing<M, L> {
    /// The link is in this state while there is no channel.
    pub fn sees(&mut self, link: LinkSeen, now: Moment) {
        if self.channel.is_some() {
            return;
        }
        let gate = self.gate_of(link);
        if gate == self.gate {
            self.announce(now);
        } else {
            self.gate = gate;
            self.look(now);
        }
    }

    /// When a channel may be opened; `None`: at once.
    #[must_use]
    pub fn opens_at(&self) -> Option<Moment> {
        self.opens_at
    }

    /// A channel could not be opened.
    pub fn not_opened(&mut self, now: Moment) {
        self.opens_at = Some(now + PAUSE);
    }

    /// A confirm channel is open. `blocked` is the reason why the broker blocks publishers on its link, if it
    /// does.
    pub fn opened(&mut self, link: L, blocked: Option<String>, now: Moment) {
        self.end_channel(now);
        self.grace_until = None;
        self.opens_at = None;
        let resends_first = std::mem::take(&mut self.resends_first);
        let resends_until = resends_first.then(|| now + RESENDS_FIRST);
        self.channel = Some(Channel::new(link, resends_until));
        self.set_blocked(blocked, now);
        let open_time = self.open_time.at(now);
        for it in &mut self.backlog {
            it.here_since = open_time;
        }
    }

    /// The channel broke, alone or with its link; `link` is the state of the link now. The sender of the
    /// message that broke it is told so. The others are published again while the link lasts, or over the
    /// next link if they may wait for it, because an unconfirmed message may not be stored. Returns how many
    /// were unanswered when the channel broke.
    pub fn broke(&mut self, how: &Broke<'_>, link: LinkSeen, now: Moment) -> usize {
        let Broke {
            code,
            text,
            link_is_up,
        } = *how;
        let convicted = if accuses(code) && !link_is_up {
            self.accuse()
        } else {
            None
        };
        let in_flight = self.end_channel(now);
        self.renewal.left(false);
        let left = std::mem::take(&mut self.backlog);
        let count = left.len();
        let blamed = left.iter();
        let blamed = blamed.map(|it| blame(&it.message.names(), code, text));
        let blamed: Vec<_> = blamed.collect();
        let is_blamed = blamed.iter().any(Option::is_some);
        // The link may be lost right after one of our messages broke its channel.
        let is_our_fault = is_blamed || code == CHANNEL_ERROR;
        let link_lost = !link_is_up && !is_our_fault;
        self.resends_first = !link_lost;
        self.grace_until = (!link_lost).then(|| now + GRACE);
        self.opens_at = (left.is_empty() && link_is_up).then(|| now + PAUSE);
        self.last_loss = (!link_is_up).then(|| text.to_owned());
        // Senders must know the gate before any answer that follows from it.
        self.gate = self.gate_of(link);
        self.announce(now);
        if let Some(message) = convicted {
            let answer = Answer::EndsLinks(text.to_owned());
            self.steps.push_back(Step::Answer(message, answer));
        }
        for (place, (mut it, blamed)) in left.into_iter().zip(blamed).enumerate() {
            let answer = if blamed.is_some() {
                blamed
            } else if link_lost && !it.conditions.wait.lasts(now) {
                let (gate, sent) = (Gate::Down(text.to_owned()), it.sent);
                Some(Answer::NotTaken { gate, sent })
            } else if it.is_last_try() && !is_blamed && !link_lost {
                // The message was alone on the channel.
                Some(Answer::Refused(text.to_owned()))
            } else {
                None
            };
            if let Some(answer) = answer {
                self.steps.push_back(Step::Answer(it.message, answer));
                continue;
            }
            if place < in_flight && (is_blamed || link_lost) {
                it.take_the_try_back();
            }
            self.backlog.push_back(it);
        }
        self.look_at_the_backlog(now);
        count
    }

    /// Leaves the channel when it is time, because a new channel may take the refused messages.
    pub(super) fn renew(&mut self, now: Moment) -> Option<Step<M>> {
        let channel = self.channel.as_ref()?;
        let in_flight = channel.in_flight.len();
        let awaits_replies = || channel.link.awaits_replies();
        if !self.renewal.is_due(in_flight == 0, awaits_replies, now) {
            return None;
        }
        let left = self.end_channel(now);
        // The channel did not break because of these messages.
        for it in self.backlog.iter_mut().take(left) {
            it.take_the_try_back();
        }
        self.renewal.left(true);
        self.look_at_the_backlog(now);
        Some(Step::Renew { in_flight })
    }

    /// Ends the channel. Its messages in flight that still need an answer move to the front of the backlog,
    /// in the order in which they were published. Returns how many these are.
    pub(super) fn end_channel(&mut self, now: Moment) -> usize {
        let Some(channel) = self.channel.take() else {
            return 0;
        };
        let open_time = self.open_time.at(now);
        let left = channel.in_flight.into_all();
        let left = left.filter(|it| !it.tracked.is_answered && it.tracked.message.is_wanted());
        let left = left.map(|mut it| {
            it.tracked.unconfirmed = it.age(open_time);
            it.tracked
        });
        let backlog = std::mem::replace(&mut self.backlog, left.collect());
        let count = self.backlog.len();
        let backlog = backlog.into_iter();
        self.backlog
            .extend(backlog.filter(|it| it.message.is_wanted()));
        count
    }

    /// The link ended because of a message in flight, so all messages in flight are suspects from now on.
    /// Returns the message that was alone when that happened for the second time.
    fn accuse(&mut self) -> Option<M> {
        let channel = self.channel.as_mut()?;
        if !channel.was_alone() {
            for it in channel.in_flight.iter() {
                self.suspects.accuse(it.tracked.key());
            }
            return None;
        }
        let key = channel.in_flight.iter().next()?.tracked.key();
        if !self.suspects.convict(key) {
            return None;
        }
        let convicted = std::mem::take(&mut channel.in_flight).into_all().next()?;
        (!convicted.tracked.is_answered).then_some(convicted.tracked.message)
    }

    pub(super) fn set_blocked(&mut self, reason: Option<String>, now: Moment) {
        self.open_time.set_running(reason.is_none(), now);
        self.gate = reason.map_or(Gate::Open, Gate::Blocked);
        self.announce(now);
    }

    /// Tells the senders whether the broker takes messages.
    pub(super) fn announce(&mut self, now: Moment) {
        if !self.in_grace(now) && self.announced != self.gate {
            self.announced = self.gate.clone();
            self.steps.push_back(Step::Announce(self.gate.clone()));
        }
    }

    pub(super) fn in_grace(&self, now: Moment) -> bool {
        self.grace_until.is_some_and(|until| now < until)
    }

    fn gate_of(&self, link: LinkSeen) -> Gate {
        match (link, &self.last_loss) {
            (LinkSeen::Up { blocked: None }, _) => Gate::Open,
            (LinkSeen::Up { blocked: Some(why) }, _) => Gate::Blocked(why),
            (LinkSeen::Down, None) => Gate::Down("the publish link is down".to_owned()),
            (LinkSeen::Down, Some(why)) => Gate::Down(format!("the publish link is down ({why})")),
        }
    }
}
