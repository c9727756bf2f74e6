//! A message, and what the books say about it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use garenne_core::Moment;
use garenne_core::publishing::{Answer, Names, OutageWait, Publishable};

/// A message as the machine has it.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) id: usize,
    pub(super) exchange: &'static str,
    pub(super) is_wanted: Rc<Cell<bool>>,
}

impl Publishable for Letter {
    fn is_wanted(&self) -> bool {
        self.is_wanted.get()
    }

    fn names(&self) -> Names<'_> {
        Names {
            exchange: self.exchange,
            ..Names::default()
        }
    }
}

/// What the books say about a message.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) key: u64,
    pub(super) exchange: &'static str,
    pub(super) wait: OutageWait,
    pub(super) since: Moment,
    pub(super) is_wanted: Rc<Cell<bool>>,
    pub(super) is_abandoned: bool,
    pub(super) answer: Option<(Answer, Moment)>,
    pub(super) sent: bool,
    pub(super) tries: u32,
    /// The broker has returned it over this channel.
    pub(super) returned: bool,
    /// What the broker's confirm over this channel says.
    pub(super) confirm: Option<bool>,
    /// When it was published, or came to the backlog of this channel, in open time.
    pub(super) here_since: Duration,
    /// Open time without a confirm on earlier channels.
    pub(super) unconfirmed: Duration,
}

impl Record {
    /// A message that is sent now.
    pub(super) fn new(
        key: u64,
        exchange: &'static str,
        wait: OutageWait,
        (now, open_time): (Moment, Duration),
    ) -> Self {
        Self {
            key,
            exchange,
            wait,
            since: now,
            is_wanted: Rc::new(Cell::new(true)),
            is_abandoned: false,
            answer: None,
            sent: false,
            tries: 0,
            returned: false,
            confirm: None,
            here_since: open_time,
            unconfirmed: Duration::ZERO,
        }
    }
}
