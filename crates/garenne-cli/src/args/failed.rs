//! `garenne failed …`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use garenne::core::FailReason;
use garenne::failed::{Condition, FailedQuery, GroupBy};

use super::values::{grouping, since};

#[derive(Debug, Subcommand)]
pub(crate) enum FailedCommand {
    Ls(List),
    Show(Show),
    Replay(Replay),
    Discard(Discard),
    Edit(Edit),
    Export(Export),
    Import(Import),
}

/// Failed messages: where they lie, and which of them.
#[derive(Args, Debug)]
pub(crate) struct Messages {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) selection: Selection,
}

/// Where the failed messages lie.
#[derive(Args, Debug)]
#[command(next_help_heading = "Where they lie")]
pub(crate) struct Target {
    /// The broker [default: AMQP_URL, or amqp://localhost:5672]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,

    /// A database in place of parking queues: postgres://user@host/name, sqlite:///path/file.db; alone, the one in GARENNE_DATABASE
    #[arg(
        long,
        value_name = "URL",
        num_args = 0..=1,
        default_missing_value = "",
        long_help = "A database in place of parking queues: postgres://user@host/name, sqlite:///path/file.db\n\
        --database alone, last or before another option, is the one in the variable GARENNE_DATABASE. A password on a command \
        line can be read by everybody on the host: put the URL into that variable, or PostgreSQL's password into PGPASSWORD.\n\
        PostgreSQL takes whatever encryption the server offers, and asks nobody who it is, unless the URL ends with \
        ?sslmode=verify-full&sslrootcert=/path/ca.pem"
    )]
    pub(crate) database: Option<String>,

    /// The queue in which they failed (not QUEUE.failed); needed for parking queues; may be repeated
    #[arg(long, short, value_name = "QUEUE")]
    pub(crate) queue: Vec<String>,
}

/// Which of them are meant.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Which of them")]
pub(crate) struct Selection {
    /// Only these message ids
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,

    /// Only where this holds: error~timeout, header.tenant=eu, attempts>=3; repeated, all must hold
    #[arg(
        long = "where",
        value_name = "CONDITION",
        long_help = "Only where this holds; repeated, all must hold.\n\
        A condition is a field, a test and a value: error~timeout, header.tenant=eu, attempts>=3\n\
        Fields: id, queue, exchange, routing-key, reason, doubt, error, attempts, host, service, version, type, \
        content-type, app-id, correlation-id, body, header.NAME\n\
        Tests: =  !=  ~ (contains, whatever the case)  !~  and, for numbers, <  <=  >  >="
    )]
    pub(crate) conditions: Vec<Condition>,

    /// Only what failed for this reason: exhausted, permanent, undecodable, panic, deadline, delivery-limit, unrepeatable, expired, maxlen, rejected, unknown
    #[arg(long, value_name = "REASON")]
    pub(crate) reason: Vec<FailReason>,

    /// Only what failed since then: 2h, 3days, 2026-09-21, 2026-09-21T14:13:20Z (UTC)
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(crate) since: Option<SystemTime>,

    /// At most so many
    #[arg(long, short = 'n', value_name = "NUMBER")]
    pub(crate) limit: Option<u64>,
}

impl Selection {
    pub(crate) fn query(&self) -> FailedQuery {
        let mut query = FailedQuery::all();
        for id in &self.ids {
            query = query.id(id);
        }
        for condition in &self.conditions {
            query = query.condition(condition.clone());
        }
        for reason in &self.reason {
            query = query.reason(*reason);
        }
        if let Some(since) = self.since {
            query = query.since(since);
        }
        if let Some(limit) = self.limit {
            query = query.limit(limit);
        }
        query
    }

    /// Whether nothing but a limit narrows it.
    pub(crate) fn is_all(&self) -> bool {
        self.ids.is_empty()
            && self.conditions.is_empty()
            && self.reason.is_empty()
            && self.since.is_none()
    }
}

/// List failed messages, or count them by what they have in common
#[derive(Args, Debug)]
#[command(after_help = with_exit_codes!("\
Examples:
  garenne failed ls --queue orders
  garenne failed ls --queue orders --group-by error
  garenne failed ls --queue orders --where error~timeout --since 2h --json
  garenne failed ls --queue orders --where doubt~"))]
pub(crate) struct List {
    /// Count them: by error (numbers in it do not matter), by reason, or by queue
    #[arg(long, value_name = "error|reason|queue", value_parser = grouping)]
    pub(crate) group_by: Option<GroupBy>,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) messages: Messages,
}

/// Show failed messages: why they failed, their properties, headers and bodies
#[derive(Args, Debug)]
#[command(after_help = with_exit_codes!("\
Examples:
  garenne failed show --queue orders 0190a2f4-77aa-7bbb-8ccc-123456789abc
  garenne failed show --queue orders --limit 1
  garenne failed show --queue orders 0190a2f4-77aa-7bbb-8ccc-123456789abc --body > order.json"))]
pub(crate) struct Show {
    /// Only the body, byte for byte
    #[arg(long, conflicts_with = "json")]
    pub(crate) body: bool,
    /// One JSON object a line, the body in base64
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) messages: Messages,
}

/// Send failed messages again, each to the queue that it failed in, and remove them here
///
/// A message is removed only when the broker has confirmed that its queue holds it. Whatever stops a
/// replay, nothing is lost, and it can be run again; killed, it may send up to 256 messages twice (355
/// from a database), with the same message id and the same header `replay-id`.
///
/// Whatever a message says, it goes to the queue in whose parking queue it lay. One that does not agree
/// with where it lies is in doubt, and stays unless --doubtful is said.
#[derive(Args, Debug)]
#[command(after_help = with_exit_codes!("\
Examples:
  garenne failed replay --queue orders --where error~timeout --dry-run
  garenne failed replay --queue orders --where error~timeout --rate 50
  garenne failed replay --queue orders 0190a2f4-77aa-7bbb-8ccc-123456789abc"))]
pub(crate) struct Replay {
    /// At most so many a second [default: as fast as the broker takes them]
    #[arg(long, value_name = "PER-SECOND")]
    pub(crate) rate: Option<NonZeroU32>,
    /// Only say what would be sent
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also send messages in doubt: their producers may have made up what they say; look at them before
    #[arg(long)]
    pub(crate) doubtful: bool,
    /// What came of it as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) messages: Messages,
}

/// Throw failed messages away, for good
#[derive(Args, Debug)]
#[command(after_help = with_exit_codes!("\
Examples:
  garenne failed discard --queue orders --where error~declined --dry-run
  garenne failed discard --queue orders --where error~declined --yes"))]
pub(crate) struct Discard {
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Only say what would be thrown away
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// What came of it as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) messages: Messages,
}

/// Open a failed message's body in $VISUAL or $EDITOR, then replay the message with what was saved
///
/// Saved unchanged, nothing is sent.
#[derive(Args, Debug)]
#[command(after_help = with_exit_codes!("\
Example:
  EDITOR=nano garenne failed edit --queue orders 0190a2f4-77aa-7bbb-8ccc-123456789abc"))]
pub(crate) struct Edit {
    /// The message id
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Even if the message is in doubt: its producer may have made up what it says
    #[arg(long)]
    pub(crate) doubtful: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Write failed messages as lines of JSON, without a loss; they stay where they are
#[derive(Args, Debug)]
#[command(after_help = with_exit_codes!("\
Examples:
  garenne failed export --queue orders > orders.jsonl
  garenne failed export --queue orders --output orders.jsonl --since 1day"))]
pub(crate) struct Export {
    /// The file to write [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) messages: Messages,
}

/// Store failed messages that were exported, or move parked ones into a database
///
/// With --from-queue, what is parked on the broker is moved into the database: each message is removed
/// there once it is stored.
#[derive(Args, Debug)]
#[command(after_help = with_exit_codes!("\
Examples:
  garenne failed import --queue orders orders.jsonl
  garenne failed import --database postgres://app@db/shop orders.jsonl
  garenne failed import --database postgres://app@db/shop --from-queue orders"))]
pub(crate) struct Import {
    /// The file to read [default: standard input]
    #[arg(value_name = "FILE", conflicts_with = "from_queue")]
    pub(crate) file: Option<PathBuf>,
    /// Move what is parked for this queue into the database; may be repeated
    #[arg(long, value_name = "QUEUE", requires = "database")]
    pub(crate) from_queue: Vec<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}
