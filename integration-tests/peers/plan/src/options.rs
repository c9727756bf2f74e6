//! The command line.

use std::num::NonZeroU64;

use clap::{Parser, ValueEnum};

use crate::axis::Axis;
use crate::case::Case;
use crate::contender::Contender;

/// Measures consumers side by side on a private RabbitMQ node
///
/// It builds and installs what takes part (cargo, apt-get, pip, npm); who cannot be installed, or
/// fails while it is measured, is left out with a line. The exit code is 1 when somebody failed, or
/// the guard found more than its baseline.
#[derive(Debug, Parser)]
#[command(name = "bench", bin_name = "cargo xtask bench")]
pub struct Options {
    /// A tenth of the messages, and 3 rounds at most: shows that it works, and little more
    #[arg(long)]
    quick: bool,

    /// How often each contender has its turn [default: 5 on the core axis, 3 on others]
    #[arg(long, value_name = "N")]
    rounds: Option<NonZeroU64>,

    /// Only these contenders; ratios need garenne among them
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<Contender>,

    /// What is varied
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        default_value = "core"
    )]
    axis: Vec<Axis>,

    /// Counts what a delivery costs garenne in instructions, without a clock, and compares it with
    /// what was accepted; needs valgrind
    #[arg(long, conflicts_with_all = ["quick", "rounds", "only", "axis", "check"])]
    guard: bool,

    /// With --guard: what is counted now is the new baseline
    #[arg(long, requires = "guard")]
    accept: bool,

    /// Format, lints and tests of these programs; measures nothing
    #[arg(long, conflicts_with_all = ["quick", "rounds", "only", "axis"])]
    check: bool,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Contenders side by side.
    Measure,
    /// Instructions, beside the baseline.
    Guard,
    /// Instructions, as the new baseline.
    Accept,
    /// Nothing: the programs themselves are checked.
    Check,
}

impl Options {
    /// Reads them; ends the process with an answer where they ask for help or make no sense.
    pub fn read<'a>(options: impl IntoIterator<Item = &'a str>) -> Self {
        Self::parse_from(["bench"].into_iter().chain(options))
    }

    pub fn mode(&self) -> Mode {
        match (self.check, self.guard, self.accept) {
            (true, ..) => Mode::Check,
            (_, true, true) => Mode::Accept,
            (_, true, false) => Mode::Guard,
            _ => Mode::Measure,
        }
    }

    /// The axes, in the order in which they were named.
    pub fn axes(&self) -> Vec<Axis> {
        self.axis.iter().flat_map(|axis| axis.each()).collect()
    }

    /// Who takes part in an axis, in the order of their turns.
    pub fn contenders(&self, axis: Axis) -> Vec<Contender> {
        let all = axis.contenders().iter().copied();
        all.filter(|contender| self.only.is_empty() || self.only.contains(contender))
            .collect()
    }

    /// Who takes part in any axis.
    pub fn everybody(&self) -> Vec<Contender> {
        let axes = self.axes();
        let takes_part = |contender: &Contender| {
            let mut axes = axes.iter();
            axes.any(|axis| self.contenders(*axis).contains(contender))
        };
        let all = Contender::value_variants().iter().copied();
        all.filter(takes_part).collect()
    }

    pub fn rounds(&self, axis: Axis) -> u64 {
        match self.rounds {
            Some(rounds) => rounds.get(),
            None if self.quick => axis.rounds().min(3),
            None => axis.rounds(),
        }
    }

    pub fn cases(&self, axis: Axis) -> Vec<Case> {
        let mut cases = axis.cases();
        if self.quick {
            for case in &mut cases {
                case.messages = (case.messages / 10).max(u64::from(case.queues));
            }
        }
        cases
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        let words = ["bench"].into_iter().chain(line.split_whitespace());
        Options::try_parse_from(words).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_makes_sense() {
        Options::command().debug_assert();
    }

    #[test]
    fn rounds_that_are_asked_for_win_over_those_of_a_quick_run() {
        let asked = options("--quick --rounds 7").expect("valid");
        assert_eq!(asked.rounds(Axis::Core), 7);
        let quick = options("--quick").expect("valid");
        assert_eq!((quick.rounds(Axis::Core), quick.rounds(Axis::Grid)), (3, 1));
    }

    #[test]
    fn a_name_that_nobody_has_is_refused_with_those_that_there_are() {
        let contender = options("--only pica").expect_err("nobody");
        assert!(contender.contains("'pica'") && contender.contains("amqp091-go"));
        let axis = options("--axis bodies").expect_err("nothing");
        assert!(axis.contains("'bodies'") && axis.contains("queue-type"));
    }

    #[test]
    fn only_those_take_part_who_are_wanted_and_belong_to_the_axis() {
        let asked = options("--only pika,garenne --axis core,publish").expect("valid");
        assert_eq!(asked.everybody(), [Contender::Garenne, Contender::Pika]);
        assert_eq!(asked.contenders(Axis::Publish), [Contender::Garenne]);
    }

    #[test]
    fn a_baseline_is_accepted_by_the_guard_alone() {
        assert_eq!(
            options("--guard --accept").expect("valid").mode(),
            Mode::Accept
        );
        assert!(options("--accept").is_err());
        assert!(options("--guard --axis core").is_err());
    }

    #[test]
    fn a_quick_run_leaves_a_message_for_each_queue() {
        let quick = options("--quick --axis many-queues").expect("valid");
        let cases = quick.cases(Axis::ManyQueues);
        assert!(
            cases
                .iter()
                .all(|case| case.messages == u64::from(case.queues))
        );
    }
}
