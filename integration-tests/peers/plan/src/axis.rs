//! The experiments: what each varies, who takes part, and what is looked at.

use std::time::Duration;

use clap::ValueEnum;

use crate::case::{Case, Kind};
use crate::contender::Contender;
use crate::quantity::Quantity;

/// What is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Axis {
    /// All contenders, at prefetch 1, 10, 100 and 1000; the default
    Core,
    /// A prefetch between 20 and 1000
    Prefetch,
    /// Quorum and classic queues
    QueueType,
    /// Bodies of 100 B and 10 kB
    Body,
    /// 1, 2 and 4 workers
    Workers,
    /// A handler that awaits 5 ms, at prefetch 1, 10, 100 and 1000
    Pause,
    /// Handlers that fail: nothing, 1 % and everything goes to a lane
    Failures,
    /// Publishing with confirms, one at a time and 256 at once
    Publish,
    /// How old a message is when its handler is called, at 1,000 messages per second
    Latency,
    /// From a broker that is back to the first message
    Recovery,
    /// From the start of the process to its first message
    Start,
    /// Memory for 1, 100 and 1,000 queues
    ManyQueues,
    /// Memory for bodies of 1 MB, at prefetch 1, 10 and 100
    BigBodies,
    /// Queue type × prefetch × body × workers, one round; not part of `all`
    Grid,
    /// Every axis but the grid, one after the other
    All,
}

/// What a contender does in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Handles what is in its queues.
    Consume,
    /// Fills a queue.
    Publish,
    /// Handles what comes, so many a second.
    KeepUp { per_second: u32 },
    /// Handles a message, loses its broker, and handles another one.
    Recover,
}

impl Axis {
    pub fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Prefetch => "prefetch",
            Self::QueueType => "queue-type",
            Self::Body => "body",
            Self::Workers => "workers",
            Self::Pause => "pause",
            Self::Failures => "failures",
            Self::Publish => "publish",
            Self::Latency => "latency",
            Self::Recovery => "recovery",
            Self::Start => "start",
            Self::ManyQueues => "many-queues",
            Self::BigBodies => "big-bodies",
            Self::Grid => "grid",
            Self::All => "all",
        }
    }

    /// The axes that are meant.
    pub(crate) fn each(self) -> Vec<Self> {
        let every = Self::value_variants().iter().copied();
        match self {
            Self::All => every
                .filter(|axis| !matches!(axis, Self::All | Self::Grid))
                .collect(),
            one => vec![one],
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Core => "Quorum queue, 100 B, one worker, a handler that does nothing",
            Self::Prefetch => "Prefetch; quorum queue, 100 B, one worker",
            Self::QueueType => "Queue type and prefetch; 100 B, one worker",
            Self::Body => "Body; quorum queue, prefetch 100, one worker",
            Self::Workers => "Workers; quorum queue, 100 B, prefetch 100 each",
            Self::Pause => "A handler that awaits 5 ms; quorum queue, 100 B, one worker",
            Self::Failures => {
                "Messages that fail and wait in a lane; quorum queue, 100 B, prefetch 100"
            }
            Self::Publish => "Publishing with confirms; quorum queue, 100 B, mandatory, persistent",
            Self::Latency => {
                "From publishing to the handler at 1,000 messages/s; quorum queue, 100 B, prefetch 100"
            }
            Self::Recovery => "After a restart of the broker; quorum queue, one message",
            Self::Start => "From the start of the process to its first message",
            Self::ManyQueues => "Many queues, one message each; classic, prefetch 10",
            Self::BigBodies => "Bodies of 1 MB, a handler that awaits 5 ms; quorum queue",
            Self::Grid => "Queue type × prefetch × body × workers, one round",
            Self::All => "Everything",
        }
    }

    pub fn act(self) -> Act {
        match self {
            Self::Publish => Act::Publish,
            Self::Latency => Act::KeepUp { per_second: 1000 },
            Self::Recovery => Act::Recover,
            _ => Act::Consume,
        }
    }

    pub fn contenders(self) -> &'static [Contender] {
        use Contender::{Amqp091Go, Garenne, LapinAwaitAck, LapinBest};
        match self {
            Self::Core | Self::Start | Self::All => Contender::value_variants(),
            Self::QueueType | Self::Recovery | Self::Grid => &[Garenne, LapinAwaitAck, Amqp091Go],
            Self::Publish => &[Garenne, LapinBest, Amqp091Go],
            Self::Prefetch => &[Garenne, LapinAwaitAck, LapinBest],
            Self::Body
            | Self::Workers
            | Self::Pause
            | Self::Failures
            | Self::Latency
            | Self::ManyQueues
            | Self::BigBodies => &[Garenne, LapinAwaitAck, LapinBest, Amqp091Go],
        }
    }

    /// How often each contender has its turn.
    pub(crate) fn rounds(self) -> u64 {
        match self {
            Self::Core => 5,
            Self::Grid => 1,
            _ => 3,
        }
    }

    /// What is varied, as the head of a column.
    pub(crate) fn varied(self) -> &'static str {
        match self {
            Self::Core | Self::Prefetch | Self::Pause | Self::BigBodies => "prefetch",
            Self::QueueType => "queue, prefetch",
            Self::Body => "body",
            Self::Workers => "workers",
            Self::Failures => "fail",
            Self::Publish => "window",
            Self::ManyQueues => "queues",
            Self::Latency | Self::Recovery | Self::Start => "",
            Self::Grid => "queue, prefetch, body, workers",
            Self::All => "axis",
        }
    }

    /// What a table shows beside the first of them, by which contenders are compared.
    pub(crate) fn quantities(self) -> &'static [Quantity] {
        use Quantity::{Cpu, First, Last, P50, P99, P999, Peak, Recovery, Speed};
        match self {
            Self::Latency => &[P99, P50, P999, Cpu],
            Self::Recovery => &[Recovery],
            Self::Start => &[First, Peak],
            Self::ManyQueues => &[Peak, Last],
            Self::BigBodies => &[Peak, Speed],
            _ => &[Speed, Cpu, Peak],
        }
    }

    /// A run takes a second or two, so that how a process starts has little part in it.
    pub fn cases(self) -> Vec<Case> {
        let at = |(prefetch, messages): (u16, u64)| {
            Case::plain(prefetch.to_string(), prefetch, messages)
        };
        match self {
            Self::Core => PREFETCHES.map(at).into(),
            Self::Prefetch => [20, 50, 100, 200, 300, 500, 1000]
                .map(|prefetch| at((prefetch, 60_000)))
                .into(),
            Self::QueueType => by_type(),
            Self::Body => [(100, "100 B", 30_000), (10_000, "10 kB", 10_000)]
                .map(|(body, label, messages)| Case {
                    body,
                    ..Case::plain(label, 100, messages)
                })
                .into(),
            Self::Workers => [1, 2, 4]
                .map(|workers| Case {
                    workers,
                    ..Case::plain(workers.to_string(), 100, 30_000)
                })
                .into(),
            Self::Pause => [(1, 300), (10, 3_000), (100, 20_000), (1000, 30_000)]
                .map(|case| Case {
                    pause: PAUSE,
                    ..at(case)
                })
                .into(),
            Self::Failures => [
                (0, "nothing", 60_000),
                (100, "1 %", 40_000),
                (1, "everything", 20_000),
            ]
            .map(|(fail_every, label, messages)| Case {
                fail_every,
                ..Case::plain(label, 100, messages)
            })
            .into(),
            Self::Publish => [(1, 2_000), (256, 30_000)]
                .map(|(window, messages)| Case {
                    window,
                    ..Case::plain(window.to_string(), 1, messages)
                })
                .into(),
            Self::Latency => vec![Case::plain("", 100, 5_000)],
            Self::Recovery | Self::Start => vec![Case::plain("", 100, 1)],
            Self::ManyQueues => [1, 100, 1000].map(with_queues).into(),
            Self::BigBodies => [(1, 20), (10, 50), (100, 200)]
                .map(|case| Case {
                    body: 1_000_000,
                    pause: PAUSE,
                    ..at(case)
                })
                .into(),
            Self::Grid => grid(),
            Self::All => Vec::new(),
        }
    }
}

/// Prefetches, and how many messages are enough at each.
const PREFETCHES: [(u16, u64); 4] = [(1, 5_000), (10, 20_000), (100, 60_000), (1000, 120_000)];

/// How long a handler waits that waits.
const PAUSE: Duration = Duration::from_millis(5);

fn with_queues(queues: u16) -> Case {
    Case {
        kind: Kind::Classic,
        queues,
        ..Case::plain(queues.to_string(), 10, queues.into())
    }
}

fn by_type() -> Vec<Case> {
    let mut cases = Vec::new();
    for (prefetch, messages) in PREFETCHES {
        for kind in [Kind::Quorum, Kind::Classic] {
            let label = format!("{}, {prefetch}", kind.name());
            cases.push(Case {
                kind,
                ..Case::plain(label, prefetch, messages)
            });
        }
    }
    cases
}

fn grid() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in [Kind::Quorum, Kind::Classic] {
        for (prefetch, messages) in PREFETCHES {
            for (body, weight, at_most) in [(100, "100 B", 60_000), (10_000, "10 kB", 10_000)] {
                for workers in [1, 2, 4] {
                    let label = format!("{}, {prefetch}, {weight}, {workers}", kind.name());
                    cases.push(Case {
                        kind,
                        body,
                        workers,
                        ..Case::plain(label, prefetch, messages.min(at_most))
                    });
                }
            }
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for axis in Axis::value_variants() {
            let value = axis.to_possible_value().expect("none is hidden");
            assert_eq!(value.get_name(), axis.name());
        }
    }

    #[test]
    fn all_axes_have_cases_that_tell_themselves_apart() {
        let all = Axis::All.each();
        assert_eq!(all.len() + 2, Axis::value_variants().len());
        for axis in all.into_iter().chain([Axis::Grid]) {
            let mut labels: Vec<String> = axis.cases().into_iter().map(|case| case.label).collect();
            let cases = labels.len();
            labels.sort();
            labels.dedup();
            assert!(cases > 0 && labels.len() == cases, "{}", axis.name());
        }
    }

    #[test]
    fn the_grid_has_every_combination() {
        assert_eq!(Axis::Grid.cases().len(), 2 * 4 * 2 * 3);
    }
}
