//! What can be asked for, and how that is written.
#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help text, which is read as it is"
)]

/// What every help ends with.
macro_rules! with_exit_codes {
    ($examples:literal) => {
        concat!(
            $examples,
            "\n\nExit codes:\n",
            "  0   done\n",
            "  1   something failed, or is left undone; it says what\n",
            "  2   the arguments cannot be used\n",
            "  75  the broker or the database cannot be reached; try again later\n",
            "  78  refused: credentials, rights, or a name that is not there"
        )
    };
}

mod failed;
mod other;
mod values;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

pub(crate) use failed::{Discard, Edit, Export, FailedCommand, Import, List, Replay, Show, Target};
pub(crate) use other::{Completions, Doctor, Send, Topology};
pub(crate) use values::Header;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// For the operators of services that consume RabbitMQ with garenne.
///
/// The broker is the one in --url, or in AMQP_URL, or amqp://localhost:5672. Prefer the variable: what is
/// written on a command line can be read by everybody on the host.
#[derive(Debug, Parser)]
#[command(name = "garenne", version, styles = STYLES, max_term_width = 100, after_help = with_exit_codes!("\
Examples:
  garenne doctor --queue orders
  garenne failed ls --queue orders --group-by error"))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at failed messages, send them again, throw them away, move them
    Failed {
        #[command(subcommand)]
        command: FailedCommand,
    },
    Send(Send),
    Topology(Topology),
    Doctor(Doctor),
    Completions(Completions),
}
