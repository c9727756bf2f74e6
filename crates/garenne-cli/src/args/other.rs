//! `garenne send`, `topology`, `doctor`, `completions`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::Shell;
use garenne::core::{DurationError, Queue, QueueKind, Retry, parse_duration};

use super::Header;
use super::values::header;

fn duration(text: &str) -> Result<Duration, DurationError> {
    parse_duration(text)
}

/// Send messages, and say whether the broker has confirmed them
///
/// The body is the argument, or a file; with neither, every line of standard input is a message.
#[derive(Args, Debug)]
#[command(after_help = with_exit_codes!("\
Examples:
  garenne send --queue orders '{\"order_id\": 7}' --content-type application/json
  garenne send --queue orders --file order.json --header tenant=eu --confirm
  garenne send --exchange shop --routing-key order.placed < orders.jsonl
  garenne send --queue orders --after 30s hello"))]
pub(crate) struct Send {
    /// The broker [default: AMQP_URL, or amqp://localhost:5672]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Straight to this queue
    #[arg(long, short, value_name = "QUEUE", required_unless_present = "exchange", conflicts_with_all = ["exchange", "routing_key"])]
    pub(crate) queue: Option<String>,
    /// To this exchange
    #[arg(long, value_name = "NAME")]
    pub(crate) exchange: Option<String>,
    /// With this routing key
    #[arg(long, value_name = "KEY", requires = "exchange")]
    pub(crate) routing_key: Option<String>,
    /// The body
    #[arg(value_name = "BODY", conflicts_with = "file")]
    pub(crate) body: Option<String>,
    /// A file that is the body, byte for byte
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// A header: NAME=TEXT, or NAME:=JSON for other types; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME=TEXT", value_parser = header)]
    pub(crate) headers: Vec<Header>,
    /// The MIME type of the body [default: text/plain; none for a file]
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// The message id of a single message [default: a new UUID]
    #[arg(long, value_name = "ID")]
    pub(crate) message_id: Option<String>,
    /// Delivered only after this long: 30s, 2h, 7days
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) after: Option<Duration>,
    /// At most so many messages a second
    #[arg(long, value_name = "PER-SECOND")]
    pub(crate) rate: Option<NonZeroU32>,
    /// Write the id of every confirmed message on a line of standard output
    #[arg(long)]
    pub(crate) confirm: bool,
}

/// The kind of a queue.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    Quorum,
    Classic,
}

/// What the service declares for the queue.
#[derive(Args, Debug)]
#[command(next_help_heading = "How the service declares the queue")]
pub(crate) struct QueueShape {
    /// The kind of the queue
    #[arg(long, value_enum, default_value = "quorum")]
    pub(crate) kind: Kind,
    /// When a failed message is tried again
    #[arg(long, value_name = "POLICY", default_value = "20s*3")]
    pub(crate) retry: Retry,
    /// The delivery limit of a quorum queue
    #[arg(long, value_name = "NUMBER", default_value = "20")]
    pub(crate) delivery_limit: u32,
}

impl QueueShape {
    pub(crate) fn queue(&self, name: &str) -> Queue {
        let kind = match self.kind {
            Kind::Quorum => QueueKind::Quorum,
            Kind::Classic => QueueKind::Classic,
        };
        Queue::new(name, kind)
            .retry(self.retry.clone())
            .delivery_limit(self.delivery_limit)
    }
}

/// Show what a queue needs on the broker, or declare it
///
/// A service with few rights does not declare its queues itself (`Declare::Verify`); then this does. What cannot be
/// made keeps nothing else from being made: it says what is left, and exits with 1 where a queue is there with
/// other arguments, with 78 where the broker refuses.
#[derive(Args, Debug)]
#[command(after_help = with_exit_codes!("\
Examples:
  garenne topology --queue orders
  garenne topology --queue orders --declare
  garenne topology --queue orders --declare --adopt
  garenne topology --queue orders --json"))]
pub(crate) struct Topology {
    /// The broker to declare on [default: AMQP_URL, or amqp://localhost:5672]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The queue; may be repeated
    #[arg(long, short, value_name = "QUEUE", required = true)]
    pub(crate) queue: Vec<String>,
    /// Declare it: make what is missing
    #[arg(long)]
    pub(crate) declare: bool,
    /// Take the queue itself as it is, whatever its arguments; make its lanes and its parking queue
    #[arg(long, requires = "declare")]
    pub(crate) adopt: bool,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) shape: QueueShape,
}

/// Find out whether a service could work: the broker, this user's rights, the queue's topology
///
/// Nothing is changed.
#[derive(Args, Debug)]
#[command(after_help = with_exit_codes!("\
Examples:
  garenne doctor
  garenne doctor --queue orders
  garenne doctor --queue orders --adopt"))]
pub(crate) struct Doctor {
    /// The broker [default: AMQP_URL, or amqp://localhost:5672]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// A queue to look at; may be repeated
    #[arg(long, short, value_name = "QUEUE")]
    pub(crate) queue: Vec<String>,
    /// The service adopts the queue (`Declare::Verify`): that its arguments differ is no fault
    #[arg(long)]
    pub(crate) adopt: bool,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) shape: QueueShape,
}

/// Write a completion script for a shell
#[derive(Args, Debug)]
#[command(after_help = with_exit_codes!("\
Example:
  garenne completions bash > /etc/bash_completion.d/garenne"))]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: Shell,
}
