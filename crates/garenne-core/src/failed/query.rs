//! Which failed messages are meant.

use std::time::SystemTime;

use super::{Condition, FailedMessage};
use crate::outcome::FailReason;

/// Which failed messages are meant: all of them, until something narrows it. What is given more
/// than once must hold every time, but for ids and reasons, of which one is enough.
///
/// ```
/// # use garenne_core::{FailReason, FailedQuery};
/// let query = FailedQuery::all()
///     .queue("orders")
///     .reason(FailReason::Exhausted)
///     .condition("header.tenant=eu".parse().unwrap())
///     .limit(100);
/// assert_eq!(query.limit, Some(100));
/// ```
///
/// A store may ask its database for less, with what the fields say, and must then ask
/// [`FailedQuery::matches`] about every record that it found; [`FailedQuery::limit`] is the store's to
/// keep. A store of what strangers can write into asks [`FailedQuery::judge`], and tells.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FailedQuery {
    /// See [`FailedQuery::id`]; empty: all.
    pub ids: Vec<String>,
    /// See [`FailedQuery::queue`](fn@FailedQuery::queue).
    pub queue: Option<String>,
    /// See [`FailedQuery::reason`]; empty: all.
    pub reasons: Vec<FailReason>,
    /// See [`FailedQuery::condition`].
    pub conditions: Vec<Condition>,
    /// See [`FailedQuery::since`](fn@FailedQuery::since).
    pub since: Option<SystemTime>,
    /// See [`FailedQuery::limit`](fn@FailedQuery::limit).
    pub limit: Option<u64>,
    /// See [`FailedQuery::without_doubtful`](fn@FailedQuery::without_doubtful).
    pub without_doubtful: bool,
}

/// What a query says to one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is meant.
    Meant,
    /// It would be meant, but it is in doubt, and the query wants nothing of that sort.
    Withheld,
    /// It is not meant, but what it says of itself may be made up, or is not known: people should be told
    /// that there is something of that sort.
    Unclear,
    /// It is not meant.
    NotMeant,
}

impl FailedQuery {
    /// All failed messages.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Only the message with this id; called again, also that one.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.ids.push(id.into());
        self
    }

    /// Only what failed in this queue.
    #[must_use]
    pub fn queue(self, queue: impl Into<String>) -> Self {
        Self {
            queue: Some(queue.into()),
            ..self
        }
    }

    /// Only what failed for this reason; called again, also for that one.
    #[must_use]
    pub fn reason(mut self, reason: FailReason) -> Self {
        self.reasons.push(reason);
        self
    }

    /// Only what this condition holds for; called again, both must.
    #[must_use]
    pub fn condition(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Only what failed for good then or later.
    #[must_use]
    pub fn since(self, since: SystemTime) -> Self {
        Self {
            since: Some(since),
            ..self
        }
    }

    /// At most so many; 0 is none.
    #[must_use]
    pub fn limit(self, limit: u64) -> Self {
        Self {
            limit: Some(limit),
            ..self
        }
    }

    /// Nothing that is in [doubt](FailedMessage::doubt).
    #[must_use]
    pub fn without_doubtful(self) -> Self {
        Self {
            without_doubtful: true,
            ..self
        }
    }

    /// Whether the message is meant. The limit is not looked at.
    #[must_use]
    pub fn matches(&self, failed: &FailedMessage) -> bool {
        self.judge(failed) == Verdict::Meant
    }

    /// Whether the message is meant, and what is to be told if it is not. The limit is not looked at.
    #[must_use]
    pub fn judge(&self, failed: &FailedMessage) -> Verdict {
        match self.would_match(failed) {
            true if self.without_doubtful && failed.doubt().is_some() => Verdict::Withheld,
            true => Verdict::Meant,
            false if failed.is_unclear() => Verdict::Unclear,
            // A broker before RabbitMQ 4 may tell a time that a producer has written.
            false if self.would_match_but_for_time(failed) && failed.is_parked_by_broker() => {
                Verdict::Unclear
            }
            false => Verdict::NotMeant,
        }
    }

    fn would_match(&self, failed: &FailedMessage) -> bool {
        let is_late_enough = self
            .since
            .is_none_or(|since| failed.last_failed_at >= since);
        is_late_enough && self.would_match_but_for_time(failed)
    }

    fn would_match_but_for_time(&self, failed: &FailedMessage) -> bool {
        let one_of_ids = self.ids.is_empty() || self.ids.contains(&failed.message_id);
        let one_of_reasons = self.reasons.is_empty() || self.reasons.contains(&failed.reason);
        one_of_ids
            && one_of_reasons
            && self
                .queue
                .as_ref()
                .is_none_or(|queue| *queue == failed.queue)
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(failed))
    }
}
