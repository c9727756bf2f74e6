//! When a confirm channel is left for a new one because the broker refuses what is published on it.

use std::time::Duration;

use crate::refusals::Refusals;
use crate::time::Moment;

/// How long confirms for what is in flight are waited for before it goes over to the new channel, where it
/// is published again. Meanwhile nothing else is published, so longer would be a pause for all queues.
const LAST_CONFIRMS: Duration = Duration::from_secs(1);

/// Says when the channel is to be left for a new one.
///
/// RabbitMQ's channel looks a queue's leader up when it first publishes to the queue, and keeps what it
/// learns. A channel of RabbitMQ 3.10 that meets a quorum queue between the death of its leader's node and
/// the election of another asks that node alone, ever after, and nacks everything for the queue until the
/// node is back, while every channel opened later is confirmed by the new leader. A channel that was told
/// of a full queue (`reject-publish`) has to be told that there is room again, once, by a leader that may
/// die before it does.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    refusals: Refusals,
    /// A new channel is wanted. Confirms for what is in flight are waited for until then.
    until: Option<Moment>,
}

impl Renewal {
    /// The broker refused a message on this channel.
    pub(super) fn refused(&mut self, now: Moment) {
        if self.refusals.refused(now) && !self.is_wanted() {
            self.until = Some(now + LAST_CONFIRMS);
        }
    }

    /// Whether nothing is to be published until there is a new channel.
    pub(super) fn is_wanted(&self) -> bool {
        self.until.is_some()
    }

    /// Whether the channel is to be left now. A reply could come over no other channel, so the channel
    /// stays while replies are awaited. If they do not come in time, it is left at a later refusal.
    pub(super) fn is_due(
        &mut self,
        nothing_in_flight: bool,
        awaits_replies: impl FnOnce() -> bool,
        now: Moment,
    ) -> bool {
        let Some(until) = self.until else {
            return false;
        };
        let awaits_replies = awaits_replies();
        let is_over = now >= until;
        if is_over && awaits_replies {
            self.left(true);
            return false;
        }
        is_over || (nothing_in_flight && !awaits_replies)
    }

    /// The broker blocks: it opens no channel now.
    pub(super) fn call_off(&mut self) {
        self.until = None;
    }

    /// The channel was left: because of what it refused, or for another reason.
    pub(super) fn left(&mut self, because_of_refusals: bool) {
        self.until = None;
        if because_of_refusals {
            self.refusals.renewed();
        } else {
            self.refusals.reopened();
        }
    }
}
