//! When a confirm channel is replaced because the broker refuses the messages on it.

use std::time::Duration;

use crate::refusals::Refusals;
use crate::time::Moment;

/// How long the channel waits for the confirms of messages in flight before they are published again on the
/// new channel. Meanwhile no other message is published, so a longer wait would be a pause for all queues.
const LAST_CONFIRMS: Duration = Duration::from_secs(1);

/// Decides when the channel is to be replaced.
///
/// RabbitMQ's channel looks up a queue's leader when it first publishes to the queue, and keeps the answer. A
/// quorum queue has no leader between the death of its leader's node and the next election. A channel of
/// RabbitMQ 3.10 that first publishes to the queue in that time asks the dead node for ever, and nacks every
/// message for the queue until the node is back. The new leader confirms the messages of every channel that
/// is opened later. A channel that was told of a full queue (`reject-publish`) must be told once that there
/// is room again, by a leader that may die before it does so.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    refusals: Refusals,
    /// A new channel is wanted. Until this moment, the channel waits for the confirms of messages in flight.
    until: Option<Moment>,
}

impl Renewal {
    /// The broker refused a message on this channel.
    pub(super) fn refused(&mut self, now: Moment) {
        if self.refusals.refused(now) && !self.is_wanted() {
            self.until = Some(now + LAST_CONFIRMS);
        }
    }

    /// Whether no message may be published until there is a new channel.
    pub(super) fn is_wanted(&self) -> bool {
        self.until.is_some()
    }

    /// Whether the channel is to be left now. A reply can only come over this channel, so the channel stays
    /// while replies are awaited. If they do not come in time, the channel is left at a later refusal.
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

    /// The broker blocks publishers: it opens no channel now.
    pub(super) fn call_off(&mut self) {
        self.until = None;
    }

    /// The channel was left, because of its refusals or for another reason.
    pub(super) fn left(&mut self, because_of_refusals: bool) {
        self.until = None;
        if because_of_refusals {
            self.refusals.renewed();
        } else {
            self.refusals.reopened();
        }
    }
}
