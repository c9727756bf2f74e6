//! Who is measured, and how each is started.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use tokio::process::Command;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Contender {
    Garenne,
    LapinAwaitAck,
    LapinBest,
    LapinNoAck,
    Amqp091Go,
    Pika,
    Amqplib,
}

impl Contender {
    pub fn name(self) -> &'static str {
        match self {
            Self::Garenne => "garenne",
            Self::LapinAwaitAck => "lapin-await-ack",
            Self::LapinBest => "lapin-best",
            Self::LapinNoAck => "lapin-no-ack",
            Self::Amqp091Go => "amqp091-go",
            Self::Pika => "pika",
            Self::Amqplib => "amqplib",
        }
    }

    /// What to run, among the programs that were built and installed here.
    pub fn command(self, programs: &Path) -> Command {
        let mut command = Command::new(self.program(programs));
        match self {
            Self::Garenne | Self::Amqp091Go => &mut command,
            Self::LapinAwaitAck => command.arg("await-ack"),
            Self::LapinBest => command.arg("best"),
            Self::LapinNoAck => command.arg("no-ack"),
            Self::Pika => command.arg(source("python/pika_consumer.py")),
            Self::Amqplib => command
                .arg(source("node/consumer.js"))
                .env("NODE_PATH", programs.join("node_modules"))
                .env("NODE_ENV", "production"),
        };
        command
    }

    fn program(self, programs: &Path) -> PathBuf {
        match self {
            Self::Garenne => programs.join("cargo/release/garenne-contender"),
            Self::LapinAwaitAck | Self::LapinBest | Self::LapinNoAck => {
                programs.join("cargo/release/lapin-contender")
            }
            Self::Amqp091Go => programs.join("go-contender"),
            Self::Pika => programs.join("venv/bin/python"),
            Self::Amqplib => PathBuf::from("node"),
        }
    }
}

/// A file of the contenders' own.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_tables_are_those_of_the_command_line() {
        for contender in Contender::value_variants() {
            let value = contender.to_possible_value().expect("none is hidden");
            assert_eq!(value.get_name(), contender.name());
        }
    }
}
