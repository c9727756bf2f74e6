//! A selection of failed messages.

use std::time::SystemTime;

use super::{Condition, FailedMessage};
use crate::outcome::FailReason;

/// A selection of failed messages: all, until a filter narrows it. Repeated filters must all hold, except ids
/// and reasons, where one match is enough.
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
/// A store may use the fields to ask its database for less, and must then call [`FailedQuery::matches`] for
/// every record found. It must keep to [`FailedQuery::limit`] itself. A store that strangers can write into
/// calls [`FailedQuery::judge`], and reports withheld and unclear records to people.
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

/// The answer of a query about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The record is selected.
    Meant,
    /// The record would be selected, but the query leaves out records in doubt.
    Withheld,
    /// The record is not selected, but its content may be made up or is unknown. People should be told of it.
    Unclear,
    /// The record is not selected.
    NotMeant,
}

impl FailedQuery {
    /// All failed messages.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Only the message with this id; a second call adds another id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.ids.push(id.into());
        self
    }

    /// Only messages that failed in this queue.
    #[must_use]
    pub fn queue(self, queue: impl Into<String>) -> Self {
        Self {
            queue: Some(queue.into()),
            ..self
        }
    }

    /// Only messages that failed for this reason; a second call adds another reason.
    #[must_use]
    pub fn reason(mut self, reason: FailReason) -> Self {
        self.reasons.push(reason);
        self
    }

    /// Only messages for which this condition holds; after a second call, both must hold.
    #[must_use]
    pub fn condition(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Only messages that failed for good at that time or later.
    #[must_use]
    pub fn since(self, since: SystemTime) -> Self {
        Self {
            since: Some(since),
            ..self
        }
    }

    /// At most this many messages; 0 selects none.
    #[must_use]
    pub fn limit(self, limit: u64) -> Self {
        Self {
            limit: Some(limit),
            ..self
        }
    }

    /// Leaves out records in [doubt](FailedMessage::doubt).
    #[must_use]
    pub fn without_doubtful(self) -> Self {
        Self {
            without_doubtful: true,
            ..self
        }
    }

    /// Whether the message is selected. The limit is not looked at.
    #[must_use]
    pub fn matches(&self, failed: &FailedMessage) -> bool {
        self.judge(failed) == Verdict::Meant
    }

    /// Whether the message is selected, and whether people should be told of it if it is not. The limit is
    /// not looked at.
    #[must_use]
    pub fn judge(&self, failed: &FailedMessage) -> Verdict {
        match self.would_match(failed) {
            true if self.without_doubtful && failed.doubt().is_some() => Verdict::Withheld,
            true => Verdict::Meant,
            false if failed.is_unclear() => Verdict::Unclear,
            // A broker before RabbitMQ 4 may repeat a time that a producer has written.
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
