//! What is to be measured.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::contender::Contender;

/// Measures consumers side by side on a private RabbitMQ node
#[derive(Debug, Parser)]
#[command(name = "bench", bin_name = "cargo xtask bench")]
pub struct Plan {
    /// A tenth of the messages, and 3 rounds: shows that it works, and little more
    #[arg(long)]
    quick: bool,

    /// How often each contender has its turn [default: 5, or 3 with --quick]
    #[arg(long, value_name = "N")]
    rounds: Option<NonZeroU64>,

    /// Only these contenders; ratios need garenne among them
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<Contender>,

    /// Who could not be installed
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', hide = true)]
    without: Vec<Contender>,

    /// Where the programs are that were built and installed
    #[arg(long, value_name = "FOLDER", hide = true)]
    pub programs: PathBuf,
}

/// What one run has to do.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub prefetch: u16,
    pub messages: u64,
}

impl Plan {
    /// Who takes part, in the order of their turns.
    pub fn contenders(&self) -> Vec<Contender> {
        let all = Contender::value_variants().iter().copied();
        all.filter(|contender| self.only.is_empty() || self.only.contains(contender))
            .filter(|contender| !self.without.contains(contender))
            .collect()
    }

    /// Who would have taken part, and could not be installed.
    pub fn left_out(&self) -> impl Iterator<Item = Contender> {
        let wanted = |contender: &&Contender| self.only.is_empty() || self.only.contains(contender);
        self.without.iter().filter(wanted).copied()
    }

    pub fn rounds(&self) -> u64 {
        match self.rounds {
            Some(rounds) => rounds.get(),
            None if self.quick => 3,
            None => 5,
        }
    }

    /// A run takes seconds at any prefetch.
    pub fn loads(&self) -> [Load; 4] {
        let part = if self.quick { 10 } else { 1 };
        [(1, 10_000), (10, 50_000), (100, 100_000), (1000, 100_000)].map(|(prefetch, messages)| {
            Load {
                prefetch,
                messages: messages / part,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Plan::command().debug_assert();
    }

    #[test]
    fn rounds_that_are_asked_for_win_over_those_of_a_quick_run() {
        let plan = Plan::parse_from(["bench", "--quick", "--rounds", "7", "--programs", "x"]);
        assert_eq!(plan.rounds(), 7);
    }

    #[test]
    fn who_could_not_be_installed_takes_no_part_and_is_named_where_wanted() {
        let plan = |only: &str| {
            let options = [
                "bench",
                "--without",
                "pika,amqplib",
                "--programs",
                "x",
                only,
            ];
            Plan::parse_from(options)
        };
        let plan = plan("--only=garenne,pika");
        assert_eq!(plan.contenders(), [Contender::Garenne]);
        assert_eq!(plan.left_out().collect::<Vec<_>>(), [Contender::Pika]);
    }
}
