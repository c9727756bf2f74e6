//! The ack ledger of one channel.

mod error;

use std::collections::VecDeque;

pub use self::error::LedgerError;

/// Which deliveries of one channel are unsettled, and which acks may be sent.
///
/// Handlers finish in any order; the broker is told with as few acks as possible. A `multiple` ack
/// settles every delivery up to its tag, so it may only go as far as the first delivery that is
/// still running; what has finished behind it waits, or is acked one by one.
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
/// A ledger belongs to one channel and dies with it: the next channel counts its tags anew. Every
/// operation takes constant time, amortised, but for [`Ledger::unfinished`]. Memory is bounded by
/// the unsettled deliveries, and so by the prefetch, however long one of them runs.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Deliveries by ascending tag. Settled ones stay until they are at the front, or outnumber the
    /// others.
    entries: VecDeque<Entry>,
    /// The tag that comes next; 0 when any may.
    next: u64,
    /// How many entries from the front on are not running.
    prefix: usize,
    /// How many entries of the prefix have finished: what the next ack covers.
    ready: u32,
    /// How many entries have finished, anywhere.
    finished: usize,
    /// How many entries are running.
    running: usize,
    /// Tags that finished behind a running one, in that order. What has been settled since is
    /// skipped when it comes up.
    late: VecDeque<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A handler has it.
    Running,
    /// It may be acked.
    Finished,
    /// The broker has been told: acked alone, or requeued.
    Settled,
}

/// How many entries and late tags there may be beside those that are needed, before it is worth a
/// sweep.
const SLACK: usize = 16;

/// An ack to send. By being returned it counts as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the ledger takes it for sent"]
pub struct Ack {
    /// The delivery tag.
    pub tag: u64,
    /// Whether all unsettled deliveries before the tag are acked as well.
    pub multiple: bool,
    /// How many deliveries it settles.
    pub count: u32,
}

impl Ledger {
    /// The ledger of a channel on which nothing has been delivered yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a delivery that starts to run. The first may have any tag from 1 on, provided that
    /// everything before it is settled; after that each follows the one before.
    ///
    /// # Errors
    ///
    /// [`LedgerError::OutOfOrder`] when it does not follow.
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
    /// [`LedgerError::NotRunning`] when it is not running.
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

    /// The delivery has been requeued (nacked, by itself): the broker does not know its tag from
    /// now on, and no ack may name it.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotRunning`] when it is not running.
    pub fn requeue(&mut self, tag: u64) -> Result<(), LedgerError> {
        let index = self.leave(tag, State::Settled)?;
        if index == self.prefix {
            self.extend_prefix();
        }
        self.sweep();
        Ok(())
    }

    /// One ack for everything that has finished before the first running delivery.
    pub fn next_ack(&mut self) -> Option<Ack> {
        // The broker has forgotten a tag that is settled, and closes the channel over an ack that
        // names it. So the tag is the last one of the prefix that has *finished*.
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

    /// One ack for a single delivery that has finished behind a running one: the one that has
    /// waited longest.
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

    /// How many of those wait behind a running one, so that [`Ledger::next_ack`] leaves them.
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

    /// Whether the broker waits for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unsettled() == 0
    }

    /// Ends the running of `tag`; says where its entry is.
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
            // No ack will come that takes these away.
            self.entries.drain(..self.prefix);
            self.prefix = 0;
        }
    }

    /// Takes away what is not needed once it is the larger part. Each entry and each late tag is
    /// put in once and taken away once, so this adds a constant to the cost of each.
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

    /// Where the entry of `tag` is, if it has finished behind a running one.
    fn straggler(&self, tag: u64) -> Option<usize> {
        let index = self.index(tag)?;
        (index >= self.prefix && self.entries[index].state == State::Finished).then_some(index)
    }

    /// Where the entry of `tag` is.
    fn index(&self, tag: u64) -> Option<usize> {
        // Nearly always nothing is missing between the front and it.
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
