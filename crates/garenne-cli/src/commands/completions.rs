//! `garenne completions`.

use clap::CommandFactory;

use crate::args::{Cli, Completions};
use crate::exit::{Done, Trouble};
use crate::output::Screen;

pub(crate) fn run(completions: &Completions) -> Result<Done, Trouble> {
    let mut script = Vec::new();
    clap_complete::generate(
        completions.shell,
        &mut Cli::command(),
        "garenne",
        &mut script,
    );
    Screen::new().bytes(&script)?;
    Ok(Done::Everything)
}
