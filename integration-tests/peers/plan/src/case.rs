//! One row of conditions: what a contender meets in a run.

use std::time::Duration;

use crate::contender::Contender;

/// The kind of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Quorum,
    Classic,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Classic => "classic",
        }
    }
}

/// What a contender meets in a run.
#[derive(Clone, Debug)]
pub struct Case {
    /// What tells it from the others of its axis, in tables.
    pub label: String,
    pub kind: Kind,
    pub prefetch: u16,
    /// What every message weighs, in bytes.
    pub body: usize,
    pub workers: u16,
    pub queues: u16,
    /// How long the handler waits.
    pub pause: Duration,
    /// Of how many messages one fails, at its first attempt; 0 for none.
    pub fail_every: u64,
    /// How many messages a publisher has on their way.
    pub window: u16,
    /// How many messages a run has, unless its contender is slow.
    pub messages: u64,
}

impl Case {
    /// A quorum queue, one worker, 100 bytes, a handler that does nothing.
    pub(crate) fn plain(label: impl Into<String>, prefetch: u16, messages: u64) -> Self {
        Self {
            label: label.into(),
            kind: Kind::Quorum,
            prefetch,
            body: 100,
            workers: 1,
            queues: 1,
            pause: Duration::ZERO,
            fail_every: 0,
            window: 1,
            messages,
        }
    }

    /// How many messages this contender gets.
    pub fn messages_for(&self, contender: Contender) -> u64 {
        let messages = self.messages / contender.share();
        // It handles one after the other, at any prefetch.
        let in_a_row = contender == Contender::LapinAwaitAck && !self.pause.is_zero();
        let most = if in_a_row { 300 } else { u64::MAX };
        messages.min(most).max(u64::from(self.queues))
    }

    /// The names of the queues.
    pub fn queue_names(&self) -> Vec<String> {
        match self.queues {
            1 => vec!["bench".to_owned()],
            many => (0..many).map(|number| format!("bench-{number}")).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_contender_gets_fewer_messages_and_each_queue_one_at_least() {
        let mut case = Case::plain("", 100, 100);
        assert_eq!(case.messages_for(Contender::Garenne), 100);
        assert_eq!(case.messages_for(Contender::Celery), 2);
        case.queues = 7;
        assert_eq!(case.messages_for(Contender::Celery), 7);
    }

    #[test]
    fn whoever_handles_in_a_row_is_not_waited_for_minutes() {
        let mut case = Case::plain("", 100, 20_000);
        case.pause = Duration::from_millis(5);
        assert_eq!(case.messages_for(Contender::LapinAwaitAck), 300);
        assert_eq!(case.messages_for(Contender::LapinBest), 20_000);
    }
}
