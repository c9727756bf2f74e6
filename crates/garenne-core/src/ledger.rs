//! The ack ledger of a channel.

mod error;

use std::collections::VecDeque;

pub use self::error::LedgerError;

/// Which deliveries of a channel are unsettled, and which acks may be sent.
///
/// Handlers finish in any order, and the ledger needs as few acks as possible. A `multiple` ack settles every
/// delivery up to its tag, so it may go only as far as the first delivery that is still running. Deliveries
/// that finished behind that delivery wait, or are acked singly.
///
/// ```
/// # use garenne_core::{Ack, Ledger};
/// let mut ledger = Ledger::new();
/// for tag in 1..=4 {
///     ledger.admit(tag)?;
/// }
/// for tag in [2, 1, 4] {
///     ledger.finish(tag)?;
/// }
/// assert_eq!(ledger.next_ack(), Some(Ack { tag: 2, multiple: true, count: 2 }));
/// assert_eq!(ledger.next_straggler(), Some(Ack { tag: 4, multiple: false, count: 1 }));
/// assert_eq!(ledger.unfinished().collect::<Vec<_>>(), [3]);
/// # Ok::<(), garenne_core::LedgerError>(())
/// ```
///
/// A ledger belongs to a channel and dies with it: the next channel counts its tags anew. Every operation
/// takes constant amortised time, except [`Ledger::unfinished`]. The number of unsettled deliveries, and so
/// the prefetch, bounds the memory, however long a delivery runs.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Deliveries by ascending tag. Settled deliveries stay until they are at the front or outnumber the
    /// rest.
    entries: VecDeque<Entry>,
    /// The next tag; 0 when any tag may come.
    next: u64,
    /// How many entries from the front on are not running.
    prefix: usize,
    /// How many entries of the prefix have finished: the next ack covers them.
    ready: u32,
    /// How many entries have finished, anywhere.
    finished: usize,
    /// How many entries are running.
    running: usize,
    /// Tags that finished behind a running delivery, in that order. A tag that was settled since then is
    /// skipped when its turn comes.
    late: VecDeque<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A handler is running on it.
    Running,
    /// It may be acked.
    Finished,
    /// The broker knows: the delivery was acked alone, or requeued.
    Settled,
}

/// How many unneeded entries and late tags there may be before a sweep is worth its cost.
const SLACK: usize = 16;

/// An ack to send. Once it is returned, it counts as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the ledger takes it for sent"]
pub struct Ack {
    /// The delivery tag.
    pub tag: u64,
    /// Whether all unsettled deliveries before the tag are acked as well.
    pub multiple: bool,
    /// How many deliveries the ack settles.
    pub count: u32,
}

impl Ledger {
    /// The ledger of a channel on which nothing has been delivered yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a delivery that starts to run. The first tag may be any number from 1 on, if all deliveries
    /// before it are settled. After that, tags follow each other.
    ///
    /// # Errors
    ///
    /// [`LedgerError::OutOfOrder`] when the tag does not follow the last.
    pub fn admit(&mut self, tag: u64) -> Result<(), LedgerError> {
        let expected = if self.next == 0 {
            tag.max(1)
        } else {
            self.next
        };
        if tag != expected {
            return Err(LedgerError::OutOfOrder { tag, expected });
        }
        self.entries.push_back(Entry {
            tag,
            state: State::Running,
        });
        self.next = tag.saturating_add(1);
        self.running += 1;
        Ok(())
    }

    /// The delivery may be acked from now on.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotRunning`] when the delivery is not running.
    pub fn finish(&mut self, tag: u64) -> Result<(), LedgerError> {
        let index = self.leave(tag, State::Finished)?;
        self.finished += 1;
        if index == self.prefix {
            self.extend_prefix();
        } else {
            self.late.push_back(tag);
            self.sweep();
        }
        Ok(())
    }

    /// The delivery has been requeued by a nack of its own. From now on the broker does not know its tag, and
    /// no ack may name it.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotRunning`] when the delivery is not running.
    pub fn requeue(&mut self, tag: u64) -> Result<(), LedgerError> {
        let index = self.leave(tag, State::Settled)?;
        if index == self.prefix {
            self.extend_prefix();
        }
        self.sweep();
        Ok(())
    }

    /// An ack for every delivery that has finished before the first running delivery.
    pub fn next_ack(&mut self) -> Option<Ack> {
        // The broker has forgotten a settled tag, and it closes the channel over an ack that names such a
        // tag. So the ack names the last tag of the prefix that has *finished*.
        let prefix = self.entries.drain(..self.prefix);
        let last = prefix.rev().find(|entry| entry.state == State::Finished)?;
        let ack = Ack {
            tag: last.tag,
            multiple: self.ready > 1,
            count: self.ready,
        };
        self.finished -= self.ready as usize;
        self.ready = 0;
        self.prefix = 0;
        Some(ack)
    }

    /// An ack for a single delivery: the finished delivery that has waited longest behind a running delivery.
    pub fn next_straggler(&mut self) -> Option<Ack> {
        while let Some(tag) = self.late.pop_front() {
            if let Some(index) = self.straggler(tag) {
                self.entries[index].state = State::Settled;
                self.finished -= 1;
                self.sweep();
                return Some(Ack {
                    tag,
                    multiple: false,
                    count: 1,
                });
            }
        }
        None
    }

    /// How many deliveries have finished and wait for their ack.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.finished
    }

    /// How many of those wait behind a running delivery, so that [`Ledger::next_ack`] leaves them.
    #[must_use]
    pub fn stragglers(&self) -> usize {
        self.finished - self.ready as usize
    }

    /// How many deliveries the broker waits for: running, or waiting for their ack.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.running + self.finished
    }

    /// The tags that are running, lowest first. It looks at every entry.
    pub fn unfinished(&self) -> impl Iterator<Item = u64> + '_ {
        let running = self
            .entries
            .iter()
            .filter(|entry| entry.state == State::Running);
        running.map(|entry| entry.tag)
    }

    /// Whether the broker waits for no delivery.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unsettled() == 0
    }

    /// Ends the running of `tag`, and returns the index of its entry.
    fn leave(&mut self, tag: u64, to: State) -> Result<usize, LedgerError> {
        let running = |&index: &usize| self.entries[index].state == State::Running;
        let index = self
            .index(tag)
            .filter(running)
            .ok_or(LedgerError::NotRunning { tag })?;
        self.entries[index].state = to;
        self.running -= 1;
        Ok(index)
    }

    fn extend_prefix(&mut self) {
        while let Some(entry) = self.entries.get(self.prefix) {
            match entry.state {
                State::Running => break,
                State::Finished => self.ready += 1,
                State::Settled => {}
            }
            self.prefix += 1;
        }
        if self.ready == 0 {
            // No later ack would remove these entries.
            self.entries.drain(..self.prefix);
            self.prefix = 0;
        }
    }

    /// Removes unneeded entries once they are the larger part. Each entry and each late tag is added once and
    /// removed once, so this adds a constant to the cost of each.
    fn sweep(&mut self) {
        if self.entries.len() > 2 * self.unsettled() + SLACK {
            self.entries.retain(|entry| entry.state != State::Settled);
            self.prefix = self.ready as usize;
        }
        if self.late.len() > 2 * self.stragglers() + SLACK {
            let mut late = std::mem::take(&mut self.late);
            late.retain(|&tag| self.straggler(tag).is_some());
            self.late = late;
        }
    }

    /// The index of the entry of `tag`, if it has finished behind a running delivery.
    fn straggler(&self, tag: u64) -> Option<usize> {
        let index = self.index(tag)?;
        (index >= self.prefix && self.entries[index].state == State::Finished).then_some(index)
    }

    /// The index of the entry of `tag`.
    fn index(&self, tag: u64) -> Option<usize> {
        // Nearly always no entry is missing between the front and this tag.
        let guess = usize::try_from(tag.checked_sub(self.entries.front()?.tag)?).ok()?;
        if self
            .entries
            .get(guess)
            .is_some_and(|entry| entry.tag == tag)
        {
            return Some(guess);
        }
        self.entries
            .binary_search_by_key(&tag, |entry| entry.tag)
            .ok()
    }
}
