//! When an alert is called, and with which news.

use std::collections::HashMap;
use std::time::Duration;

use super::digest::{Digest, Item};
use super::limit::Calls;
use super::news::News;
use super::pace::Pace;
use super::subject::{Severity, Subject};
use crate::backoff::Backoff;
use crate::time::Moment;

/// The shortest pause after a failed call.
const RETRY_FLOOR: Duration = Duration::from_secs(1);
/// The longest pause after a failed call.
const RETRY_CEILING: Duration = Duration::from_secs(300);

/// Decides when an alert is called, and with which news.
///
/// News are [noted](Pager::note) as they come. [`Pager::next`] returns the step to take now. After a call,
/// report its result with [`Pager::told`] or [`Pager::failed`]. There is one call at a time: before that
/// report there is no next call.
///
/// At any time, `noted = told + dropped + pending` holds for its [tally](Pager::tally).
#[derive(Clone, Debug)]
pub struct Pager {
    pace: Pace,
    service: String,
    host: String,
    groups: HashMap<Subject, Group>,
    asked: Option<Asked>,
    calls: Calls,
    backoff: Backoff,
    /// No call before this moment, because the last call failed.
    pause_until: Moment,
    /// No call before this moment, because the receiver asked for a pause.
    refused_until: Moment,
    closing: bool,
    number: u64,
    dropped_since: u64,
    tally: Tally,
}

/// The state of a subject.
#[derive(Clone, Debug, Default)]
struct Group {
    untold: Option<Untold>,
    told_at: Option<Moment>,
}

/// News of a subject that are not told yet.
#[derive(Clone, Debug)]
struct Untold {
    count: u64,
    first: Moment,
    last: Moment,
    newest: String,
    due: Moment,
}

/// The content of the call in progress.
#[derive(Clone, Debug)]
struct Asked {
    untold: Vec<(Subject, Untold)>,
    dropped: u64,
}

/// The step to take now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Call the alert with this digest.
    Tell(Digest),
    /// Ask again at this moment, or when news are noted.
    Until(Moment),
    /// There is no news to tell. Ask again when news are noted.
    Rest,
}

/// The counts of an alert so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// News noted.
    pub noted: u64,
    /// News told, in calls that succeeded.
    pub told: u64,
    /// News dropped, because they could not be told in time.
    pub dropped: u64,
    /// Calls made.
    pub calls: u64,
    /// Calls among them that failed.
    pub failed_calls: u64,
}

impl Tally {
    /// News that wait to be told, or are being told.
    #[must_use]
    pub const fn pending(&self) -> u64 {
        self.noted - self.told - self.dropped
    }
}

impl Pager {
    /// A pager without news yet, for a service on a host.
    #[must_use]
    pub fn new(pace: Pace, service: impl Into<String>, host: impl Into<String>) -> Self {
        Self {
            calls: Calls::new(pace.limit),
            pace,
            service: service.into(),
            host: host.into(),
            groups: HashMap::new(),
            asked: None,
            backoff: Backoff::new(RETRY_FLOOR, RETRY_CEILING),
            pause_until: Moment::default(),
            refused_until: Moment::default(),
            closing: false,
            number: 0,
            dropped_since: 0,
            tally: Tally::default(),
        }
    }

    /// Notes a piece of news. Returns whether [`Pager::next`] must be called again before the time that it
    /// named.
    pub fn note(&mut self, now: Moment, news: &News) -> bool {
        self.tally.noted += 1;
        let critical = news.subject.severity() == Severity::Critical;
        if critical {
            // Critical news are worth a call at once, even while calls fail.
            self.pause_until = now;
        }
        let subject = self.room_for(&news.subject, now);
        let group = self.groups.entry(subject).or_default();
        if let Some(untold) = &mut group.untold {
            untold.count += 1;
            untold.last = now;
            untold.newest.clone_from(&news.text);
            return critical;
        }
        let again = group.told_at.map(|told| told + self.pace.every);
        let due = match again {
            _ if critical => now,
            Some(again) => again.max(now + self.pace.gather),
            None => now + self.pace.gather,
        };
        group.untold = Some(Untold {
            count: 1,
            first: now,
            last: now,
            newest: news.text.clone(),
            due,
        });
        true
    }

    /// The step to take now. A call tells all untold news together, as soon as any of it is due.
    pub fn next(&mut self, now: Moment) -> Step {
        if self.asked.is_some() {
            return Step::Rest;
        }
        self.drop_overdue(now);
        self.forget(now);
        let untold = || {
            self.groups
                .values()
                .filter_map(|group| group.untold.as_ref())
        };
        let Some(due) = untold().map(|untold| untold.due).min() else {
            return Step::Rest;
        };
        let urgent = self.closing
            || self.groups.iter().any(|(subject, group)| {
                group.untold.is_some() && subject.severity() == Severity::Critical
            });
        let due = if self.closing { now } else { due };
        let start = due
            .max(self.pause_until)
            .max(self.refused_until)
            .max(self.calls.next(now, u32::from(!urgent)));
        if start > now {
            return Step::Until(start);
        }
        Step::Tell(self.ask(now))
    }

    /// The call succeeded.
    pub fn told(&mut self, now: Moment) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        self.calls.end(now);
        self.backoff.reset();
        self.number += 1;
        self.dropped_since -= asked.dropped;
        for (subject, untold) in asked.untold {
            self.tally.told += untold.count;
            let again = now + self.pace.every;
            let waits = subject.severity() < Severity::Critical;
            let group = self.groups.entry(subject).or_default();
            group.told_at = Some(now);
            // News that came during the call got their due time before its success was known.
            if let Some(during) = group.untold.as_mut().filter(|_| waits) {
                during.due = during.due.max(again);
            }
        }
    }

    /// The call failed. Its news are told again with later news; returns the pause until then. `retry_after`
    /// is the pause that the receiver asked for, `random` is uniform in [0, 1).
    pub fn failed(&mut self, now: Moment, retry_after: Option<Duration>, random: f64) -> Duration {
        let Some(asked) = self.asked.take() else {
            return Duration::ZERO;
        };
        self.calls.end(now);
        self.tally.failed_calls += 1;
        for (subject, earlier) in asked.untold {
            let group = self.groups.entry(subject).or_default();
            group.untold = Some(match group.untold.take() {
                None => earlier,
                Some(later) => Untold {
                    count: earlier.count + later.count,
                    last: later.last,
                    newest: later.newest,
                    ..earlier
                },
            });
        }
        let pause = self.backoff.next(random);
        self.pause_until = now + pause;
        let wanted = retry_after.unwrap_or_default();
        self.refused_until = now + wanted;
        pause.max(wanted)
    }

    /// The service ends: all untold news are due now, once more even if calls have failed. After this,
    /// [`Step::Rest`] means that no news are left.
    pub fn close(&mut self, now: Moment) {
        self.closing = true;
        self.backoff.reset();
        self.pause_until = self.pause_until.min(now);
    }

    /// Drops all pending news, and returns their number.
    pub fn give_up(&mut self) -> u64 {
        let left = self.tally.pending();
        self.asked = None;
        self.groups.clear();
        self.count_dropped(left);
        left
    }

    /// The counts so far.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// How many subjects it holds; its memory grows with this number.
    #[must_use]
    pub fn subjects(&self) -> usize {
        self.groups.len()
    }

    fn ask(&mut self, now: Moment) -> Digest {
        let untold: Vec<_> = self
            .groups
            .iter_mut()
            .filter_map(|(subject, group)| Some((subject.clone(), group.untold.take()?)))
            .collect();
        let mut items: Vec<_> = untold
            .iter()
            .map(|(subject, untold)| Item {
                subject: subject.clone(),
                count: untold.count,
                lasting: untold.last.saturating_since(untold.first),
                newest: untold.newest.clone(),
            })
            .collect();
        items.sort_by_cached_key(|item| {
            let frequent = std::cmp::Reverse(item.count);
            (
                std::cmp::Reverse(item.subject.severity()),
                frequent,
                item.to_string(),
            )
        });
        self.calls.begin(now);
        self.tally.calls += 1;
        let dropped = self.dropped_since;
        self.asked = Some(Asked { untold, dropped });
        Digest {
            service: self.service.clone(),
            host: self.host.clone(),
            number: self.number,
            items,
            dropped,
        }
    }

    /// The subject that counts this piece of news: its own while there is room.
    fn room_for(&mut self, subject: &Subject, now: Moment) -> Subject {
        let has_room = |pager: &Self| {
            pager.groups.contains_key(subject) || pager.groups.len() < pager.pace.subjects
        };
        if !has_room(self) {
            self.forget(now);
        }
        if has_room(self) {
            subject.clone()
        } else {
            subject.without_kind()
        }
    }

    /// Forgets subjects whose next news would be told at once anyway.
    fn forget(&mut self, now: Moment) {
        // A failed call must put back its news.
        if self.asked.is_some() {
            return;
        }
        let every = self.pace.every;
        self.groups.retain(|_, group| {
            group.untold.is_some() || group.told_at.is_some_and(|told| now < told + every)
        });
    }

    fn drop_overdue(&mut self, now: Moment) {
        let mut overdue = 0;
        for group in self.groups.values_mut() {
            let late = |untold: &mut Untold| now >= untold.due + self.pace.keep;
            overdue += group.untold.take_if(late).map_or(0, |untold| untold.count);
        }
        self.count_dropped(overdue);
    }

    fn count_dropped(&mut self, count: u64) {
        self.tally.dropped += count;
        self.dropped_since += count;
    }
}
