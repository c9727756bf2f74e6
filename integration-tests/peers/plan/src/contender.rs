//! Who is measured.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Contender {
    Garenne,
    LapinAwaitAck,
    LapinBest,
    LapinNoAck,
    Amqprs,
    Librabbitmq,
    Amqp091Go,
    ApalisAmqp,
    RuststreamLapin,
    Pika,
    Celery,
    Amqplib,
}

/// What the body of its messages is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The order in JSON.
    Plain,
    /// A call of a task with the order as its argument, in Celery's format of messages.
    CeleryTask,
}

impl Contender {
    pub fn name(self) -> &'static str {
        match self {
            Self::Garenne => "garenne",
            Self::LapinAwaitAck => "lapin-await-ack",
            Self::LapinBest => "lapin-best",
            Self::LapinNoAck => "lapin-no-ack",
            Self::Amqprs => "amqprs",
            Self::Librabbitmq => "librabbitmq",
            Self::Amqp091Go => "amqp091-go",
            Self::ApalisAmqp => "apalis-amqp",
            Self::RuststreamLapin => "ruststream-lapin",
            Self::Pika => "pika",
            Self::Celery => "celery",
            Self::Amqplib => "amqplib",
        }
    }

    /// Whether people are given this to build services on; the others are loops written by hand.
    pub fn is_framework(self) -> bool {
        matches!(
            self,
            Self::ApalisAmqp | Self::RuststreamLapin | Self::Celery
        )
    }

    pub fn format(self) -> Format {
        match self {
            Self::Celery => Format::CeleryTask,
            _ => Format::Plain,
        }
    }

    /// Which part of the messages it is given, so that the run of a slow one takes seconds too.
    pub(crate) fn share(self) -> u64 {
        match self {
            Self::Celery => 50,
            Self::Pika => 4,
            _ => 1,
        }
    }
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
