//! The ack ledger of one channel.

use std::collections::VecDeque;
use std::fmt;

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
/// operation takes constant time, amortised, but for [`Ledger::unfinished`].
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// What is known of the tags from `base` on. The front is not settled, or waits to be acked.
    entries: VecDeque<State>,
    /// The tag of the front entry, or the one that comes next when there is none.
    base: u64,
    /// How many entries from the front on are not running any more.
    prefix: usize,
    /// How many entries of the prefix have finished: the next ack's count.
    ready: u32,
    /// How many entries have finished anywhere.
    finished: usize,
    /// How many entries are running.
    running: usize,
    /// Tags that finished behind a running one, in that order. Tags that were settled since are
    /// skipped when they come up, and swept out when they outnumber the entries.
    late: VecDeque<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A handler has it.
    Running,
    /// It may be acked.
    Finished,
    /// The broker has been told: acked alone, or given back.
    Settled,
}

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

/// A use of the ledger that the protocol does not allow. The ledger is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerError {
    /// Tags of a channel follow each other without a gap. A `multiple` ack would settle deliveries
    /// in the gap that nobody has seen.
    OutOfOrder {
        /// The tag that was to be admitted.
        tag: u64,
        /// The tag that comes next.
        expected: u64,
    },
    /// The delivery is not running: it was never admitted, or has finished or been given back.
    NotRunning {
        /// Its tag.
        tag: u64,
    },
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
        if self.base == 0 && tag != 0 {
            self.base = tag;
        }
        let expected = self.base.max(1) + self.entries.len() as u64;
        if tag != expected {
            return Err(LedgerError::OutOfOrder { tag, expected });
        }
        self.entries.push_back(State::Running);
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
            self.sweep_late();
        }
        Ok(())
    }

    /// The delivery has been given back to the broker (nacked, by itself): it is unknown there from
    /// now on, and no ack may name it.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotRunning`] when it is not running.
    pub fn give_back(&mut self, tag: u64) -> Result<(), LedgerError> {
        let index = self.leave(tag, State::Settled)?;
        if index == self.prefix {
            self.extend_prefix();
        }
        Ok(())
    }

    /// One ack for everything that has finished before the first running delivery.
    pub fn next_ack(&mut self) -> Option<Ack> {
        // The broker knows nothing of a tag that is settled already, and closes the channel over an
        // ack that names one: the ack's tag is the last one that has *finished*.
        let last = self
            .entries
            .range(..self.prefix)
            .rposition(|&state| state == State::Finished)?;
        let ack = Ack {
            tag: self.tag_at(last),
            multiple: self.ready > 1,
            count: self.ready,
        };
        self.finished -= self.ready as usize;
        self.ready = 0;
        self.entries.drain(..self.prefix);
        self.base += self.prefix as u64;
        self.prefix = 0;
        Some(ack)
    }

    /// One ack for a single delivery that has finished behind a running one: the one that has
    /// waited longest.
    pub fn next_straggler(&mut self) -> Option<Ack> {
        while let Some(tag) = self.late.pop_front() {
            if let Some(index) = self.straggler(tag) {
                self.entries[index] = State::Settled;
                self.finished -= 1;
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
            .enumerate()
            .filter(|(_, state)| **state == State::Running);
        running.map(|(index, _)| self.tag_at(index))
    }

    /// Whether the broker waits for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unsettled() == 0
    }

    /// Ends the running of `tag`; where its entry is.
    fn leave(&mut self, tag: u64, to: State) -> Result<usize, LedgerError> {
        let index = self
            .index(tag)
            .filter(|&index| self.entries[index] == State::Running);
        let index = index.ok_or(LedgerError::NotRunning { tag })?;
        self.entries[index] = to;
        self.running -= 1;
        Ok(index)
    }

    fn extend_prefix(&mut self) {
        while let Some(&state) = self.entries.get(self.prefix) {
            match state {
                State::Running => break,
                State::Finished => self.ready += 1,
                State::Settled => {}
            }
            self.prefix += 1;
        }
        if self.ready == 0 {
            // Nothing here will ever be acked, so no ack would come to remove it.
            self.entries.drain(..self.prefix);
            self.base += self.prefix as u64;
            self.prefix = 0;
        }
    }

    /// Keeps `late` within twice the entries. At least half of what is looked at then goes, and was
    /// pushed once, so this costs each straggler a constant share.
    fn sweep_late(&mut self) {
        if self.late.len() > 2 * self.entries.len() {
            let mut late = std::mem::take(&mut self.late);
            late.retain(|&tag| self.straggler(tag).is_some());
            self.late = late;
        }
    }

    /// Where the entry of `tag` is, if it has finished behind a running one.
    fn straggler(&self, tag: u64) -> Option<usize> {
        let index = self.index(tag)?;
        (index >= self.prefix && self.entries[index] == State::Finished).then_some(index)
    }

    fn index(&self, tag: u64) -> Option<usize> {
        let index = usize::try_from(tag.checked_sub(self.base)?).ok()?;
        (index < self.entries.len()).then_some(index)
    }

    fn tag_at(&self, index: usize) -> u64 {
        self.base + index as u64
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfOrder { tag, expected } => {
                write!(f, "delivery tag {tag} where {expected} should follow")
            }
            Self::NotRunning { tag } => write!(f, "delivery tag {tag} is not running"),
        }
    }
}

impl std::error::Error for LedgerError {}
