//! When a confirm channel is opened anew because the broker refuses what is published on it.
//!
//! RabbitMQ's channel looks a queue's leader up when it first publishes to the queue, and keeps what
//! it learns. A channel of RabbitMQ 3.10 that meets a quorum queue between the death of its leader's
//! node and the election of another asks that node alone, ever after, and nacks everything for the
//! queue until the node is back, while every channel opened later is confirmed by the new leader. A
//! channel that was told of a full queue (`reject-publish`) has to be told that there is room again,
//! once, by a leader that may die before it does.

use std::time::{Duration, Instant};

use garenne_core::reader::Message;
use garenne_core::{Moment, Refusals};

use super::replies::Replies;

/// How long what is in flight may take to land before it goes over to the new channel, where it is
/// published again. Meanwhile nothing else is published, so longer would be a pause for all queues.
const LANDING: Duration = Duration::from_secs(1);

/// Says when the channel is to be opened anew; lives as long as the task that owns the channel.
pub(super) struct Renewal {
    refusals: Refusals,
    /// What moments are counted from.
    origin: Instant,
    /// A new channel is wanted; so long is waited for what is in flight.
    landing_until: Option<Instant>,
    /// What comes over this channel and would come over no other, if its messages are requests.
    replies: Option<Replies>,
}

impl Renewal {
    pub(super) fn new(replies: Option<Replies>) -> Self {
        Self {
            refusals: Refusals::default(),
            origin: Instant::now(),
            landing_until: None,
            replies,
        }
    }

    /// The broker refused a message on this channel.
    pub(super) fn refused(&mut self) {
        let now = Instant::now();
        let moment = Moment::from_origin(now.saturating_duration_since(self.origin));
        if self.refusals.refused(moment) && !self.is_wanted() {
            self.landing_until = Some(now + LANDING);
        }
    }

    /// Whether nothing is to be published until there is a new channel.
    pub(super) fn is_wanted(&self) -> bool {
        self.landing_until.is_some()
    }

    /// Whether the channel is to be left now. A reply could come over no other, so with requests
    /// that are not answered in time it stays, and is left at a later refusal.
    pub(super) fn is_due(&mut self, in_flight: usize) -> bool {
        let Some(until) = self.landing_until else {
            return false;
        };
        let awaits_replies = self.replies.as_ref().is_some_and(Replies::are_awaited);
        let is_over = Instant::now() >= until;
        if is_over && awaits_replies {
            self.refusals.renewed();
            self.landing_until = None;
            return false;
        }
        is_over || (in_flight == 0 && !awaits_replies)
    }

    /// A broker that blocks opens no channel, and refuses nothing.
    pub(super) fn call_off(&mut self) {
        self.landing_until = None;
    }

    /// A reply has come.
    pub(super) fn reply(&self, reply: Message) {
        if let Some(replies) = &self.replies {
            replies.hand_out(reply);
        }
    }

    /// The channel was left: because of what it refused, or for another reason.
    pub(super) fn left(&mut self, because_of_refusals: bool) {
        self.landing_until = None;
        if because_of_refusals {
            self.refusals.renewed();
        } else {
            self.refusals.reopened();
        }
    }
}
