//! Groups of failed messages that have a property in common.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use crate::secret::quoted;

use super::FailedMessage;

/// The most groups that are told apart. Further messages are counted in a last group, so that a million
/// different errors do not take a million groups' memory.
const MOST_GROUPS: usize = 10_000;

/// The name of that last group.
const OTHERS: &str = "(others)";

/// The most characters of an error that make its kind.
const KIND_MAX: usize = 160;

/// The property by which failed messages are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupBy {
    /// The [`error_kind`] of the last error.
    Error,
    /// The reason.
    Reason,
    /// The queue that they failed in.
    Queue,
}

impl FromStr for GroupBy {
    type Err = UnknownGrouping;

    fn from_str(text: &str) -> Result<Self, UnknownGrouping> {
        match text {
            "error" => Ok(Self::Error),
            "reason" => Ok(Self::Reason),
            "queue" => Ok(Self::Queue),
            _ => Err(UnknownGrouping(quoted(text))),
        }
    }
}

/// A text that is not a [`GroupBy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownGrouping(String);

impl fmt::Display for UnknownGrouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is nothing to group by; accepted: `error`, `reason`, `queue`",
            self.0
        )
    }
}

impl std::error::Error for UnknownGrouping {}

/// Failed messages that have a property in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureGroup {
    /// The value that they have in common.
    pub name: String,
    /// How many there are.
    pub count: u64,
    /// When the first of them failed for good.
    pub oldest: SystemTime,
    /// When the last of them failed for good.
    pub newest: SystemTime,
    /// The message id of the newest.
    pub newest_id: String,
}

/// Counts failed messages by group, without keeping the messages.
#[derive(Clone, Debug)]
pub struct FailureGroups {
    by: GroupBy,
    groups: BTreeMap<String, FailureGroup>,
}

impl FailureGroups {
    /// No groups yet.
    #[must_use]
    pub fn new(by: GroupBy) -> Self {
        Self {
            by,
            groups: BTreeMap::new(),
        }
    }

    /// Counts a message.
    pub fn add(&mut self, failed: &FailedMessage) {
        let mut name = match self.by {
            GroupBy::Error => error_kind(&failed.error),
            GroupBy::Reason => failed.reason.to_string(),
            GroupBy::Queue => failed.queue.clone(),
        };
        if self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&name) {
            OTHERS.clone_into(&mut name);
        }
        let at = failed.last_failed_at;
        let group = self
            .groups
            .entry(name)
            .or_insert_with_key(|name| FailureGroup {
                name: name.clone(),
                count: 0,
                oldest: at,
                newest: at,
                newest_id: failed.message_id.clone(),
            });
        group.count += 1;
        group.oldest = group.oldest.min(at);
        if at >= group.newest {
            group.newest = at;
            group.newest_id.clone_from(&failed.message_id);
        }
    }

    /// The groups, the largest first, and by name where they are equal.
    #[must_use]
    pub fn largest_first(self) -> Vec<FailureGroup> {
        let mut groups: Vec<_> = self.groups.into_values().collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        groups
    }
}

/// The kind of an error: the first line of its text, with every word that has a digit in it as `#`, so that
/// `order 17 is unknown` and `order 18 is unknown` are of the same kind. It has at most 160 characters.
#[must_use]
pub fn error_kind(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    let mut kind = String::new();
    let mut word = String::new();
    let is_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    for c in line.chars().chain(['\n']) {
        if is_word(c) {
            word.push(c);
            continue;
        }
        if word.contains(|c: char| c.is_numeric()) {
            kind.push('#');
        } else {
            kind.push_str(&word);
        }
        word.clear();
        kind.push(c);
    }
    kind.trim().chars().take(KIND_MAX).collect()
}
